package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop"
	"supd/supervisor/api"
)

// patience is how long an answer may take that supd gives at once.
const patience = 10 * time.Second

// Client asks the supd that listens on a control socket. Its methods return an
// *Error, or the cause of ctx's end if that came first. They may be called from any
// goroutine.
type Client struct {
	socket   string
	http     *http.Client
	patience time.Duration
	most     int64        // bytes of a document
	server   atomic.Int64 // uid of who listens
}

// queueRest is between two tries to connect: room in the queue is a matter of luck.
const queueRest = time.Millisecond

// Dial makes a client. It connects when it sends a request.
func Dial(socket string) *Client {
	c := &Client{socket: socket, patience: patience, most: mostAnswer}
	c.http = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return c.connect(ctx) },
	}}
	return c
}

// connect tries again while the queue of the socket is full: EAGAIN, see connect(2).
func (c *Client) connect(ctx context.Context) (conn net.Conn, err error) {
	dialer := net.Dialer{Timeout: patience}
	for end := time.Now().Add(c.patience); ; time.Sleep(queueRest) {
		conn, err = dialer.DialContext(ctx, "unix", c.socket)
		if !errors.Is(err, unix.EAGAIN) || time.Now().After(end) {
			break
		}
	}
	if err == nil {
		c.server.Store(int64(peerOf(conn).uid))
	}
	return conn, err
}

// ServerUID is the user of the process that has listened on the socket, as the kernel
// tells (SO_PEERCRED), when the last connection was made.
func (c *Client) ServerUID() int { return int(c.server.Load()) }

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Version asks which supd answers.
func (c *Client) Version(ctx context.Context) (v Version, err error) {
	return v, c.get(ctx, "/v1/version", nil, &v)
}

// Status asks for the state of the targets, or of everything if there are none.
func (c *Client) Status(ctx context.Context, targets ...string) (*api.Status, error) {
	s := &api.Status{}
	return s, c.get(ctx, "/v1/status", url.Values{"target": targets}, s)
}

// Figures asks for what the targets use now, or everything if there are none.
func (c *Client) Figures(ctx context.Context, targets ...string) (*api.Figures, error) {
	f := &api.Figures{}
	return f, c.get(ctx, "/v1/figures", url.Values{"target": targets}, f)
}

// Explain asks for the launch plans of the workers that target names.
func (c *Client) Explain(ctx context.Context, target string) (all []api.Explanation, err error) {
	return all, c.get(ctx, "/v1/explain", url.Values{"target": {target}}, &all)
}

// Diff asks what an apply of these apps, or of all, would change. supd reads its files
// for it.
func (c *Client) Diff(ctx context.Context, apps ...string) (*api.Changes, error) {
	changes := &api.Changes{}
	return changes, c.ask(ctx, http.MethodGet, "/v1/diff?"+url.Values{"app": apps}.Encode(), nil, changes)
}

// Releases asks for the registered releases of an app and the history of its
// rollouts.
func (c *Client) Releases(ctx context.Context, app string) (*api.ReleaseList, error) {
	l := &api.ReleaseList{}
	return l, c.get(ctx, "/v1/releases", url.Values{"app": {app}}, l)
}

// Audit asks for what is wrong with an app, or with all of them when app is "".
// supd looks at each file of each release for it, which may take a while.
func (c *Client) Audit(ctx context.Context, app string) (all []api.Finding, err error) {
	q := url.Values{}
	if app != "" {
		q.Set("app", app)
	}
	return all, c.ask(ctx, http.MethodGet, "/v1/audit?"+q.Encode(), nil, &all)
}

