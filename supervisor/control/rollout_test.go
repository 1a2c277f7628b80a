package control

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"supd/supervisor"
	"supd/supervisor/api"
	"supd/supervisor/release"
)

// changing is a daemon whose published rollouts change.
type changing struct {
	*fake
	real *supervisor.Supervisor // announces changes

	mu   sync.Mutex
	apps []api.AppStatus
}

// newChanging has the app whois.
func newChanging(t *testing.T) *changing {
	real, _ := watchable(t)
	return &changing{fake: newFake("/nonexistent"), real: real, apps: []api.AppStatus{{Name: "whois"}}}
}

func (d *changing) Status() *api.Status {
	s := *d.real.Status()
	d.mu.Lock()
	defer d.mu.Unlock()
	s.Apps = d.apps
	return &s
}

// publish makes r the last rollout of whois.
func (d *changing) publish(t *testing.T, r *api.RolloutStatus) {
	t.Helper()
	d.mu.Lock()
	d.apps = []api.AppStatus{{Name: "whois", Rollout: r}}
	d.mu.Unlock()
	applied(t, d.real)
}

// underWay is a rollout in which these things have happened, one a second.
func underWay(id int, messages ...string) *api.RolloutStatus {
	r := &api.RolloutStatus{Rollout: release.Rollout{ID: id, Kind: release.KindDeploy, From: "1.4.0", To: "1.5.0", Step: release.StepReplace,
		StartedAt: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}}
	for i, m := range messages {
		r.Progress = append(r.Progress, api.Progress{At: r.StartedAt.Add(time.Duration(i) * time.Second), Step: r.Step, Worker: "whois/web.1", Message: m})
	}
	return r
}

func ended(r *api.RolloutStatus, code int, reason string, output ...string) *api.RolloutStatus {
	at := r.StartedAt.Add(time.Minute)
	r.EndedAt, r.Code, r.Reason, r.Output = at, code, reason, output
	return r
}

// following is a client that reads a rollout.
type following struct {
	lines chan RolloutLine
	end   chan error
}

func follow(ctx context.Context, c *Client, id int) *following {
	f := &following{make(chan RolloutLine, 100), make(chan error, 1)}
	go func() {
		f.end <- c.Rollout(ctx, "whois", id, true, func(l RolloutLine) error { f.lines <- l; return nil })
		close(f.lines)
	}()
	return f
}

// want reads as many lines as there are messages; "" is the last line.
func (f *following) want(t *testing.T, messages ...string) (last RolloutLine) {
	t.Helper()
	for _, want := range messages {
		l, ok := <-f.lines
		if !ok {
			t.Fatalf("no line where %q should be, %v", want, <-f.end)
		}
		if got := l.RolloutEnd == nil && l.Progress != nil && l.Message == want; got != (want != "") {
			t.Fatalf("line %+v, %+v, want %q", l, l.Progress, want)
		}
		last = l
	}
	return last
}

// Who follows a rollout gets all that has happened, each thing once, and its end.
func TestFollowRollout(t *testing.T) {
	d := newChanging(t)
	d.publish(t, underWay(3, "started, pid 5"))
	_, c := serve(t, d)
	f := follow(testContext(t), c, 3)
	f.want(t, "started, pid 5")
	d.publish(t, underWay(3, "started, pid 5", "ready after 1s", "started, pid 6"))
	f.want(t, "ready after 1s", "started, pid 6")
	d.publish(t, ended(underWay(3, "started, pid 5", "ready after 1s", "started, pid 6", "failed"), api.CodeRolledBack, "web.1: exited with code 3", "Traceback", "ImportError"))
	last := f.want(t, "failed", "")
	want := RolloutLine{App: "whois", ID: 3, Kind: "deploy", From: "1.4.0", To: "1.5.0", StartedAt: underWay(3).StartedAt,
		RolloutEnd: &RolloutEnd{underWay(3).StartedAt.Add(time.Minute), 9}, Reason: "web.1: exited with code 3", Output: []string{"Traceback", "ImportError"}}
	if diff := cmp.Diff(want, last); diff != "" {
		t.Error(diff)
	}
	must(t, <-f.end)
}

// A rollout that has just begun may not be published yet.
func TestRolloutToCome(t *testing.T) {
	d := newChanging(t)
	d.publish(t, ended(underWay(2), 0, ""))
	_, c := serve(t, d)
	f := follow(testContext(t), c, 3)
	d.publish(t, underWay(3, "started"))
	f.want(t, "started")
	d.publish(t, ended(underWay(3, "started"), 0, ""))
	f.want(t, "")
	must(t, <-f.end)
}

