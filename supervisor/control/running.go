package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"supd/supervisor/api"
)

// Running is a command that supd runs for this process.
type Running struct {
	client *Client
	conn   *net.UnixConn
	from   io.Reader
	ctx    context.Context
}

// Run asks for a command with these standard descriptors, which stay the caller's. It runs,
// or is about to, when Run returns without an error. From then on a supd that does not answer
// is waited for: to let go of it would end the command.
func (c *Client) Run(ctx context.Context, r api.CommandRequest, files []int) (*Running, error) {
	for i, arg := range r.Argv {
		if !utf8.ValidString(arg) {
			return nil, fail(api.CodeUsage, "argument %d of the command is not UTF-8, as supd wants it of those that it runs for others", i)
		}
	}
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fail(api.CodeUsage, "%s", err)
	}
	run := &Running{client: c, ctx: ctx}
	asking, end := c.whileAnswering(ctx)
	defer end()
	if err := run.begin(asking, body, files); err != nil {
		run.Close()
		return nil, err
	}
	context.AfterFunc(ctx, run.Close)
	return run, nil
}

func (r *Running) begin(ctx context.Context, body []byte, files []int) error {
	conn, err := r.client.connect(ctx)
	if err != nil {
		return r.client.unreachable(ctx, err)
	}
	r.conn = conn.(*net.UnixConn) // as it was asked for
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	request, err := http.NewRequest(http.MethodPost, "http://supd/v1/run", bytes.NewReader(body))
	if err != nil {
		return fail(api.CodeUsage, "%s", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", runProtocol)
	if err := request.Write(conn); err != nil {
		return r.client.lost(ctx, err)
	}
	from := bufio.NewReader(io.LimitReader(conn, 2*r.client.most)) // the head, and the end of the command
	answer, err := http.ReadResponse(from, request)
	if err != nil {
		return r.client.lost(ctx, err)
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		defer answer.Body.Close()
		return r.client.refusal(answer)
	}
	r.from = from
	if err := sendFiles(r.conn, files); err != nil {
		return r.client.lost(ctx, err)
	}
	return nil
}

// Signal passes a signal on, one of Passed. It fails only where supd is gone, which Wait
// tells.
func (r *Running) Signal(sig unix.Signal) { _, _ = r.conn.Write([]byte{byte(sig)}) }

// Wait waits for the end of the command.
func (r *Running) Wait() (end api.CommandEnd, err error) {
	var answer struct {
		api.CommandEnd
		Error
	}
	if err := r.client.documents(r.from).next(&answer); err != nil {
		return end, r.client.lost(r.ctx, err)
	}
	if answer.Code != 0 {
		return end, &answer.Error
	}
	return answer.CommandEnd, nil
}

// Close lets go of the command: one that runs is ended.
func (r *Running) Close() {
	if r.conn != nil {
		r.conn.Close()
	}
}
