package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"supd/configs"
	"supd/supervisor"
	"supd/supervisor/api"
	"supd/supervisor/control"
	"supd/supervisor/output"
	"supd/supervisor/release"
)

// deadline is for what happens in a moment, on a machine that is busy.
const deadline = 20 * time.Second

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fake is a daemon of one status that does nothing but note what it is asked.
type fake struct {
	status   *api.Status
	result   api.Result
	asked    chan api.Request // Do sends the request here, and waits for the end of its context
	last     api.Request
	releases *api.ReleaseList // nil is an error
	findings []api.Finding
	changes  *api.Changes
	figures  func() *api.Figures // nil: of the workers of the status
}

func (f *fake) Figures() (*api.Figures, error) {
	if f.figures != nil {
		return f.figures(), nil
	}
	all := &api.Figures{At: time.Now()}
	for _, a := range f.status.Apps {
		one := api.AppFigures{Name: a.Name, State: a.State}
		for _, p := range a.Processes {
			q := api.ProcessFigures{Name: p.Name}
			for _, w := range p.Workers {
				q.Workers = append(q.Workers, api.WorkerFigures{Name: w.Name, Slot: w.Slot, State: w.State, Ready: w.Ready, Missed: w.Desired && !w.Ready})
			}
			one.Processes = append(one.Processes, q)
		}
		all.Apps = append(all.Apps, one)
	}
	return all, nil
}

func (f *fake) Releases(app string) (*api.ReleaseList, error) {
	if f.releases == nil {
		return nil, fmt.Errorf("%s has no [release] in its file", app)
	}
	return f.releases, nil
}

func (f *fake) Audit(app string) ([]api.Finding, error) { return f.findings, nil }

func (f *fake) Diff([]string) (*api.Changes, error) { return f.changes, nil }

func (f *fake) Unapplied() []configs.File { return nil }

func (f *fake) OpenLog(path string, n int) (output.Text, error) {
	return output.NewFiles(slog.New(slog.DiscardHandler)).View(path, n)
}

func (f *fake) Status() *api.Status { return f.status }

func (f *fake) Rights() *api.Rights { return &api.Rights{} }

func (f *fake) RunFor(api.CommandRequest, func() (supervisor.Caller, error)) (*api.CommandEnd, error) {
	return nil, errors.New("it runs nothing")
}

func (f *fake) Do(ctx context.Context, r api.Request) *api.Result {
	f.last = r
	if f.asked != nil {
		f.asked <- r
		<-ctx.Done()
	}
	result := f.result
	return &result
}

func (f *fake) Explain(target string) ([]api.Explanation, error) {
	return []api.Explanation{{Name: "whois/web.1", Plan: " 1  setsid()\n 2  execve()\n"}, {Name: "whois/web.2", Plan: " 1  execve()\n"}}, nil
}

// newFake has whois/web with two workers that run, and off/beat with one that
// does not.
func newFake(logs string) *fake {
	started := time.Now()
	return &fake{status: &api.Status{Apps: []api.AppStatus{
		{Name: "off", State: api.Stopped, Processes: []api.ProcessStatus{
			{Name: "beat", Count: 1, Log: filepath.Join(logs, "beat.log"), Workers: []api.WorkerStatus{
				{Name: "off/beat.1", Slot: 1, State: api.Stopped},
			}},
		}},
		{Name: "whois", State: api.Running, Processes: []api.ProcessStatus{
			{Name: "web", Count: 2, Log: filepath.Join(logs, "web.log"), Workers: []api.WorkerStatus{
				{Name: "whois/web.1", Slot: 1, State: api.Running, Pid: 4711, Ready: true, StartedAt: &started},
				{Name: "whois/web.2", Slot: 2, State: api.Running, Pid: 4712, Ready: true, StartedAt: &started},
			}},
		}},
	}}}
}

// serve answers for d until the test ends, and makes its socket supctl's.
func serve(t *testing.T, d control.Daemon) *control.Server {
	t.Helper()
	path := socketPath(t)
	s, stop := serveOn(t, path, d)
	t.Cleanup(stop)
	return s
}

