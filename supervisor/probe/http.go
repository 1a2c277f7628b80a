package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// maxStatusLine bounds what is read of an answer.
const maxStatusLine = 4096

// HTTP sends GET path to a server, in HTTP/1.1 with this Host. A status from 200
// to 399 is yes. The error says what came instead. Neither path nor host may hold
// spaces or line ends.
func HTTP(ctx context.Context, network, address, host, path string) error {
	if strings.ContainsAny(host+path, " \r\n") {
		return fmt.Errorf("GET %q: has a space or a line end", path)
	}
	conn, err := dial(ctx, network, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	request := "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: supd\r\nAccept: */*\r\nConnection: close\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		return fmt.Errorf("GET %s: %w", path, reason(ctx, err))
	}
	line, err := bufio.NewReader(io.LimitReader(conn, maxStatusLine)).ReadString('\n')
	if err != nil {
		return fmt.Errorf("GET %s: no status line: %w", path, reason(ctx, err))
	}
	return judge(path, strings.TrimSpace(line))
}

// judge reads a status line: "HTTP/1.1 200 OK".
func judge(path, line string) error {
	version, status, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(status, " ")
	n, err := strconv.Atoi(code)
	if err != nil || len(code) != 3 || !strings.HasPrefix(version, "HTTP/1.") {
		return fmt.Errorf("GET %s: the answer is not HTTP: %.60q", path, line)
	}
	if n < 200 || n > 399 {
		return fmt.Errorf("GET %s: %.60s", path, status)
	}
	return nil
}

// HTTPURL is HTTP with a "http://HOST[:PORT][/PATH]".
func HTTPURL(ctx context.Context, url string) error {
	rest, ok := strings.CutPrefix(url, "http://")
	if !ok {
		return fmt.Errorf("%q does not begin with http://", url)
	}
	host, path, _ := strings.Cut(rest, "/")
	address := host
	if _, _, err := net.SplitHostPort(host); err != nil {
		address = net.JoinHostPort(strings.Trim(host, "[]"), "80")
	}
	return HTTP(ctx, "tcp", address, host, "/"+path)
}

// TCP tells whether a connection is accepted.
func TCP(ctx context.Context, network, address string) error {
	conn, err := dial(ctx, network, address)
	if err != nil {
		return err
	}
	return conn.Close()
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", reason(ctx, err))
	}
	return conn, nil
}

// reason prefers the end of ctx to the error of a connection that it has closed.
func reason(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
