package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"supd/configs"
	"supd/privdrop"
	"supd/supervisor"
	"supd/supervisor/api"
)

func TestClientAsks(t *testing.T) {
	d := newFake("/nonexistent")
	d.result = api.Result{Code: 7, Outcomes: []api.Outcome{{Name: "whois/web.1", Code: 7, Message: "not ready"}}}
	_, c := serve(t, d)
	ctx := testContext(t)

	v, err := c.Version(ctx)
	must(t, err)
	if v.Version != "1.2.3" || v.Pid != os.Getpid() || v.StartedAt.IsZero() {
		t.Errorf("version %+v", v)
	}
	plans, err := c.Explain(ctx, "whois/web.1")
	must(t, err)
	if diff := cmp.Diff([]api.Explanation{{Name: "whois/web.1", Plan: "1 execve\n"}}, plans); diff != "" {
		t.Error(diff)
	}
	request := api.Request{Action: api.ActionRestart, Targets: []string{"whois:web", "other"}, Hard: true, Timeout: time.Minute}
	result, err := c.Do(ctx, request)
	must(t, err)
	if diff := cmp.Diff(&d.result, result); diff != "" {
		t.Error(diff)
	}
	request.By = fmt.Sprintf("%s (uid %d, pid %d)", privdrop.UserName(os.Geteuid()), os.Geteuid(), os.Getpid())
	if diff := cmp.Diff([]api.Request{request}, d.requests()); diff != "" {
		t.Error(diff)
	}
}

func TestStatusIsFiltered(t *testing.T) {
	_, c := serve(t, newFake("/nonexistent"))
	tests := []struct{ targets, want []string }{
		{nil, []string{"other/beat.1", "whois/web.1", "whois/web.2", "whois/worker.1"}},
		{[]string{"all"}, []string{"other/beat.1", "whois/web.1", "whois/web.2", "whois/worker.1"}},
		{[]string{"whois/web.2", "other"}, []string{"other/beat.1", "whois/web.2"}},
		{[]string{"bare"}, nil},
		{[]string{"*:w*.1"}, []string{"whois/web.1", "whois/worker.1"}},
	}
	for _, test := range tests {
		s, err := c.Status(testContext(t), test.targets...)
		must(t, err)
		var got []string
		for _, a := range s.Apps {
			for _, p := range a.Processes {
				for _, w := range p.Workers {
					got = append(got, w.Name)
				}
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.targets, diff)
		}
	}
}

// The uptime is of now, not of the last change.
func TestUptimeGoesOn(t *testing.T) {
	d := newFake("/nonexistent")
	d.status.Apps[2].Processes[0].Workers[0].UptimeSeconds = 1
	_, c := serve(t, d)
	s, err := c.Status(testContext(t), "whois/web.1")
	must(t, err)
	if got := s.Apps[0].Processes[0].Workers[0].UptimeSeconds; got < 62 || got > 62+deadline.Seconds() {
		t.Errorf("uptime %v s", got)
	}
	if d.status.Apps[2].Processes[0].Workers[0].UptimeSeconds != 1 {
		t.Error("the published status was changed")
	}
}

func TestErrorsHaveCodes(t *testing.T) {
	_, c := serve(t, newFake("/nonexistent"))
	ctx := testContext(t)
	_, err := c.Status(ctx, "whois/wab")
	wantCode(t, err, api.CodeNoTarget, `did you mean "whois/web"?`)
	_, err = c.Do(ctx, api.Request{Action: "exec", Targets: []string{"all"}})
	wantCode(t, err, api.CodeUsage, `unknown action "exec"`)
	_, err = c.Logs(ctx, "whois", 1, false)
	wantCode(t, err, api.CodeUsage, "several processes")
	err = c.Watch(ctx, []string{"nosuch"}, nil)
	wantCode(t, err, api.CodeNoTarget, "no such target")
	if NoAnswer(err) {
		t.Error("an answer is taken for none")
	}
}