// socketPath makes a path supctl's socket.
func socketPath(t *testing.T) string {
	t.Helper()
	t.Setenv("NO_COLOR", "1")
	dir, err := os.MkdirTemp("/tmp", "supd-") // short, as the path of a socket must be
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("SUPD_SOCKET", dir+"/supd.sock")
	return dir + "/supd.sock"
}

// serveOn answers for d until stop is called.
func serveOn(t *testing.T, path string, d control.Daemon) (s *control.Server, stop func()) {
	t.Helper()
	return serveFrom(t, path, d, nil)
}

// serveFrom is serveOn for a supd that says where it has its directories.
func serveFrom(t *testing.T, path string, d control.Daemon, where *control.Where) (s *control.Server, stop func()) {
	t.Helper()
	return serveWith(t, path, d, control.Options{Where: where})
}

// serveOptions answers until the test ends, with the options that a test is about.
func serveOptions(t *testing.T, path string, d control.Daemon, o control.Options) {
	t.Helper()
	_, stop := serveWith(t, path, d, o)
	t.Cleanup(stop)
}

func serveWith(t *testing.T, path string, d control.Daemon, o control.Options) (s *control.Server, stop func()) {
	t.Helper()
	l, err := control.Open(configs.Control{Socket: path, Mode: 0o600}, slog.New(slog.DiscardHandler))
	must(t, err)
	o.Version, o.Log = "1.2.3", slog.New(slog.NewTextHandler(io.Discard, nil))
	o.Figures, _ = d.(control.Measurer)
	s = control.NewServer(d, o)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	return s, func() {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		if err := errors.Join(s.Shutdown(ctx), <-ended); err != nil {
			t.Error(err)
		}
	}
}