// If another rollout takes its place before the end of one was seen, the stream
// ends without the last line, and the client gets an error.
func TestRolloutIsAnother(t *testing.T) {
	d := newChanging(t)
	d.publish(t, underWay(3, "started"))
	_, c := serve(t, d)
	f := follow(testContext(t), c, 0)
	f.want(t, "started")
	d.publish(t, underWay(4, "started"))
	if err := <-f.end; !NoAnswer(err) {
		t.Errorf("error %v", err)
	}
	err := c.Rollout(testContext(t), "whois", 3, true, nil)
	wantCode(t, err, api.CodeNoTarget, "rollout 3 of whois is over, 4 is the last one")
	if NoAnswer(err) {
		t.Error("an answer is taken for none")
	}
}

// A pause says why, since it may last.
func TestPausedRollout(t *testing.T) {
	d := newChanging(t)
	r := underWay(3, "started")
	r.Step, r.Reason, r.Output = release.StepPaused, "web.1: not ready in time", []string{"waiting for the database"}
	r.Progress = append(r.Progress, api.Progress{At: r.StartedAt, Step: release.StepPaused, Message: "paused"})
	d.publish(t, r)
	_, c := serve(t, d)
	f := follow(testContext(t), c, 3)
	if l := f.want(t, "started"); l.Reason != "" {
		t.Errorf("reason %q before the pause", l.Reason)
	}
	if l := f.want(t, "paused"); l.Reason != r.Reason || !slices.Equal(l.Output, r.Output) {
		t.Errorf("reason %q, output %q", l.Reason, l.Output)
	}
}

func TestRolloutKnownSoFar(t *testing.T) {
	d := newChanging(t)
	d.publish(t, underWay(3, "started", "ready"))
	_, c := serve(t, d)
	var got []string
	must(t, c.Rollout(testContext(t), "whois", 0, false, func(l RolloutLine) error { got = append(got, l.Message); return nil }))
	if diff := cmp.Diff([]string{"started", "ready"}, got); diff != "" {
		t.Error(diff)
	}
	stop := errors.New("enough")
	if err := c.Rollout(testContext(t), "whois", 0, true, func(RolloutLine) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
}

// The end of the server is not the end of the rollout.
func TestShutdownEndsRollouts(t *testing.T) {
	d := newChanging(t)
	d.publish(t, underWay(3, "started"))
	s, c := serve(t, d)
	f, waiting := follow(testContext(t), c, 3), follow(testContext(t), c, 4)
	f.want(t, "started")
	must(t, s.Shutdown(testContext(t)))
	if err := <-f.end; !NoAnswer(err) {
		t.Errorf("error %v", err)
	}
	if err := <-waiting.end; err == nil {
		t.Error("to wait for a rollout ended well")
	}
}

// The form of the lines is part of the API.
func TestRolloutLines(t *testing.T) {
	w := handle(newFake("/nonexistent"), nobody, httptest.NewRequest("GET", "/v1/rollout?app=other&id=7&follow=1", nil))
	want := `{"app":"other","id":7,"kind":"deploy","from":"1.4.0","to":"1.5.0","started_at":"2026-11-24T12:03:04Z","at":"2026-11-24T12:03:04Z","step":"replace","worker":"other/beat.1","pid":5,"message":"started"}
{"app":"other","id":7,"kind":"deploy","from":"1.4.0","to":"1.5.0","started_at":"2026-11-24T12:03:04Z","at":"2026-11-24T12:03:06Z","step":"done","message":"done"}
{"app":"other","id":7,"kind":"deploy","from":"1.4.0","to":"1.5.0","started_at":"2026-11-24T12:03:04Z","ended_at":"2026-11-24T12:03:06Z","code":0}
`
	if diff := cmp.Diff(want, w.Body.String()); diff != "" {
		t.Error(diff)
	}
}

func TestReleasesAndFindings(t *testing.T) {
	d := newFake("/nonexistent")
	d.releases = &api.ReleaseList{App: "whois", Releases: []api.ReleaseStatus{{Version: "1.4.0", Path: "/opt/whois/1.4.0", State: "active"}},
		History: []release.Rollout{{ID: 1, To: "1.4.0", Result: "done"}}}
	d.findings = []api.Finding{{App: "other", Release: "1", Path: "x.py", Message: "gone"}, {App: "whois", Release: "1.4.0", Path: "a.py", Message: "size"}}
	_, c := serve(t, d)
	ctx := testContext(t)
	list, err := c.Releases(ctx, "whois")
	must(t, err)
	if diff := cmp.Diff(d.releases, list); diff != "" {
		t.Error(diff)
	}
	for app, want := range map[string][]api.Finding{"": d.findings, "whois": d.findings[1:]} {
		got, err := c.Audit(ctx, app)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", app, diff)
		}
	}
	d.findings = nil
	none, err := c.Audit(ctx, "")
	must(t, err)
	if none == nil || len(none) > 0 {
		t.Errorf("findings %v, want an empty list", none)
	}
	_, err = c.Releases(ctx, "other")
	wantCode(t, err, api.CodeFailed, "has no [release]")
}
