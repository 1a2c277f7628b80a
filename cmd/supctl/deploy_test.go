package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"supd/configs"
	"supd/supervisor"
	"supd/supervisor/api"
	"supd/supervisor/release"
)

// rolling is a daemon with a rollout of whois, whose state changes.
type rolling struct {
	*fake
	real *supervisor.Supervisor // announces changes

	mu    sync.Mutex
	known *api.RolloutStatus
}

func newRolling(t *testing.T, r *api.RolloutStatus) *rolling {
	t.Helper()
	dir := t.TempDir()
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
	d := &rolling{fake: newFake("/nonexistent"), real: s, known: r}
	d.result.Rollout = r
	return d
}

func (d *rolling) Rights() *api.Rights { return &api.Rights{} }

func (d *rolling) Status() *api.Status {
	s := *d.real.Status()
	d.mu.Lock()
	defer d.mu.Unlock()
	s.Apps = []api.AppStatus{d.fake.status.Apps[1]}
	s.Apps[0].Rollout = d.known
	return &s
}

// becomes makes r the present state of the rollout.
func (d *rolling) becomes(t *testing.T, r *api.RolloutStatus) {
	t.Helper()
	d.mu.Lock()
	d.known = r
	d.mu.Unlock()
	if r := d.real.Apply(t.Context(), api.Request{Action: api.ActionApply, Detach: true}); r.Code != api.CodeDone {
		t.Fatalf("%+v", r)
	}
}

var noon = time.Date(2026, 11, 24, 12, 3, 4, 0, time.Local)

// rollout is number 3, from 1.4.0 to 1.5.0, in which these things have happened,
// one a second: "step worker pid message", "-" being none.
func rollout(things ...string) *api.RolloutStatus {
	r := &api.RolloutStatus{Rollout: release.Rollout{ID: 3, Kind: release.KindDeploy, From: "1.4.0", To: "1.5.0", Step: release.StepCheck, StartedAt: noon}}
	for i, thing := range things {
		f := strings.SplitN(thing, " ", 4)
		p := api.Progress{At: noon.Add(time.Duration(i) * time.Second), Step: release.Step(f[0]), Message: f[3]}
		if f[1] != "-" {
			p.Worker = f[1]
			fmt.Sscan(f[2], &p.Pid)
		}
		r.Step, r.Progress = p.Step, append(r.Progress, p)
	}
	return r
}

// over ends a rollout after 12.34 seconds.
func over(r *api.RolloutStatus, code int, reason string, output ...string) *api.RolloutStatus {
	at := noon.Add(12340 * time.Millisecond)
	r.EndedAt, r.Code, r.Reason, r.Output = at, code, reason, output
	return r
}

var things = []string{
	"check - 0 deploy of 1.5.0, 1.4.0 is active",
	"replace whois/web.1 4720 started 1.5.0",
	"replace whois/web.1 4720 ready after 1.2s",
	"replace whois/web.2 4721 started 1.5.0",
	"bake - 0 all workers are replaced, watching them for 10s",
}

const thingLines = `12:03:04 check whois: deploy of 1.5.0, 1.4.0 is active
12:03:05 replace whois/web.1: started 1.5.0, pid 4720
12:03:06 replace whois/web.1: ready after 1.2s
12:03:07 replace whois/web.2: started 1.5.0, pid 4721
12:03:08 bake whois: all workers are replaced, watching them for 10s
`

