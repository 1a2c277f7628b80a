package probe

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 64 << 10
	// restTime bounds the wait for the rest of an answer after its status.
	restTime = 500 * time.Millisecond
)

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
	answer := bufio.NewReader(io.LimitReader(conn, maxAnswer))
	line, err := statusLine(answer)
	if err != nil {
		return fmt.Errorf("GET %s: no status line: %w", path, reason(ctx, err))
	}
	// A server logs a broken pipe if nobody reads the rest of its answer.
	_ = conn.SetReadDeadline(time.Now().Add(restTime))
	_, _ = io.Copy(io.Discard, answer)
	return judge(path, line)
}

// statusLine reads the first line of the final answer. Interim ones, such as 103
// Early Hints, may come before it (RFC 9110, section 15.2).
func statusLine(answer *bufio.Reader) (string, error) {
	for {
		line, err := answer.ReadString('\n')
		if err != nil {
			return "", err
		}
		line = strings.TrimSpace(line)
		if _, status, _ := strings.Cut(line, " "); len(status) < 3 || status[0] != '1' || status[:3] == "101" {
			return line, nil
		}
		for field := "-"; strings.TrimSpace(field) != ""; {
			if field, err = answer.ReadString('\n'); err != nil {
				return "", err
			}
		}
	}
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
		return fmt.Errorf("GET %s: %.60s", path, strings.Map(printable, status))
	}
	return nil
}

// printable leaves out of a status line what a terminal would act on: it is a worker's,
// and becomes a reason that people read.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return -1
}

// HTTPURL is HTTP for an address such as "http://HOST[:PORT][/PATH]".
func HTTPURL(ctx context.Context, address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err // it begins with: parse "…"
	}
	if u.Scheme != "http" || u.Hostname() == "" || u.User != nil {
		return fmt.Errorf("%q: want http://HOST[:PORT][/PATH]", address)
	}
	return HTTP(ctx, "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "80")), u.Host, u.RequestURI())
}

// TCP connects to a server. An accepted connection is yes.
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

// reason is why a connection failed: the end of ctx, if that has closed it.
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
