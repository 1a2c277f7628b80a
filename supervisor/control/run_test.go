package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"supd/supervisor"
	"supd/supervisor/api"
)

// runnable is a daemon whose app whois has allow_run.
func runnable() *fake {
	d := newFake("/nonexistent")
	d.rights.Apps = map[string]api.AppRights{"whois": {Run: true}}
	return d
}

var whoisCheck = api.CommandRequest{App: "whois", Process: "web", Version: "1.4", Argv: []string{"manage.py", "check"}, Term: "xterm-256color"}

// pipes are three, of which the client passes on one end each, and has the other.
func pipes(t *testing.T) (given []int, kept [3]*os.File) {
	t.Helper()
	for i := range kept {
		r, w, err := os.Pipe()
		must(t, err)
		t.Cleanup(func() { r.Close(); w.Close() })
		if i == 0 {
			given, kept[i] = append(given, int(r.Fd())), w
		} else {
			given, kept[i] = append(given, int(w.Fd())), r
		}
	}
	return given, kept
}

// TestRun: the command gets the descriptors of the client and its signals, and the client
// the end of the command.
func TestRun(t *testing.T) {
	d := runnable()
	asked := make(chan api.CommandRequest, 1)
	d.runs = func(r api.CommandRequest, meet func() (supervisor.Caller, error)) (*api.CommandEnd, error) {
		asked <- r
		c, err := meet()
		if err != nil {
			return nil, err
		}
		defer closeFiles(c.Files)
		var text [16]byte
		n, err := unix.Read(c.Files[0], text[:])
		for _, fd := range c.Files {
			if flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
				t.Error("a descriptor that a worker would inherit")
			}
		}
		unix.Write(c.Files[1], text[:max(n, 0)])
		for _, want := range []unix.Signal{unix.SIGINT, unix.SIGWINCH} {
			if got := <-c.Signals; got != want {
				t.Errorf("signal %v, want %v", got, want)
			}
		}
		return &api.CommandEnd{ExitCode: -1, Signal: int(unix.SIGINT)}, err
	}
	_, c := serve(t, d)
	given, kept := pipes(t)
	run, err := c.Run(testContext(t), whoisCheck, given)
	must(t, err)
	defer run.Close()
	want, got := whoisCheck, <-asked
	want.By = got.By
	if diff := cmp.Diff(want, got); diff != "" || !contains(got.By, "uid ") {
		t.Errorf("by %q; -want +got:\n%s", got.By, diff)
	}
	must1(kept[0].WriteString("hello"))
	line := make([]byte, 16)
	if n, err := kept[1].Read(line); string(line[:n]) != "hello" {
		t.Errorf("%q, %v", line[:n], err)
	}
	run.Signal(unix.SIGINT)
	run.Signal(unix.SIGWINCH)
	end, err := run.Wait()
	if err != nil || end != (api.CommandEnd{ExitCode: -1, Signal: 2}) {
		t.Errorf("%+v, %v", end, err)
	}
}

func must1(_ int, err error) {
	if err != nil {
		panic(err)
	}
}