func TestRolloutEnds(t *testing.T) {
	kind := func(r *api.RolloutStatus, k release.Kind) *api.RolloutStatus { r.Kind = k; return r }
	first := func(r *api.RolloutStatus) *api.RolloutStatus { r.From = ""; return r }
	paused := rollout(append(things, "paused - 0 paused")...)
	paused.Reason, paused.Output = "whois/web.2: not ready within 30s", []string{"waiting"}
	tests := []struct {
		name, args string
		rollout    *api.RolloutStatus
		code       int
		out, err   string
	}{
		{"deployed", "deploy whois", over(rollout(append(things, "done - 0 done")...), 0, ""), 0, thingLines + "whois: 1.5.0 deployed in 12.3s\n", ""},
		{"rolled back", "deploy whois 1.5.0", over(rollout(things...), 9, "whois/web.2: exited with code 3", "Traceback:", "\x1b[2JImportError: no\tmodule"), 9, thingLines,
			"supctl: whois: rolled back to 1.4.0: whois/web.2: exited with code 3\n    Traceback:\n    [2JImportError: no module\n"},
		{"the first", "deploy whois", first(over(rollout(), 7, "whois/web.1: exec: no such file or directory")), 7, "",
			"supctl: whois: the deploy of 1.5.0 has failed: whois/web.1: exec: no such file or directory\n"},
		{"neither runs", "deploy whois", over(rollout(), 1, "x; and 1.4.0 does not come back: y"), 1, "",
			"supctl: whois: the deploy of 1.5.0 has failed: x; and 1.4.0 does not come back: y\n"},
		{"back", "rollback whois", kind(over(rollout(things[1]), 0, ""), "rollback"), 0,
			"12:03:04 replace whois/web.1: started 1.5.0, pid 4720\nwhois: rolled back to 1.5.0 in 12.3s\n", ""},
		{"not back", "rollback whois", kind(over(rollout(), 9, "x"), "rollback"), 9, "", "supctl: whois: 1.4.0 serves on, the rollback to 1.5.0 has failed: x\n"},
		{"undone", "rollback whois", over(rollout(), 9, "undone by root", "what it said"), 0, "whois: rolled back to 1.4.0 in 12.3s\n", ""},
		{"paused", "deploy whois", paused, 1, thingLines + "12:03:09 paused whois: paused\n",
			"supctl: whois: paused: whois/web.2: not ready within 30s; `supctl deploy whois --resume` goes on, `supctl rollback whois` undoes it\n    waiting\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newRolling(t, test.rollout)
			serve(t, d)
			code, out, err := supctl(t, strings.Fields(test.args)...)
			if diff := cmp.Diff(test.out, out) + cmp.Diff(test.err, err); diff != "" || code != test.code {
				t.Errorf("exited with %d, want %d (-want +got):\n%s", code, test.code, diff)
			}
		})
	}
}

func TestRolloutAsJSON(t *testing.T) {
	d := newRolling(t, over(rollout(things[1]), 9, "no good", "line"))
	d.result.Warnings = []string{"manage.py has changed"}
	serve(t, d)
	code, out, err := supctl(t, "--json", "deploy", "whois")
	lines := strings.Split(out, "\n")
	if code != 9 || err != "supctl: warning: manage.py has changed\n" || len(lines) != 3 ||
		!strings.HasPrefix(lines[0], `{"app":"whois","id":3,"kind":"deploy","from":"1.4.0","to":"1.5.0",`) || !strings.Contains(lines[0], `"worker":"whois/web.1"`) ||
		!strings.HasSuffix(lines[1], `"code":9,"reason":"no good","output":["line"]}`) {
		t.Errorf("exited with %d\nstdout: %s\nstderr: %s", code, out, err)
	}
	code, out, err = supctl(t, "--json", "deploy", "whois", "--no-wait")
	if code != 0 || !strings.HasPrefix(out, `{"code":0,"outcomes":[],"rollout":{"id":3,`) {
		t.Errorf("--no-wait: exited with %d\nstdout: %s\nstderr: %s", code, out, err)
	}
}

// begin runs a command line until it is interrupted.
func begin(t *testing.T, args ...string) (out, errs *screen, interrupt func(), ended <-chan int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, errs = newScreen(), newScreen()
	code := make(chan int, 1)
	go func() { code <- run(ctx, args, out, errs) }()
	return out, errs, cancel, code
}

func TestRolloutInterrupted(t *testing.T) {
	d := newRolling(t, rollout(things...))
	serve(t, d)
	out, errs, interrupt, ended := begin(t, "deploy", "whois")
	out.await(t, "watching them")
	interrupt()
	want := "supctl: interrupted; the rollout goes on: `supctl deploy whois 1.5.0` shows it, `supctl rollback whois` undoes it\n"
	if code := <-ended; code != 130 || errs.String() != want {
		t.Errorf("exited with %d, %s", code, errs)
	}
}

func TestRolloutTimeout(t *testing.T) {
	serve(t, newRolling(t, rollout(things...)))
	code, out, err := supctl(t, "deploy", "--timeout", "2s", "whois") // enough for all lines
	if code != 8 || out != thingLines || err != "supctl: whois: still in progress: bake; `supctl status whois` shows how it goes on\n" {
		t.Errorf("exited with %d\nstdout: %s\nstderr: %s", code, out, err)
	}
}

