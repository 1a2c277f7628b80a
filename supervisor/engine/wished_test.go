package engine

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"supd/configs"
	"supd/supervisor/api"
)

// TestAsWished: a one-off that has never run, or has ended well, is no trouble; whatever
// else does not run is.
func TestAsWished(t *testing.T) {
	oneOff := func(code int) configs.Process {
		p := configured("job", 1)
		p.Autostart, p.Restart = false, configs.RestartNever
		p.Ready = configs.Ready{Uptime: time.Second}
		p.Env = map[string]string{"code": string(rune('0' + code))}
		return p
	}
	behave := func(l Launch) behaviour {
		if l.Process.Name == "job" {
			return behaviour{die: 2 * time.Second, code: int(l.Process.Env["code"][0] - '0')}
		}
		return healthy
	}
	expect := func(w *world, name string, state api.State, wished bool) {
		w.t.Helper()
		if got := w.expect(time.Minute, name, state); got.AsWished != wished {
			w.t.Errorf("%s is as wished: %v (%+v)", name, got.AsWished, got)
		}
	}
	for code, wished := range map[int]bool{0: true, 1: false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, behave, configured("web", 1), oneOff(code))
			expect(w, "a/web.1", api.Running, true)
			expect(w, "a/job.1", api.Stopped, true)
			w.do(api.ActionStart, false, "a/job")
			expect(w, "a/job.1", api.Exited, wished)
			w.do(api.ActionStop, false, "a")
			expect(w, "a/job.1", api.Stopped, wished)
			expect(w, "a/web.1", api.Stopped, false)
			w.quit()
		})
	}
}

// TestTry: a start says which one in a row it is, until a worker has lived for long.
func TestTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(l Launch) behaviour {
			switch {
			case l.Generation == 3:
				return behaviour{launch: time.Millisecond, ready: time.Second, die: time.Hour, code: 3}
			case l.Generation > 3:
				return healthy
			}
			return behaviour{ready: -1, die: 10 * time.Millisecond, code: 3}
		}, configured("web", 1))
		if got := w.expect(50*time.Millisecond, "a/web.1", api.Backoff); got.Try != 2 {
			t.Errorf("try %d is next", got.Try)
		}
		if got := w.expect(400*time.Millisecond, "a/web.1", api.Starting); got.Try != 3 || got.Restarts != 2 {
			t.Errorf("try %d, %d restarts", got.Try, got.Restarts)
		}
		w.expect(time.Hour-200*time.Millisecond, "a/web.1", api.Running)
		if got := w.expect(time.Second, "a/web.1", api.Starting); got.Try != 1 {
			t.Errorf("try %d after a long life", got.Try)
		}
		w.quit()
	})
}

// TestIllness: an unhealthy worker says what is wrong with it, and the one in its place
// what was.
func TestIllness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(l Launch) behaviour {
			b := healthy
			if l.Generation == 1 {
				b.churns = time.Minute
			}
			return b
		}, configured("web", 1))
		got := w.expect(63*time.Second, "a/web.1", api.Unhealthy)
		if !strings.Contains(got.Note, "have died young") || got.AsWished {
			t.Errorf("unhealthy: %+v", got)
		}
		got = w.expect(time.Minute, "a/web.1", api.Running)
		if got.Restarts != 1 || got.LastExit == nil || !strings.Contains(got.LastExit.Reason, "have died young") || got.Note != "" {
			t.Errorf("replaced: %+v, %+v", got, got.LastExit)
		}
		w.quit()
	})
}

