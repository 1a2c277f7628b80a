package engine

import (
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