// supctl runs one command line.
func supctl(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	var stdout, stderr bytes.Buffer
	code = run(ctx, args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// screen is an output that a test can wait for while it is written.
type screen struct {
	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{}
}

func newScreen() *screen { return &screen{changed: make(chan struct{}, 1)} }

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits until all of the parts are on the screen.
func (s *screen) await(t *testing.T, parts ...string) {
	t.Helper()
	late := time.After(deadline)
	for {
		missing := ""
		for _, part := range parts {
			if !strings.Contains(s.String(), part) {
				missing = part
			}
		}
		if missing == "" {
			return
		}
		select {
		case <-s.changed:
		case <-late:
			t.Fatalf("%q is missing in:\n%s", missing, s)
		}
	}
}

func init() { endTime = 50 * time.Millisecond } // the fake does not end

// The exit codes are part of the contract.
func TestExitCodes(t *testing.T) {
	outcome := func(code int, message string) api.Result {
		return api.Result{Code: code, Outcomes: []api.Outcome{{Name: "whois/web.1", Code: code, Message: message}}}
	}
	whole := func(code int, message string) api.Result {
		return api.Result{Code: code, Error: message}
	}
	tests := []struct {
		args        string
		result      api.Result
		code        int
		stdout, err string
	}{
		{"status whois", api.Result{}, 0, "whois/web.1   RUNNING   pid 4711, uptime 0:00:", ""},
		{"status", api.Result{}, 3, "off/beat.1    STOPPED\nwhois/web.1   RUNNING", ""},
		{"status off", api.Result{}, 3, "off/beat.1   STOPPED\n", ""},
		{"status whois:web", api.Result{}, 0, "whois/web.2", ""},
		{"status whois/wbe", api.Result{}, 4, "", `supctl: no such target "whois/wbe", did you mean "whois/web"?`},
		{"status whois/", api.Result{}, 2, "", `supctl: target "whois/": want APP`},
		{"start whois", outcome(0, "started, pid 5"), 0, "whois/web.1: started, pid 5\n", ""},
		{"start whois", outcome(7, "did not become ready"), 7, "", "supctl: whois/web.1: did not become ready\n"},
		{"stop all", outcome(0, "already stopped"), 0, "already stopped", ""},
		{"stop --timeout 1s whois", outcome(8, "still STOPPING"), 8, "", "supctl: whois/web.1: still STOPPING\n"},
		{"restart whois", outcome(0, "restarted"), 0, "whois/web.1: restarted\n", ""},
		{"restart --hard whois", outcome(1, "a stop was asked for meanwhile"), 1, "", "a stop was asked for meanwhile"},
		{"restart nosuch", api.Result{}, 4, "", `supctl: no such target "nosuch"`},
		{"reload whois", outcome(0, "sent SIGHUP to pid 4711"), 0, "whois/web.1: sent SIGHUP to pid 4711\n", ""},
		{"signal HUP whois", outcome(0, "sent SIGHUP to pid 4711"), 0, "sent SIGHUP to pid 4711\n", ""},
		{"signal HUP off", outcome(3, "not running"), 3, "", "supctl: whois/web.1: not running\n"},
		{"signal NOSUCH whois", whole(2, `unknown signal "NOSUCH"`), 2, "", "supctl: unknown signal \"NOSUCH\"\n"},
		{"reopen", api.Result{}, 0, "log files reopened\n", ""},
		{"reopen", whole(1, "web.log: no space left on device"), 1, "", "supctl: web.log: no space left on device\n"},
		{"rotate", api.Result{Outcomes: []api.Outcome{{Name: "whois/web", Message: "rotated"}}}, 0, "whois/web: rotated\n", ""},
		{"rotate whois", api.Result{Outcomes: []api.Outcome{{Name: "whois/web", Code: 1, Message: "not rotated: read-only file system"}}}, 1, "", "supctl: whois/web: not rotated: read-only file system\n"},
		{"rotate nosuch", api.Result{}, 4, "", `supctl: no such target "nosuch"`},
		{"shutdown", api.Result{}, 0, "all workers have stopped\nsupd has not ended yet: the disk of a log or of a socket does not answer\n", ""},
		{"shutdown", whole(5, "not permitted"), 5, "", "supctl: not permitted\n"},
		{"pid whois", api.Result{}, 0, "4711\n4712\n", ""},
		{"pid whois/web.2", api.Result{}, 0, "4712\n", ""},
		{"pid off", api.Result{}, 3, "", "supctl: off/beat.1: no process, STOPPED\n"},
		{"pid nosuch", api.Result{}, 4, "", "no such target"},
		{"hold whois --reason x", api.Result{Outcomes: []api.Outcome{{Name: "whois", Message: "held"}}}, 0, "whois: held\n", ""},
		{"hold whos", api.Result{}, 4, "", `supctl: no such app "whos", did you mean "whois"?`},
		{"unhold whois", whole(1, "cannot be journaled"), 1, "", "supctl: cannot be journaled\n"},
		{"deploy whois", whole(1, "whois has no [release] in whois.toml; restart replaces its workers"), 1, "", "supctl: whois has no [release] in whois.toml"},
		{"deploy whois 1.5.0", api.Result{Outcomes: []api.Outcome{{Name: "whois", Message: "1.5.0 is active already"}}}, 0, "whois: 1.5.0 is active already\n", ""},
		{"deploy whois/web", api.Result{}, 4, "", `no such app "whois/web"`},
		{"deploy --no-wait whois", api.Result{Rollout: &api.RolloutStatus{Rollout: release.Rollout{ID: 3, Kind: "deploy", To: "1.5.0"}}}, 0,
			"whois: deploy of 1.5.0 has begun; `supctl status whois` shows how it goes\n", ""},
		{"rollback whois", whole(4, "whois: no release 1.0 is registered; known: 1.4.0"), 4, "", "supctl: whois: no release 1.0"},
		{"top --once -i 100ms whois", api.Result{}, 0, "NAME         STATE     CPU%    MEM   FDS  RST\nwhois/web.1  RUNNING    0.0      -     -    0\n", ""},
		{"top --interval 100ms", api.Result{}, 0, "off/beat.1   STOPPED", ""},
		{"top nosuch", api.Result{}, 4, "", `supctl: no such target "nosuch"`},
		{"explain whois", api.Result{}, 0, "whois/web.1:\n 1  setsid()\n 2  execve()\n\nwhois/web.2:\n 1  execve()\n", ""},
		{"version", api.Result{}, 0, "supctl dev\nsupd 1.2.3, pid ", ""},
		{"completion bash", api.Result{}, 0, "__start_supctl", ""},
		{"completion zsh", api.Result{}, 0, "#compdef supctl", ""},
		{"completion fish", api.Result{}, 0, "complete -c supctl", ""},
		{"--help", api.Result{}, 0, "Available Commands:", ""},

		{"", api.Result{}, 2, "", "supctl: no command"},
		{"restrat whois", api.Result{}, 2, "", `supctl: unknown command "restrat", did you mean "restart"?`},
		{"reload", api.Result{}, 2, "", "supctl: reload needs a target: `supctl reload TARGET` has workers read their own configuration anew; `supctl apply` applies"},
		{"deploy", api.Result{}, 2, "", "supctl: deploy needs an app"},
		{"deploy whois 1 2", api.Result{}, 2, "", "supctl: deploy needs an app"},
		{"deploy whois 1/2", api.Result{}, 2, "", "supctl: deploy: "},
		{"deploy --resume whois 1.5.0", api.Result{}, 2, "", "supctl: --resume goes on with the rollout that is paused"},
		{"deploy --timeout -5s whois", api.Result{}, 2, "", "supctl: --timeout -5s: want 0"},
		{"rollback --resume whois", api.Result{}, 2, "", "supctl: unknown flag: --resume"},
		{"hold", api.Result{}, 2, "", "supctl: hold needs one app"},
		{"releases", api.Result{}, 2, "", "supctl: releases needs one app"},
		{"releases -n -1 whois", api.Result{}, 2, "", "supctl: --rollouts -1: want 0 or more"},
		{"register whois", api.Result{}, 2, "", "supctl: register needs an app and a version"},
		{"register --drop-ins a b", api.Result{}, 2, "", "supctl: register --drop-ins takes one directory at most"},
		{"register --drop-ins --deploy", api.Result{}, 2, "", "supctl: --drop-ins excludes --path and --deploy"},
		{"unregister whois", api.Result{}, 2, "", "supctl: unregister needs an app and a version"},
		{"unregister --timeout -1s whois 1", api.Result{}, 2, "", "supctl: --timeout -1s: want 0"},
		{"start", api.Result{}, 2, "", "supctl: start needs a target; `supctl start all` is for every worker"},
		{"stop", api.Result{}, 2, "", "`supctl stop all`"},
		{"restart", api.Result{}, 2, "", "`supctl restart all`"},
		{"signal HUP", api.Result{}, 2, "", "supctl: signal needs a signal and a target"},
		{"explain", api.Result{}, 2, "", "supctl: explain needs one target"},
		{"reopen whois", api.Result{}, 2, "", `supctl: reopen takes no argument, got "whois"`},
		{"shutdown now", api.Result{}, 2, "", "supctl: shutdown takes no argument"},
		{"completion tcsh", api.Result{}, 2, "", "supctl: completion needs one shell: bash, zsh, fish"},
		{"start --hard whois", api.Result{}, 2, "", "supctl: unknown flag: --hard"},
		{"start --timeout 5 whois", api.Result{}, 2, "", "supctl: invalid argument"},
		{"start --timeout -5s whois", api.Result{}, 2, "", "supctl: --timeout -5s: want 0 (without limit) or more"},
		{"logs -n -1 whois", api.Result{}, 2, "", "supctl: --lines -1: want 0 or more"},
		{"logs --json whois", api.Result{}, 2, "", "supctl: logs has no --json"},
		{"top --interval 10ms", api.Result{}, 2, "", "supctl: --interval 10ms: want 100ms or more"},
		{"top --sort size", api.Result{}, 2, "", "supctl: --sort size: want one of cpu, errors, fds, memory, name, queue, requests, restarts"},
		{"check --json", api.Result{}, 2, "", "supctl: check has no --json"},
	}
	d := newFake(t.TempDir())
	serve(t, d)
	for _, test := range tests {
		d.result = test.result
		code, out, err := supctl(t, strings.Fields(test.args)...)
		if code != test.code || !strings.Contains(out, test.stdout) || !strings.Contains(err, test.err) {
			t.Errorf("supctl %s: exited with %d, want %d\nstdout: %s\nstderr: %s", test.args, code, test.code, out, err)
		}
		if test.stdout == "" && out != "" || test.err == "" && err != "" || strings.Count(err, "\n") > 1 {
			t.Errorf("supctl %s:\nstdout: %s\nstderr: %s", test.args, out, err)
		}
	}
}

func TestNobodyAnswers(t *testing.T) {
	socket := t.TempDir() + "/none.sock"
	for _, args := range []string{"status", "top", "top --json", "start all", "stop all", "signal HUP all", "pid", "pid whois", "logs", "explain whois", "reopen", "shutdown",
		"deploy whois", "rollback whois", "hold whois", "unhold whois"} {
		code, out, err := supctl(t, append([]string{"--socket", socket}, strings.Fields(args)...)...)
		if want := "supctl: no supd answers on " + socket + ": no such file or directory; is it running? `supctl check --config FILE` tells whether it could\n"; code != 4 || out != "" || err != want {
			t.Errorf("supctl %s: exited with %d\nstdout: %s\nstderr: %s", args, code, out, err)
		}
	}
	code, out, err := supctl(t, "--socket", socket, "version")
	if code != 0 || !strings.HasPrefix(out, "supctl dev\nno supd answers") || err != "" {
		t.Errorf("version: exited with %d\nstdout: %s\nstderr: %s", code, out, err)
	}
}

func TestRequestsSent(t *testing.T) {
	tests := map[string]api.Request{
		"start a b":                          {Action: "start", Targets: []string{"whois", "off"}},
		"restart --timeout 90s --hard whois": {Action: "restart", Targets: []string{"whois"}, Hard: true, Timeout: 90 * time.Second},
		"deploy --no-wait whois 1.5.0":       {Action: "deploy", Targets: []string{"whois"}, Version: "1.5.0", Detach: true},
		"deploy --no-wait --resume whois":    {Action: "resume", Targets: []string{"whois"}, Detach: true},
		"rollback whois":                     {Action: "rollback", Targets: []string{"whois"}, Detach: true},
		"hold whois --reason fair":           {Action: "hold", Targets: []string{"whois"}, Reason: "fair"},
		"unhold whois":                       {Action: "unhold", Targets: []string{"whois"}},
		"signal USR1 whois/web.1":            {Action: "signal", Targets: []string{"whois/web.1"}, Signal: "USR1"},
	}
	d := newFake(t.TempDir())
	serve(t, d)
	for args, want := range tests {
		args = strings.Replace(args, "a b", "whois off", 1)
		if code, _, err := supctl(t, strings.Fields(args)...); code != 0 {
			t.Errorf("supctl %s: exited with %d, %s", args, code, err)
		}
		want.By = d.last.By
		if diff := cmp.Diff(want, d.last); diff != "" {
			t.Errorf("supctl %s sent (-want +got):\n%s", args, diff)
		}
	}
}

// Whoever is interrupted while he waits is told that supd goes on.
func TestInterrupted(t *testing.T) {
	d := newFake(t.TempDir())
	d.asked = make(chan api.Request)
	serve(t, d)
	ctx, interrupt := context.WithCancel(t.Context())
	var out, errs bytes.Buffer
	ended := make(chan int)
	go func() { ended <- run(ctx, []string{"restart", "whois"}, &out, &errs) }()
	<-d.asked
	interrupt()
	if code := <-ended; code != 130 || errs.String() != "supctl: interrupted; supd goes on with the restart\n" {
		t.Errorf("exited with %d, %q", code, errs.String())
	}
}

func TestJSON(t *testing.T) {
	d := newFake("/nonexistent")
	d.figures = func() *api.Figures {
		return &api.Figures{At: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), MemoryBytes: 1024, Apps: []api.AppFigures{{Name: "off", State: api.Stopped}}}
	}
	serve(t, d)
	d.result = api.Result{Code: 7, Outcomes: []api.Outcome{{Name: "whois/web.1", Code: 7, Message: "no"}}}
	tests := []struct {
		args string
		code int
		want string
	}{
		{"--json start whois", 7, `{"code":7,"outcomes":[{"name":"whois/web.1","code":7,"message":"no"}]}` + "\n"},
		{"status off --json", 3, `{"apps":[{"name":"off","release":"","previous":"","state":"STOPPED","processes":[{"name":"beat","count":1,` +
			`"log":"/nonexistent/beat.log","autostart":false,"workers":[{"name":"off/beat.1","slot":1,"state":"STOPPED","pid":0,"release":"","ready":false,` +
			`"generation":0,"started_at":null,"uptime_seconds":0,"restarts":0,"last_exit":null}]}]}]}` + "\n"},
		{"top off --json", 0, `{"at":"2026-11-24T12:00:00Z","memory_bytes":1024,"apps":[{"name":"off","release":"","state":"STOPPED","sockets":null,"processes":[]}]}` + "\n"},
		{"explain --json whois", 0, `[{"name":"whois/web.1","plan":" 1  setsid()\n 2  execve()\n"},{"name":"whois/web.2","plan":" 1  execve()\n"}]` + "\n"},
	}
	for _, test := range tests {
		code, out, err := supctl(t, strings.Fields(test.args)...)
		if code != test.code || out != test.want || err != "" {
			t.Errorf("supctl %s: exited with %d\nstdout: %s\nstderr: %s", test.args, code, out, err)
		}
	}
	if code, out, _ := supctl(t, "--json", "version"); code != 0 || !strings.HasPrefix(out, `{"client":"dev","daemon":{"version":"1.2.3","pid":`) {
		t.Errorf("version: exited with %d, %s", code, out)
	}
}

func TestTargetsAreCompleted(t *testing.T) {
	d := newFake("/nonexistent")
	d.releases = &api.ReleaseList{App: "whois", Releases: []api.ReleaseStatus{{Version: "1.4.0"}, {Version: "1.5.0"}, {Version: "2.0"}}}
	serve(t, d)
	tests := map[string]string{
		"deploy wh":            "whois\n:4\n",
		"deploy whois 1":       "1.4.0\n1.5.0\n:4\n",
		"unregister whois 2":   "2.0\n:4\n",
		"deploy whois 1.4.0 1": ":4\n",
		"hold of":              "off\n:4\n",
		"audit off wh":         "whois\n:4\n",
		"status who":           "whois\nwhois/web\nwhois/web.1\nwhois/web.2\n:4\n",
		"stop off/beat":        "off/beat\noff/beat.1\n:4\n",
		"restart al":           "all\n:4\n",
		"signal US":            "USR1\nUSR2\n:4\n",
		"signal HUP off/":      "off/beat\noff/beat.1\n:4\n",
		"completion f":         "fish\n:4\n",
	}
	for args, want := range tests {
		if _, out, _ := supctl(t, append([]string{"__complete"}, strings.Fields(args)...)...); out != want {
			t.Errorf("%s: offers\n%s", args, out)
		}
	}
	t.Setenv("SUPD_SOCKET", t.TempDir()+"/none.sock")
	if _, out, _ := supctl(t, "__complete", "status", ""); out != ":4\n" {
		t.Errorf("without supd: offers\n%s", out)
	}
}

// socketOf is the path that serve has set.
func socketOf(t *testing.T) string {
	t.Helper()
	return os.Getenv("SUPD_SOCKET")
}

// A wrong flag is told of in words of its user, whatever library reads it.
func TestWrongFlags(t *testing.T) {
	serve(t, newFake(""))
	for args, want := range map[string]string{
		"logs -n x":                          `invalid argument "x" for --lines: want a whole number`,
		"releases a -n 99999999999999999999": `invalid argument "99999999999999999999" for --rollouts: want a whole number`,
		"deploy a --timeout 5":               `invalid argument "5" for --timeout: want a duration such as 30s, 5m or 1h30m`,
		"stop a --timeout=":                  `invalid argument "" for --timeout: want a duration such as 30s, 5m or 1h30m`,
		"top -i x":                           `invalid argument "x" for --interval: want a duration`,
		"logs --follow=maybe":                `invalid argument "maybe" for --follow: want true or false, or no value`,
		"status --nosuch":                    "unknown flag: --nosuch",
	} {
		code, out, errs := supctl(t, strings.Fields(args)...)
		if code != 2 || out != "" || !strings.Contains(errs, want) || strings.Contains(errs, "strconv") || strings.Contains(errs, "time:") {
			t.Errorf("%s: exited with %d, %q, %q", args, code, out, errs)
		}
	}
}