// TestOneOffsRunWhenNamed: APP and all leave out what is not started with supd; a job
// that has ended runs once more only when it is named, whatever else happens.
func TestOneOffsRunWhenNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job, server := configured("job", 1), configured("shell", 1)
		job.Autostart, job.Restart, server.Autostart = false, configs.RestartNever, false
		w := newWorld(t, func(l Launch) behaviour {
			b := healthy
			if l.Process.Name == "job" {
				b.die = time.Minute
			}
			return b
		}, configured("web", 1), job, server)
		w.expect(10*time.Second, "a/web.1", api.Running)
		generation := func(name string, want int) {
			t.Helper()
			if got := w.worker(name); got.Generation != want {
				t.Errorf("%s is of generation %d, want %d: %+v", name, got.Generation, want, got)
			}
		}
		outcomes := func(r *api.Result, want int, names ...string) {
			t.Helper()
			var got []string
			for _, o := range r.Outcomes {
				got = append(got, o.Name)
			}
			if r.Code != want || !slices.Equal(got, names) {
				t.Errorf("%+v, want %d and %q", r, want, names)
			}
		}
		for _, target := range []string{"all", "a", "a/*"} {
			outcomes(w.do(api.ActionStart, false, target), api.CodeDone, "a/web.1")
			outcomes(w.do(api.ActionRestart, false, target), api.CodeDone, "a/web.1")
		}
		generation("a/job.1", 0)
		generation("a/shell.1", 0)

		signal := func(target string) *api.Result {
			return w.s.Do(t.Context(), api.Request{Action: api.ActionSignal, Signal: "HUP", Targets: []string{target}})
		}
		outcomes(signal("all"), api.CodeDone, "a/web.1")
		outcomes(signal("a/job"), api.CodeNotRunning, "a/job.1")

		outcomes(w.do(api.ActionStart, false, "a/job", "a/shell"), api.CodeDone, "a/job.1", "a/shell.1")
		outcomes(w.do(api.ActionRestart, false, "a"), api.CodeDone, "a/shell.1", "a/web.1") // it runs, and always would
		generation("a/job.1", 1)
		w.expect(2*time.Minute, "a/job.1", api.Exited)
		outcomes(w.do(api.ActionStart, false, "a"), api.CodeDone, "a/web.1")
		changed := job
		changed.Command = []string{"other"}
		w.apply(configured("web", 1), changed, server)
		generation("a/job.1", 1)
		outcomes(w.do(api.ActionRestart, false, "a/job"), api.CodeDone, "a/job.1")
		generation("a/job.1", 2)
		outcomes(w.do(api.ActionStop, false, "all"), api.CodeDone, "a/job.1", "a/shell.1", "a/web.1")
		w.quit()
	})
}

// TestOnlyOneOffs: a request that leaves out all that there is says so.
func TestOnlyOneOffs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := configured("job", 1)
		p.Autostart = false
		w := newWorld(t, always(healthy), p)
		for action, want := range map[api.Action]int{api.ActionStart: api.CodeDone, api.ActionRestart: api.CodeFailed} {
			if r := w.do(action, false, "a"); r.Code != want || len(r.Outcomes) != 1 || !strings.HasPrefix(r.Outcomes[0].Message, "nothing to "+string(action)) {
				t.Errorf("%s: %+v", action, r)
			}
		}
		w.quit()
	})
}

// TestCountOfNone: a process without workers can be named.
func TestCountOfNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("none", 0), configured("web", 1))
		for action, want := range map[api.Action]int{api.ActionStart: 0, api.ActionStop: 0, api.ActionRestart: 0} {
			r := w.do(action, false, "a/none")
			if r.Code != want || len(r.Outcomes) != 1 || r.Outcomes[0].Name != "a/none" || !strings.Contains(r.Outcomes[0].Message, "count = 0") {
				t.Errorf("%s: %+v", action, r)
			}
		}
		if r := w.s.Do(t.Context(), api.Request{Action: api.ActionSignal, Signal: "HUP", Targets: []string{"a/none"}}); r.Code != api.CodeNotRunning {
			t.Errorf("signal: %+v", r)
		}
		if r := w.do(api.ActionStart, false, "a"); r.Code != 0 || len(r.Outcomes) != 1 {
			t.Errorf("of the app: %+v", r)
		}
		if r := w.do(api.ActionStart, false, "a/none.1"); r.Code != api.CodeNoTarget {
			t.Errorf("of a worker: %+v", r)
		}
		w.quit()
	})
}

// TestDeployLeavesFinishedOneOffs: another release is no reason to run a job again, nor
// does one that has failed hold a deploy up.
func TestDeployLeavesFinishedOneOffs(t *testing.T) {
	for _, code := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			job := configured("job", 1)
			job.Autostart, job.Restart = false, configs.RestartNever
			job.Ready = configs.Ready{Uptime: time.Second}
			f := newFleet(t, quick, func(l Launch) behaviour {
				if l.Process.Name == "job" {
					return behaviour{die: 5 * time.Second, code: code}
				}
				return healthy
			}, configured("web", 1), job)
			f.expect(5*time.Second, "a/web.1", api.Running)
			f.do(api.ActionStart, false, "a/job")
			f.expect(10*time.Second, "a/job.1", api.Exited)
			f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeDone, "2 is active")
			if got := f.worker("a/job.1"); got.Generation != 1 {
				t.Errorf("it has run again: %+v", got)
			}
			f.quit()
		})
	}
}