// TestWhereToLook: systemctl is named to those whose systemd has a unit of supd.
func TestWhereToLook(t *testing.T) {
	_, usual := configs.Default()
	for name, c := range map[string]struct {
		socket string
		there  []string
		want   string
	}{
		"systemd":              {usual.Socket, []string{"/run/systemd/system", "/usr/lib/systemd/system/supd.service"}, "is it running? `systemctl status supd` tells, and"},
		"systemd with no unit": {usual.Socket, []string{"/run/systemd/system"}, "is it running? `supctl check` tells"},
		"no systemd":           {usual.Socket, []string{"/usr/lib/systemd/system/supd.service"}, "is it running? `supctl check` tells"},
		"one of one's own":     {"/home/alice/supd.sock", []string{"/run/systemd/system", "/lib/systemd/system/supd.service"}, "`supctl check --config FILE`"},
	} {
		got := whereToLook(c.socket, func(path string) bool { return slices.Contains(c.there, path) })
		if !strings.Contains(got, c.want) || strings.Contains(got, "systemctl") != strings.Contains(c.want, "systemctl") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestNobodyAnswers(t *testing.T) {
	path := shortDir(t) + "/supd.sock"
	c := Dial(path)
	_, err := c.Status(testContext(t))
	wantCode(t, err, api.CodeNoTarget, "no supd answers on "+path+": no such file or directory; is it running? `supctl check --config FILE` tells whether it could")

	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	must(t, err)
	l.SetUnlinkOnClose(false)
	must(t, l.Close())
	_, err = c.Do(testContext(t), api.Request{Action: api.ActionReopen})
	wantCode(t, err, api.CodeNoTarget, "no supd answers on "+path+": connection refused; is it running? `supctl check --config FILE` tells whether it could")

	if !NoAnswer(err) {
		t.Error("that nobody answers is taken for an answer")
	}
	denied := &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", syscall.EACCES)}
	wantCode(t, c.unreachable(t.Context(), denied), api.CodeDenied, "no permission to connect to "+path)
}

// strange listens for c and hands every connection to f.
func strange(t *testing.T, f func(net.Conn)) *Client {
	t.Helper()
	path := shortDir(t) + "/supd.sock"
	l, err := net.Listen("unix", path)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f(conn)
			conn.Close()
		}
	}()
	return Dial(path)
}