// A supd that dies during a rollout is waited for, and nothing is shown twice when
// the next one repeats it.
func TestRolloutOutlivesSupd(t *testing.T) {
	path := socketPath(t)
	_, stop := serveOn(t, path, newRolling(t, rollout(things[:2]...)))
	out, errs, _, ended := begin(t, "deploy", "whois")
	out.await(t, "started 1.5.0, pid 4720")
	stop()
	out.await(t, "lost")
	next := newRolling(t, rollout(things[:3]...))
	_, stop = serveOn(t, path, next)
	defer stop()
	out.await(t, "ready after 1.2s")
	next.becomes(t, over(rollout(things...), 0, ""))
	if code := <-ended; code != 0 || errs.String() != "" {
		t.Errorf("exited with %d, %s", code, errs)
	}
	want := strings.Replace(thingLines, "12:03:06", "the connection to supd is lost, waiting for it to come back\n12:03:06", 1)
	if diff := cmp.Diff(want+"whois: 1.5.0 deployed in 12.3s\n", out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A rollout that has ended while supd was away is found in the history.
func TestRolloutEndsUnseen(t *testing.T) {
	path := socketPath(t)
	_, stop := serveOn(t, path, newRolling(t, rollout(things[:2]...)))
	out, errs, _, ended := begin(t, "deploy", "whois")
	out.await(t, "started 1.5.0, pid 4720")
	stop()
	history := []release.Rollout{
		{ID: 2, Kind: "deploy", To: "1.4.0", Result: "done"},
		{ID: 3, Kind: "deploy", From: "1.4.0", To: "1.5.0", Result: "rolled back", Reason: "supd was killed", StartedAt: noon, EndedAt: noon.Add(time.Second)},
	}
	defer serveAnother(t, path, history)()
	if code := <-ended; code != 9 || errs.String() != "supctl: whois: rolled back to 1.4.0: supd was killed\n" {
		t.Errorf("exited with %d, %s", code, errs)
	}
}

// serveAnother plays a supd that has another rollout, and this history.
func serveAnother(t *testing.T, path string, history []release.Rollout) (stop func()) {
	t.Helper()
	other := rollout()
	other.ID = 4
	d := newRolling(t, other)
	d.releases = &api.ReleaseList{App: "whois", History: history}
	_, stop = serveOn(t, path, d)
	return stop
}

func TestRolloutIsLost(t *testing.T) {
	path := socketPath(t)
	_, stop := serveOn(t, path, newRolling(t, rollout(things[:2]...)))
	out, errs, _, ended := begin(t, "deploy", "whois")
	out.await(t, "started 1.5.0, pid 4720")
	stop()
	defer serveAnother(t, path, nil)()
	want := "supctl: whois: supd has come back, and knows nothing of the rollout to 1.5.0; `supctl status whois` shows what runs\n"
	if code := <-ended; code != 1 || errs.String() != want {
		t.Errorf("exited with %d, %s", code, errs)
	}
}

func TestResultsOfHistory(t *testing.T) {
	tests := map[release.Rollout]int{
		{From: "1", Result: "done"}: 0, {Result: "done"}: 0, {From: "1", Result: "rolled back"}: 9, {From: "1", Result: "failed"}: 1, {Result: "failed"}: 7,
	}
	for h, want := range tests {
		if got := codeOfResult(h); got != want {
			t.Errorf("%+v: %d, want %d", h, got, want)
		}
	}
}

func TestSupdStaysAway(t *testing.T) {
	patience := comeBack
	comeBack = 10 * time.Millisecond
	defer func() { comeBack = patience }()
	path := socketPath(t)
	_, stop := serveOn(t, path, newRolling(t, rollout(things[:2]...)))
	out, errs, _, ended := begin(t, "deploy", "whois")
	out.await(t, "started 1.5.0, pid 4720")
	stop()
	if code := <-ended; code != 4 || !strings.Contains(errs.String(), "it has not come back within 10ms. The next supd finishes the rollout or undoes it\n") {
		t.Errorf("exited with %d, %s", code, errs)
	}
}

func TestAppNotesAreNoWorkerLines(t *testing.T) {
	paused := rollout()
	paused.Step, paused.Reason = release.StepPaused, "web.1: no"
	s := &api.Status{Apps: []api.AppStatus{
		{Name: "a", Rollout: rollout("replace - 0 x")},
		{Name: "b", Rollout: over(rollout(), 9, "x")},
		{Name: "c", Rollout: paused, Held: &release.Hold{By: "root (uid 0, pid 1)", Reason: "fair"}},
		{Name: "d", Note: "no release is active; `supctl deploy d`"},
	}}
	var b bytes.Buffer
	writeApps(&b, s, nil)
	want := "a   deploy 1.4.0 → 1.5.0: replace\n" +
		"c   deploy 1.4.0 → 1.5.0: paused: web.1: no; `supctl deploy c --resume` goes on, `supctl rollback c` undoes it\n" +
		"c   held by root (uid 0, pid 1): fair\n" +
		"d   no release is active; `supctl deploy d`\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if codeOf(&api.Status{Apps: s.Apps[:3]}) != 0 || codeOf(s) != 3 {
		t.Error("an app that does not run is taken for one that does, or the reverse")
	}
}
