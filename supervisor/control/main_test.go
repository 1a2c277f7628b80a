package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"supd/configs"
	"supd/supervisor"
	"supd/supervisor/api"
	"supd/supervisor/output"
	"supd/supervisor/release"
)

// deadline is for what happens in a moment, on a machine that is busy.
const deadline = 20 * time.Second

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fake is a daemon of one status that does nothing but note what it is asked.
type fake struct {
	status   *api.Status
	result   api.Result
	releases *api.ReleaseList // nil is an error
	findings []api.Finding
	rights   api.Rights
	block    chan struct{} // Do waits for it, or for its context, if there is one

	unapplied []configs.File
	runs      func(api.CommandRequest, func() (supervisor.Caller, error)) (*api.CommandEnd, error) // nil: it runs nothing

	mu   sync.Mutex
	done []api.Request
}

func (f *fake) Status() *api.Status { return f.status }

func (f *fake) Rights() *api.Rights { return &f.rights }

func (f *fake) Do(ctx context.Context, r api.Request) *api.Result {
	f.mu.Lock()
	f.done = append(f.done, r)
	f.mu.Unlock()
	if f.block != nil {
		f.block <- struct{}{}
		<-ctx.Done()
	}
	result := f.result
	return &result
}

func (f *fake) RunFor(r api.CommandRequest, meet func() (supervisor.Caller, error)) (*api.CommandEnd, error) {
	if f.runs == nil {
		return nil, &supervisor.CommandError{Code: api.CodeNotStarted, Err: errors.New("it runs nothing")}
	}
	return f.runs(r, meet)
}

func (f *fake) Explain(target string) ([]api.Explanation, error) {
	if target == "whois/worker" {
		return nil, errors.New(`user "nosuch" does not exist`)
	}
	return []api.Explanation{{Name: target, Plan: "1 execve\n"}}, nil
}

func (f *fake) Diff(apps []string) (*api.Changes, error) {
	if slices.Contains(apps, "broken") {
		return nil, &configs.Errors{{File: "apps/broken.toml", Line: 3, Msg: "unknown key"}, {File: "apps/broken.toml", Line: 4, Msg: "unknown key"}}
	}
	return &api.Changes{Apps: []api.AppChange{{Name: "whois", Kind: api.AppChanged}}}, nil
}

func (f *fake) Unapplied() []configs.File { return slices.Clone(f.unapplied) }

func (f *fake) Releases(app string) (*api.ReleaseList, error) {
	if f.releases == nil || f.releases.App != app {
		return nil, fmt.Errorf("%s has no [release] in its file", app)
	}
	return f.releases, nil
}

func (f *fake) Audit(app string) (some []api.Finding, err error) {
	if app == "bare" {
		return nil, errors.New("registry: permission denied")
	}
	for _, finding := range f.findings {
		if app == "" || finding.App == app {
			some = append(some, finding)
		}
	}
	return some, nil
}

func (f *fake) OpenLog(path string, n int) (output.Text, error) {
	return output.NewFiles(slog.New(slog.DiscardHandler)).View(path, n)
}

func (f *fake) requests() []api.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.done
}

// newFake has whois/web with two workers, of which the second waits for its next
// start, and whois/worker with one that is stopped; bare has no release yet, and
// so no process. Logs are in dir.
func newFake(dir string) *fake {
	started := time.Now().Add(-62 * time.Second)
	exit := &api.Exit{Code: 3, At: time.Now().Add(-12 * time.Second), Reason: "exited with code 3"}
	next := time.Now().Add(5 * time.Second)
	return &fake{status: &api.Status{Apps: []api.AppStatus{
		{Name: "bare", State: api.Stopped, Note: "no release is active"},
		{Name: "other", State: api.Stopped, Rollout: deployed(), Processes: []api.ProcessStatus{
			{Name: "beat", Count: 1, Log: filepath.Join(dir, "beat.log"), Workers: []api.WorkerStatus{
				{Name: "other/beat.1", Slot: 1, State: api.Stopped},
			}},
		}},
		{Name: "whois", State: api.Backoff, Processes: []api.ProcessStatus{
			{Name: "web", Count: 2, Log: filepath.Join(dir, "web.log"), Workers: []api.WorkerStatus{
				{Name: "whois/web.1", Slot: 1, State: api.Running, Pid: 4711, Ready: true, StartedAt: &started},
				{Name: "whois/web.2", Slot: 2, State: api.Backoff, Restarts: 4, LastExit: exit, NextStart: &next},
			}},
			{Name: "worker", Count: 1, Log: filepath.Join(dir, "worker.log"), Workers: []api.WorkerStatus{
				{Name: "whois/worker.1", Slot: 1, State: api.Stopped},
			}},
		}},
	}}}
}

