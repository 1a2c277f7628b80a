package engine

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"supd/configs"
	"supd/supervisor/api"
)

func (w *world) scale(n int, targets ...string) *api.Result {
	return w.s.Do(w.t.Context(), api.Request{Action: api.ActionScale, Targets: targets, Count: n, Timeout: 10 * time.Minute})
}

// wantSlots compares how many workers a process has and is said to have.
func (w *world) wantSlots(process string, n, scaled int) {
	w.t.Helper()
	time.Sleep(time.Minute)
	synctest.Wait()
	for _, a := range w.s.Status().Apps {
		for _, p := range a.Processes {
			if p.Name == process && (len(p.Workers) != n || p.Scaled != scaled) {
				w.t.Errorf("%s has %d workers, scaled to %d; want %d, %d", process, len(p.Workers), p.Scaled, n, scaled)
			}
		}
	}
}

// TestScale: another number of workers holds through all but the next configuration, and
// only the difference comes or goes.
func TestScale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 2), configured("other", 1))
		w.expect(10*time.Second, "a/web.2", api.Running)
		first := w.worker("a/web.1").Pid
		r := w.scale(4, "a/web")
		if r.Code != api.CodeDone || len(r.Outcomes) != 4 || r.Outcomes[0].Message != "already running" || !strings.HasPrefix(r.Outcomes[3].Message, "started, pid") {
			t.Errorf("up: %+v", r)
		}
		w.wantSlots("web", 4, 4)
		r = w.scale(1, "a/web")
		if r.Code != api.CodeDone || len(r.Outcomes) != 4 || !strings.HasPrefix(r.Outcomes[3].Message, "stopped") {
			t.Errorf("down: %+v", r)
		}
		w.wantSlots("web", 1, 1)
		w.wantSlots("other", 1, 0)
		if got := w.worker("a/web.1"); got.Pid != first {
			t.Errorf("it was replaced: %+v", got)
		}
		w.apply(configured("web", 2), configured("other", 1))
		w.wantSlots("web", 2, 0)
		if got := w.worker("a/web.1"); got.Pid != first {
			t.Errorf("it was replaced: %+v", got)
		}
		w.quit()
	})
}

func TestScaleRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 2), configured("other", 1))
		w.expect(10*time.Second, "a/web.2", api.Running)
		for target, n := range map[string]int{"a": 2, "all": 2, "a/web.1": 2, "a/nosuch": 2, "a/web": configs.MostWorkers, "a/w*": configs.MostWorkers + 1} {
			if r := w.scale(n, target); r.Code != api.CodeUsage || r.Error == "" {
				t.Errorf("%s=%d: %+v", target, n, r)
			}
		}
		w.wantSlots("web", 2, 0)
		w.quit()
	})
}

// TestScaleOfWhatIsNotThere: a process that has no workers, or is stopped, gets as many as
// are asked for.
func TestScaleOfWhatIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("none", 0), configured("web", 2))
		w.expect(10*time.Second, "a/web.2", api.Running)
		w.do(api.ActionStop, false, "a/web")
		if r := w.scale(2, "a/none", "a/web"); r.Code != api.CodeDone || len(r.Outcomes) != 4 {
			t.Errorf("%+v", r)
		}
		for _, name := range []string{"a/none.2", "a/web.1", "a/web.2"} {
			w.expect(time.Second, name, api.Running)
		}
		w.apply(configured("none", 0), configured("web", 2))
		w.wantSlots("none", 0, 0)
		w.quit()
	})
}

// TestScaleIsTakenOver by the next supd, in both directions.
func TestScaleIsTakenOver(t *testing.T) {
	for name, became := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				few, many := configured("few", 3), configured("many", 1)
				w := newWorld(t, always(healthy), few, many)
				w.expect(10*time.Second, "a/few.3", api.Running)
				w.scale(1, "a/few")
				w.scale(3, "a/many")
				w.wantSlots("few", 1, 1)
				w.ends(became)
				w.takesOver(w.config(configs.Rollout{Surge: configs.Surge{Workers: 1}}, few, many), became, time.Second, nil)
				w.wantSlots("few", 1, 1)
				w.wantSlots("many", 3, 3)
				if n := len(w.running()); n != 4 {
					t.Errorf("%d processes run", n)
				}
				w.quit()
			})
		})
	}
}

// TestDeployKeepsTheScale that was asked for.
func TestDeployKeepsTheScale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, quick, always(healthy), configured("few", 3), configured("many", 1))
		f.expect(10*time.Second, "a/few.3", api.Running)
		f.scale(1, "a/few")
		f.scale(3, "a/many")
		f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeDone, "2 is active")
		f.wantSlots("few", 1, 1)
		f.wantSlots("many", 3, 3)
		f.wantServing("2", 4)
		f.quit()
	})
}