// Rollout calls each with every line of the rollout of an app that has the number
// id; 0 is the rollout under way, or else the last. With follow it goes on until
// the last line says that the rollout has ended; if the stream ends earlier,
// NoAnswer is true of the error. An error of each ends it, too.
func (c *Client) Rollout(ctx context.Context, app string, id int, follow bool, each func(RolloutLine) error) error {
	q := url.Values{"app": {app}}
	if id > 0 {
		q.Set("id", strconv.Itoa(id))
	}
	if follow {
		q.Set("follow", "1")
	}
	body, err := c.open(ctx, "/v1/rollout", q)
	if err != nil {
		return err
	}
	defer body.Close()
	ended := !follow
	for d := c.documents(body); ; {
		var line RolloutLine
		err := d.next(&line)
		switch {
		case errors.Is(err, io.EOF) && ended:
			return nil
		case err != nil:
			return c.lost(ctx, err)
		}
		ended = ended || line.RolloutEnd != nil
		if err := each(line); err != nil {
			return err
		}
	}
}

// Watch calls each with the status now and whenever it has changed. It ends with
// ctx, or with the first error of each, which it returns.
func (c *Client) Watch(ctx context.Context, targets []string, each func(*api.Status) error) error {
	body, err := c.open(ctx, "/v1/status", url.Values{"target": targets, "watch": {"1"}})
	if err != nil {
		return err
	}
	defer body.Close()
	for d := c.documents(body); ; {
		s := &api.Status{}
		if err := d.next(s); err != nil {
			return c.lost(ctx, err)
		}
		if err := each(s); err != nil {
			return err
		}
	}
}

// Logs reads the last lines of the output of the one process that target names,
// and with follow what comes after them until ctx ends.
func (c *Client) Logs(ctx context.Context, target string, lines int, follow bool) (io.ReadCloser, error) {
	return c.Log(ctx, LogQuery{Target: target, Lines: lines, Follow: follow})
}

// LogQuery says what is asked for of a log.
type LogQuery struct {
	Target string
	Lines  int       // below 0: all, with Since
	Since  time.Time // zero: whenever it was written
	From   string    // a Position: all behind it, whatever the others say
	Follow bool
}

// Log reads the log of one process, or supd's own.
func (c *Client) Log(ctx context.Context, l LogQuery) (*LogStream, error) {
	q := url.Values{"target": {l.Target}}
	switch {
	case l.From != "":
		q.Set("from", l.From)
	case l.Lines >= 0:
		q.Set("lines", strconv.Itoa(l.Lines))
	}
	if !l.Since.IsZero() && l.From == "" {
		q.Set("since", l.Since.UTC().Format(time.RFC3339))
	}
	if l.Follow {
		q.Set("follow", "1")
	}
	body, err := c.send(ctx, http.MethodGet, "/v1/logs?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return c.logStream(ctx, body, body.header), nil
}

// Do sends r and waits until supd has answered it. CodeTimeout says that it may
// still be in progress.
func (c *Client) Do(ctx context.Context, r api.Request) (*api.Result, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fail(api.CodeUsage, "%s", err)
	}
	if r.Timeout > 0 { // supd answers by then; this is for a supd that does not
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.Timeout+c.patience,
			fail(api.CodeTimeout, "supd on %s does not answer; what was asked for may be in progress", c.socket))
		defer cancel()
	}
	result := &api.Result{}
	return result, c.ask(ctx, http.MethodPost, "/v1/do", bytes.NewReader(body), result)
}

func (c *Client) get(ctx context.Context, path string, q url.Values, into any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.patience, absent("supd on %s does not answer", c.socket))
	defer cancel()
	answer, err := c.exchange(ctx, http.MethodGet, path+"?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	return c.decode(ctx, answer, into)
}

func (c *Client) ask(ctx context.Context, method, url string, body io.Reader, into any) error {
	answer, err := c.send(ctx, method, url, body)
	if err != nil {
		return err
	}
	return c.decode(ctx, answer, into)
}

func (c *Client) decode(ctx context.Context, answer io.ReadCloser, into any) error {
	defer answer.Close()
	if err := c.documents(answer).next(into); err != nil {
		return c.lost(ctx, err)
	}
	return nil
}

