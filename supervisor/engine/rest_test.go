package engine

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/supervisor/api"
)

// TestStopOfAGroup: what the worker has started has the time of the step, also when the
// main process ends before it. KILL comes when the time is over, and a step for the main
// process alone is left out when that has ended.
func TestStopOfAGroup(t *testing.T) {
	term := configs.StopStep{Signal: unix.SIGTERM, Wait: 10 * time.Second, Group: true}
	quit := configs.StopStep{Signal: unix.SIGQUIT, Wait: 5 * time.Second, Group: true}
	alone := configs.StopStep{Signal: unix.SIGINT, Wait: time.Minute}
	for name, c := range map[string]struct {
		b            behaviour
		steps        []configs.StopStep
		took         time.Duration
		sent, others []unix.Signal
	}{
		"the main process is last": {behaviour{drain: 3 * time.Second, rest: time.Second}, []configs.StopStep{term}, 3 * time.Second,
			[]unix.Signal{unix.SIGTERM, unix.SIGCONT}, []unix.Signal{unix.SIGTERM, unix.SIGCONT}},
		"the main process is first": {behaviour{rest: 4 * time.Second}, []configs.StopStep{term, quit}, 4 * time.Second,
			[]unix.Signal{unix.SIGTERM, unix.SIGCONT}, []unix.Signal{unix.SIGTERM, unix.SIGCONT}},
		"it has started nothing": {behaviour{}, []configs.StopStep{term}, 0,
			[]unix.Signal{unix.SIGTERM, unix.SIGCONT}, []unix.Signal{unix.SIGTERM, unix.SIGCONT}},
		"the others are deaf": {behaviour{rest: time.Hour, deaf: true}, []configs.StopStep{term, quit}, 15 * time.Second,
			[]unix.Signal{unix.SIGTERM, unix.SIGCONT}, []unix.Signal{unix.SIGTERM, unix.SIGCONT, unix.SIGQUIT, unix.SIGCONT}},
		"the next step is for the main process": {behaviour{rest: time.Hour, deaf: true}, []configs.StopStep{term, alone}, 10 * time.Second,
			[]unix.Signal{unix.SIGTERM, unix.SIGCONT}, []unix.Signal{unix.SIGTERM, unix.SIGCONT}},
		"all are deaf": {behaviour{ignores: true, rest: time.Hour, deaf: true}, []configs.StopStep{term}, 10 * time.Second,
			[]unix.Signal{unix.SIGTERM, unix.SIGCONT, unix.SIGKILL}, []unix.Signal{unix.SIGTERM, unix.SIGCONT}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := configured("web", 1)
				p.Stop = c.steps
				w := newWorld(t, always(c.b), p)
				w.expect(time.Second, "a/web.1", api.Running)
				begin := time.Now()
				w.do(api.ActionStop, false, "a")
				if took := time.Since(begin).Round(time.Second); took != c.took {
					t.Errorf("stop took %v, want %v", took, c.took)
				}
				w.in(func(*Owner) {
					if p := w.procs[0]; p.swept != slices.Contains(c.sent, unix.SIGKILL) {
						t.Errorf("the group is killed with the main process: %v", p.swept)
					}
					if p := w.procs[0]; !slices.Equal(p.sent, c.sent) || !slices.Equal(p.others, c.others) {
						t.Errorf("sent %v and %v, want %v and %v", p.sent, p.others, c.sent, c.others)
					}
				})
				w.quit()
			})
		})
	}
}

// TestGroupLingers: while what it has started is waited for the worker is STOPPING, its
// group is spared, and nothing is started in its slot; what happens to it otherwise is
// no matter any more.
func TestGroupLingers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := configured("web", 1)
		p.Stop = []configs.StopStep{{Signal: unix.SIGTERM, Wait: time.Minute, Group: true}}
		w := newWorld(t, always(behaviour{rest: 30 * time.Second}), p)
		w.expect(time.Second, "a/web.1", api.Running)
		w.in(func(o *Owner) {
			pid := w.procs[0].id
			if !o.killsGroup(pid) || o.killsGroup(pid+1) {
				t.Error("the group of one that is not stopped is spared, or that of a stranger is killed")
			}
		})
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			w.do(api.ActionRestart, true, "a")
		}()
		w.wantWaits(10*time.Second, api.Stopping, "waits for 2 processes of its group")
		w.in(func(o *Owner) { w.procs[0].launch.Remaining(1)(o) })
		w.wantWaits(0, api.Stopping, "waits for 1 process of its group")
		w.in(func(o *Owner) { w.procs[0].launch.Remaining(0)(o) })
		w.wantWaits(0, api.Stopping, "waits for the others of its group")
		w.in(func(o *Owner) {
			l := w.procs[0].launch
			for _, e := range []Event{l.Ready(""), l.Ping(), l.Ill(""), l.Checked(nil), l.Churned(9)} {
				e(o)
			}
			if !w.procs[0].dead || l.worker.State != api.Stopping || len(w.procs) != 1 {
				t.Errorf("dead %v, %s, %d launches", w.procs[0].dead, l.worker.State, len(w.procs))
			}
		})
		<-stopped
		w.expect(time.Second, "a/web.1", api.Running)
		w.quit()
	})
}

// TestGroupIsTakenOver: the next supd waits on for what a worker has started whose main
// process has ended.
func TestGroupIsTakenOver(t *testing.T) {
	for name, became := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := configured("web", 1)
				p.Stop = []configs.StopStep{{Signal: unix.SIGTERM, Wait: time.Minute, Group: true}}
				w := newWorld(t, always(behaviour{rest: 30 * time.Second}), p)
				w.expect(time.Second, "a/web.1", api.Running)
				begin := time.Now()
				go w.do(api.ActionStop, false, "a")
				w.expect(10*time.Second, "a/web.1", api.Stopping)
				w.ends(became)
				w.takesOver(w.config(configs.Rollout{Surge: configs.Surge{Workers: 1}}, p), became, time.Second, nil)
				w.expect(time.Until(begin.Add(29*time.Second)), "a/web.1", api.Stopping)
				w.expect(2*time.Second, "a/web.1", api.Stopped)
				w.quit()
			})
		})
	}
}