func TestStrangeAnswers(t *testing.T) {
	tests := map[string]struct {
		answer string
		code   int
		want   string
	}{
		"ended":     {"", api.CodeNoTarget, "has ended"},
		"not json":  {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", api.CodeFailed, "the answer is not supd's"},
		"cut short": {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{", api.CodeNoTarget, "has ended"},
		"nginx":     {"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\nhello", api.CodeFailed, "answered 502 Bad Gateway: is that supd?"},
		"ssh":       {"SSH-2.0-OpenSSH\r\n\r\n", api.CodeNoTarget, "no supd answers"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := strange(t, func(conn net.Conn) {
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = conn.Write([]byte(test.answer))
			})
			_, err := c.Version(testContext(t))
			wantCode(t, err, test.code, test.want)
		})
	}
}

// A caller that gives up gets its own reason back at once.
func TestCallerGivesUp(t *testing.T) {
	d := newFake("/nonexistent")
	d.block = make(chan struct{})
	_, c := serve(t, d)
	ctx, cancel := context.WithCancel(testContext(t))
	gave := make(chan error)
	go func() {
		_, err := c.Do(ctx, api.Request{Action: api.ActionStop, Targets: []string{"all"}})
		gave <- err
	}()
	<-d.block // it is with the daemon now
	cancel()
	if err := <-gave; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// A client that sends its request slowly, or never, holds nobody else up, and is
// dropped in the end.
func TestSlowClientIsBounded(t *testing.T) {
	s := NewServer(newFake("/nonexistent"), testOptions())
	if s.http.ReadHeaderTimeout <= 0 || s.http.IdleTimeout <= 0 || s.http.MaxHeaderBytes <= 0 {
		t.Errorf("%+v", s.http)
	}
	_, c := serve(t, newFake("/nonexistent"))
	conn, err := net.Dial("unix", c.socket)
	must(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /v1/do HTTP/1.1\r\nHost: supd\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	must(t, err)
	_, err = c.Version(testContext(t))
	must(t, err)
}

func TestHugeHeaderIsRefused(t *testing.T) {
	_, c := serve(t, newFake("/nonexistent"))
	r, err := http.NewRequestWithContext(testContext(t), "GET", "http://supd/v1/version", nil)
	must(t, err)
	r.Header.Set("X", strings.Repeat("x", 1<<20))
	answer, err := c.http.Do(r)
	if err != nil {
		return // closed before all of it was sent
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %s", answer.Status)
	}
}

// watchable is a real supervisor without workers, whose configuration can change.
func watchable(t *testing.T) (*supervisor.Supervisor, *configs.Config) {
	t.Helper()
	dir := shortDir(t)
	must(t, os.Mkdir(dir+"/apps", 0o755))
	must(t, os.WriteFile(dir+"/supd.toml", []byte("daemon = { apps = \"apps\", state = \"state\", runtime = \"run\", logs = \"log\" }\n"), 0o644))
	c, err := configs.Load(dir+"/supd.toml", configs.Environ(nil))
	must(t, err)
	s, err := supervisor.New(c, slog.New(slog.NewTextHandler(io.Discard, nil)))
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return s, c
}

// applied applies what the files say.
func applied(t *testing.T, d *supervisor.Supervisor) {
	t.Helper()
	if r := d.Apply(testContext(t), api.Request{Action: api.ActionApply, Detach: true}); r.Code != api.CodeDone {
		t.Fatalf("%+v", r)
	}
}

func TestWatchSeesChanges(t *testing.T) {
	d, config := watchable(t)
	_, c := serve(t, d)
	seen := make(chan *api.Status, 100)
	ctx, cancel := context.WithCancel(testContext(t))
	ended := make(chan error)
	go func() {
		ended <- c.Watch(ctx, nil, func(s *api.Status) error { seen <- s; return nil })
	}()
	if s := <-seen; len(s.Apps) != 0 {
		t.Errorf("at first: %+v", s)
	}
	app := "user = \"root\"\nallow_root = true\n[process.web]\ncommand = \"/bin/true\"\n"
	if os.Geteuid() != 0 {
		app = "[process.web]\ncommand = \"/bin/true\"\n"
	}
	must(t, os.WriteFile(config.Daemon.Apps+"/whois.toml", []byte(app), 0o644))
	applied(t, d)
	for s := range seen {
		if len(s.Apps) == 1 {
			break
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// Shutting the server down ends its streams, and does not wait for a client that
// does not read.
func TestShutdownEndsStreams(t *testing.T) {
	s, c := serve(t, newFake("/nonexistent"))
	first, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		ended <- c.Watch(testContext(t), nil, func(*api.Status) error { first <- struct{}{}; return nil })
	}()
	<-first
	must(t, s.Shutdown(testContext(t)))
	wantCode(t, <-ended, api.CodeNoTarget, "has ended")
}

// TestFrozenSupd: no request waits for a supd that has been stopped itself, however
// long what was asked for may take.
func TestFrozenSupd(t *testing.T) {
	path := t.TempDir() + "/sock"
	l, err := net.Listen("unix", path)
	must(t, err)
	defer l.Close()
	c := Dial(path)
	defer c.Close()
	c.patience = 50 * time.Millisecond
	frozen := func(what string, err error) {
		t.Helper()
		if e, is := errors.AsType[*Error](err); !is || e.Code != api.CodeTimeout || !strings.Contains(e.Message, "does not answer") {
			t.Errorf("%s: %v", what, err)
		}
	}
	ctx := testContext(t)
	_, err = c.Do(ctx, api.Request{Action: api.ActionShutdown})
	frozen("shutdown", err)
	_, err = c.Audit(ctx, "")
	frozen("audit", err)

	go func() { // one answer begins, and that is all
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			head := make([]byte, 4096)
			n, _ := conn.Read(head)
			if strings.Contains(string(head[:n]), "/v1/logs") {
				fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nline\n\r\n")
			}
		}
	}()
	c.patience = 2 * time.Second // enough for the answer to begin
	body, err := c.Logs(ctx, "whois/web", 10, true)
	must(t, err)
	defer body.Close()
	text, err := io.ReadAll(body)
	frozen("logs", err)
	if string(text) != "line\n" {
		t.Errorf("logs: %q", text)
	}
}