func (c *Client) open(ctx context.Context, path string, q url.Values) (io.ReadCloser, error) {
	body, err := c.send(ctx, http.MethodGet, path+"?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return body, nil
}

// send gives the body of an answer that may take as long as it likes, or an *Error. It
// ends when supd does not answer to anything any more.
func (c *Client) send(ctx context.Context, method, url string, body io.Reader) (*watchedBody, error) {
	ctx, end := c.whileAnswering(ctx)
	answer, err := c.exchange(ctx, method, url, body)
	if err != nil {
		end()
		return nil, err
	}
	return &watchedBody{answer, ctx, end}, nil
}

// watchedBody is that of such an answer.
type watchedBody struct {
	*reply
	ctx context.Context
	end func()
}

// Read gives the cause where supd does not answer any more.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.reply.Read(p)
	if err != nil && b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	return n, err
}

func (b *watchedBody) Close() error {
	b.end()
	return b.reply.Close()
}

// whileAnswering ends the context when supd has not answered for so long that it must
// be stopped itself (SIGSTOP, a frozen cgroup), or waits for ever. Of one that is gone
// the connection tells.
func (c *Client) whileAnswering(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		for {
			select {
			case <-time.After(c.patience / 2):
			case <-ctx.Done():
				return
			}
			asked, end := context.WithTimeout(ctx, c.patience)
			answer, err := c.exchange(asked, http.MethodGet, "/v1/version", nil)
			silent := asked.Err() != nil && ctx.Err() == nil
			end()
			if err == nil {
				answer.Close()
			}
			if silent {
				cancel(fail(api.CodeTimeout, "supd on %s does not answer; what was asked for may be in progress", c.socket))
				return
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// reply is the body of an answer, and what came before it.
type reply struct {
	io.ReadCloser
	header http.Header
}

// exchange is send within the time of ctx, whether supd answers to others or not.
func (c *Client) exchange(ctx context.Context, method, url string, body io.Reader) (*reply, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://supd"+url, body)
	if err != nil {
		return nil, fail(api.CodeUsage, "%s", err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	came, err := c.http.Do(r)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if came.StatusCode == http.StatusOK {
		return &reply{came.Body, came.Header}, nil
	}
	defer came.Body.Close()
	return nil, c.refusal(came)
}

// refusal is the error that supd has answered.
func (c *Client) refusal(came *http.Response) error {
	e := &Error{}
	if err := c.documents(came.Body).next(e); err != nil || e.Code == 0 {
		return fail(api.CodeFailed, "%s answered %s: is that supd?", c.socket, came.Status)
	}
	return e
}

// unreachable says why there is no answer.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return c.lost(ctx, err)
	}
	var errno syscall.Errno
	switch {
	case errors.Is(err, syscall.EACCES):
		return c.denied(err)
	case errors.As(err, &errno):
		return absent("no supd answers on %s: %s; %s", c.socket, errno, whereToLook(c.socket, exists))
	case errors.Is(err, io.EOF):
		return c.lost(ctx, err)
	default:
		return absent("no supd answers on %s: %s", c.socket, err)
	}
}

// denied says as whom, at what, and who may.
func (c *Client) denied(err error) error {
	d, _ := privdrop.Denied(c.socket, err)
	who := "be root"
	if d.Group != "" {
		who = fmt.Sprintf("be root or in the group %s (usermod -aG %s USER, and log in anew)", d.Group, d.Group)
	}
	return fail(api.CodeDenied, "no permission to connect to %s: %s; %s", c.socket, d, who)
}

// lost says why an answer broke off or did not come.
func (c *Client) lost(ctx context.Context, err error) error {
	own, is := errors.AsType[*Error](err)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case is:
		return own
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return absent("supd on %s has ended", c.socket)
	default:
		return fail(api.CodeFailed, "%s: the answer is not supd's: %s", c.socket, err)
	}
}