// deployed is a rollout that has ended well.
func deployed() *api.RolloutStatus {
	began := time.Date(2026, 11, 24, 12, 3, 4, 0, time.UTC)
	ended := began.Add(2 * time.Second)
	return &api.RolloutStatus{Rollout: release.Rollout{ID: 7, Kind: release.KindDeploy, From: "1.4.0", To: "1.5.0", Step: release.StepDone,
		By: "root (uid 0, pid 1)", StartedAt: began, EndedAt: ended}, Progress: []api.Progress{
		{At: began, Step: release.StepReplace, Worker: "other/beat.1", Pid: 5, Message: "started"},
		{At: ended, Step: release.StepDone, Message: "done"},
	}}
}

func testOptions() Options {
	return Options{Version: "1.2.3", Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Figures: measured{}}
}

// measured are the figures of newFake's daemon.
type measured struct{}

var errNoProc = errors.New("/proc: permission denied")

func (measured) Figures() (*api.Figures, error) {
	process := func(app, name string, count int) api.ProcessFigures {
		p := api.ProcessFigures{Name: name, Sockets: []string{}}
		for slot := 1; slot <= count; slot++ {
			p.Workers = append(p.Workers, api.WorkerFigures{Name: api.WorkerName(app, name, slot), Slot: slot, State: api.Running})
		}
		return p
	}
	none, state := []api.SocketFigures{}, api.Running
	return &api.Figures{MemoryBytes: 1 << 30, Apps: []api.AppFigures{
		{Name: "bare", State: state, Sockets: none, Processes: []api.ProcessFigures{}},
		{Name: "other", State: state, Sockets: none, Processes: []api.ProcessFigures{process("other", "beat", 1)}},
		{Name: "whois", State: state, Sockets: []api.SocketFigures{{Name: "web"}}, Processes: []api.ProcessFigures{process("whois", "web", 2), process("whois", "worker", 1)}},
	}}, nil
}

// unreadable are figures that cannot be had.
type unreadable struct{}

func (unreadable) Figures() (*api.Figures, error) { return nil, errNoProc }

var silent = slog.New(slog.DiscardHandler)

// serve answers for d on a socket of its own until the test ends.
func serve(t *testing.T, d Daemon) (*Server, *Client) {
	t.Helper()
	path := shortDir(t) + "/supd.sock"
	l, err := Open(configs.Control{Socket: path, Mode: 0o600}, silent)
	must(t, err)
	s := NewServer(d, testOptions())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	c := Dial(path)
	t.Cleanup(func() {
		c.Close()
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		if err := errors.Join(s.Shutdown(ctx), <-ended); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the socket is still there: %v", err)
		}
	})
	return s, c
}

// shortDir is a directory whose name leaves room in the path of a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "supd-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	t.Cleanup(cancel)
	return ctx
}

func wantCode(t *testing.T, err error, code int, message string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Errorf("error %v, want an *Error", err)
		return
	}
	if e.Code != code || !contains(e.Message, message) {
		t.Errorf("code %d, %q; want %d, %q", e.Code, e.Message, code, message)
	}
}

func decode(t testing.TB, text []byte) (e Error) {
	t.Helper()
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	return e
}