func closeFiles(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// TestRunClientGoes: the command is told when its client is gone, or sends what is no signal.
func TestRunClientGoes(t *testing.T) {
	for name, goes := range map[string]func(*Running){
		"closed":     (*Running).Close,
		"no signal":  func(r *Running) { r.Signal(0) },
		"kill":       func(r *Running) { r.Signal(unix.SIGKILL) },
		"more files": func(r *Running) { r.conn.WriteMsgUnix([]byte{200}, unix.UnixRights(0, 1, 2, 0, 1, 2), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			d, gone := runnable(), make(chan bool, 1)
			d.runs = func(_ api.CommandRequest, meet func() (supervisor.Caller, error)) (*api.CommandEnd, error) {
				c, err := meet()
				must(t, err)
				closeFiles(c.Files)
				_, more := <-c.Signals
				gone <- !more
				return &api.CommandEnd{}, nil
			}
			_, c := serve(t, d)
			given, _ := pipes(t)
			run, err := c.Run(testContext(t), whoisCheck, given)
			must(t, err)
			defer run.Close()
			goes(run)
			if !<-gone {
				t.Error("the command gets a signal")
			}
		})
	}
}

// TestRunFails: before the descriptors are asked for, and afterwards.
func TestRunFails(t *testing.T) {
	for _, meets := range []bool{false, true} {
		d := runnable()
		d.runs = func(_ api.CommandRequest, meet func() (supervisor.Caller, error)) (*api.CommandEnd, error) {
			if meets {
				c, err := meet()
				must(t, err)
				closeFiles(c.Files)
			}
			return nil, &supervisor.CommandError{Code: api.CodeNotStarted, Err: errors.New("manage.py: not found")}
		}
		_, c := serve(t, d)
		given, _ := pipes(t)
		run, err := c.Run(testContext(t), whoisCheck, given)
		if (err == nil) != meets {
			t.Fatalf("meets %v: %v", meets, err)
		}
		if meets {
			defer run.Close()
			_, err = run.Wait()
		}
		wantCode(t, err, api.CodeNotStarted, "manage.py: not found")
	}
	_, c := serve(t, runnable())
	_, err := c.Run(testContext(t), api.CommandRequest{App: "whois", Argv: []string{"caf\xe9"}}, nil)
	wantCode(t, err, api.CodeUsage, "argument 0 of the command is not UTF-8")
	_, err = Dial("/nonexistent/supd.sock").Run(testContext(t), whoisCheck, nil)
	if !NoAnswer(err) {
		t.Errorf("without a supd: %v", err)
	}
}

// TestRunHandover: whatever a client sends in the place of three descriptors, the command
// does not run, and supd keeps none of them.
func TestRunHandover(t *testing.T) {
	d, met := runnable(), make(chan error, 1)
	d.runs = func(_ api.CommandRequest, meet func() (supervisor.Caller, error)) (*api.CommandEnd, error) {
		_, err := meet()
		met <- err
		return nil, err
	}
	_, c := serve(t, d)
	null, err := os.Open(os.DevNull)
	must(t, err)
	defer null.Close()
	fd := int(null.Fd())
	for name, control := range map[string][]byte{
		"nothing": nil, "two": unix.UnixRights(fd, fd), "four": unix.UnixRights(fd, fd, fd, fd), "many": unix.UnixRights(slices.Repeat([]int{fd}, 200)...),
	} {
		t.Run(name, func(t *testing.T) {
			conn, from := upgraded(t, c.socket)
			before := copies(t, fd)
			_, _, err := conn.WriteMsgUnix([]byte{0}, control, nil)
			must(t, err)
			if err := <-met; err == nil {
				t.Error("the command has what it needs")
			}
			text, err := io.ReadAll(from)
			must(t, err)
			if e := decode(t, text); e.Code != api.CodeUsage || !contains(e.Message, "three descriptors") {
				t.Errorf("%s", text)
			}
			if after := copies(t, fd); after != before {
				t.Errorf("supd has kept %d descriptors", after-before)
			}
		})
	}
	t.Run("too early", func(t *testing.T) {
		conn := dialUnix(t, c.socket)
		var text strings.Builder
		must(t, runRequest(t, `{"app":"whois","argv":["x"]}`).Write(&text))
		must1(io.WriteString(conn, text.String()+"\x00"))
		if err := <-met; err == nil || !contains(err.Error(), "says more than was asked for") {
			t.Errorf("what was sent before anybody has asked for it: %v", err)
		}
	})
	t.Run("gone", func(t *testing.T) {
		conn, _ := upgraded(t, c.socket)
		conn.Close()
		if err := <-met; err == nil {
			t.Error("a client that is gone brings what the command needs")
		}
	})
}

// copies counts this process's descriptors of the same file.
func copies(t *testing.T, fd int) (n int) {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, one := range all {
		if to, _ := os.Readlink("/proc/self/fd/" + one.Name()); to == os.DevNull {
			n++
		}
	}
	return n
}

func dialUnix(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

func runRequest(t *testing.T, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://supd/v1/run", strings.NewReader(body))
	must(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Upgrade", runProtocol)
	return r
}

// upgraded is a connection that waits for descriptors.
func upgraded(t *testing.T, path string) (*net.UnixConn, io.Reader) {
	t.Helper()
	conn := dialUnix(t, path)
	r := runRequest(t, `{"app":"whois","argv":["x"]}`)
	must(t, r.Write(conn))
	from := bufio.NewReader(conn)
	answer, err := http.ReadResponse(from, r)
	must(t, err)
	if answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(answer.Status)
	}
	return conn, from
}

// TestRunRequests: what is wrong with a request is said before anything is done.
func TestRunRequests(t *testing.T) {
	many, err := json.Marshal(slices.Repeat([]string{"x"}, mostArguments+1))
	must(t, err)
	for _, c := range []struct {
		body, message string
		code          int
	}{
		{`{"app":"whois"}`, "no command", api.CodeUsage},
		{`{"app":"whois","argv":[""]}`, "no command", api.CodeUsage},
		{`{"app":"whois","argv":` + string(many) + `}`, "1025 arguments: want 1024 at most", api.CodeUsage},
		{`{"app":"whois","argv":["` + strings.Repeat("x", maxBody) + `"]}`, "more than 65536 bytes", api.CodeUsage},
		{`{"app":"whois","argv":["a\u0000b"]}`, "NUL", api.CodeUsage},
		{`{"app":"whois","argv":["x"],"term":"a\u001bb"}`, "term: want", api.CodeUsage},
		{`{"app":"whois","argv":["x"],"term":"` + strings.Repeat("x", 65) + `"}`, "term: want", api.CodeUsage},
		{`{"app":"whois","argv":["x"],"version":"../1"}`, "version", api.CodeUsage},
		{`{"app":"whois","argv":["x"],"user":"root"}`, `unknown field "user"`, api.CodeUsage},
		{`{"app":"whois","argv":["x"],"env":["A=b"]}`, `unknown field "env"`, api.CodeUsage},
		{`{"app":"whois","argv":["x"],"By":"x"}`, `unknown field "By"`, api.CodeUsage},
		{`{"app":"nosuch","argv":["x"]}`, `no such app "nosuch"`, api.CodeNoTarget},
		{`{"app":"other","argv":["x"]}`, "allow_run is not set in the file of other", api.CodeDenied},
		{`{"app":"whois","argv":["x"]}`, "it runs nothing", api.CodeNotStarted},
	} {
		w := handle(runnable(), peer{uid: 0}, asServed(runRequest(t, c.body)))
		if e := decode(t, w.Body.Bytes()); e.Code != c.code || !contains(e.Message, c.message) {
			t.Errorf("%.60s: %d, %s", c.body, w.Code, w.Body)
		}
	}
	plain := runRequest(t, `{"app":"whois","argv":["x"]}`)
	plain.Header.Del("Upgrade")
	if w := handle(runnable(), peer{uid: 0}, asServed(plain)); !contains(w.Body.String(), "want supd-run") {
		t.Errorf("without an upgrade: %s", w.Body)
	}
}

// asServed makes of a client's request what a server gets.
func asServed(r *http.Request) *http.Request {
	served := httptest.NewRequest(r.Method, "/v1/run", r.Body)
	served.Header = r.Header
	return served
}

// TestRunRights: operators of an app that allows it, and nobody beside them but root.
func TestRunRights(t *testing.T) {
	const root, operator, developer, reader, stranger = 0, 1001, 1002, 1003, 1004
	d := newFake("/nonexistent")
	d.rights = api.Rights{
		All: api.AppRights{Operators: api.Members{UIDs: []int{operator}}},
		Apps: map[string]api.AppRights{
			"whois": {Run: true, Operators: api.Members{UIDs: []int{developer}}, Readers: api.Members{UIDs: []int{reader}}},
			"bare":  {Operators: api.Members{UIDs: []int{developer}}},
			"other": {Run: true},
		},
	}
	may := map[string][]int{"whois": {root, operator, developer}, "other": {root, operator}, "bare": nil}
	for app, who := range may {
		for _, uid := range []int{root, operator, developer, reader, stranger} {
			w := handle(d, peer{uid: uid}, asServed(runRequest(t, `{"app":"`+app+`","argv":["x"]}`)))
			if got, want := decode(t, w.Body.Bytes()).Code == api.CodeNotStarted, slices.Contains(who, uid); got != want {
				t.Errorf("uid %d, %s: %s", uid, app, w.Body)
			}
		}
	}
}

// TestShutdownAnswersRuns: the end of a command reaches its client.
func TestShutdownAnswersRuns(t *testing.T) {
	d, ends := runnable(), make(chan struct{})
	d.runs = func(_ api.CommandRequest, meet func() (supervisor.Caller, error)) (*api.CommandEnd, error) {
		c, err := meet()
		must(t, err)
		closeFiles(c.Files)
		<-ends
		return &api.CommandEnd{ExitCode: 7}, nil
	}
	s, c := serve(t, d)
	given, _ := pipes(t)
	run, err := c.Run(testContext(t), whoisCheck, given)
	must(t, err)
	defer run.Close()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(over); !errors.Is(err, context.Canceled) {
		t.Errorf("the end of supd does not wait for the answer: %v", err)
	}
	close(ends)
	must(t, s.Shutdown(testContext(t)))
	if end, err := run.Wait(); err != nil || end.ExitCode != 7 {
		t.Errorf("%+v, %v", end, err)
	}
}
