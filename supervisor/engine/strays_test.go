package engine

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/supervisor/api"
)

// nginx is a stray of the world's one user.
var nginx = Strays{UID: 1000, Count: 1, Some: []Stray{{Pid: 4711, Is: `"nginx" (pid 4711)`}}}

// twoApps are a and b, with a process each.
func (w *world) twoApps() Prepared {
	return w.appsOf(map[string]configs.Process{"a": configured("web", 1), "b": configured("web", 1)})
}

// appsOf are apps with a process each.
func (w *world) appsOf(all map[string]configs.Process) Prepared {
	p := Prepared{Config: &configs.Config{}}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		a := &configs.App{Name: name, Processes: []configs.Process{all[name]}, Rollout: configs.Rollout{Surge: configs.Surge{Workers: 1}}}
		p.Config.Apps = append(p.Config.Apps, *a)
		p.Apps = append(p.Apps, w.preparedOf(a, nil))
	}
	return p
}

// crash kills the main process of a slot's worker.
func (w *world) crash(name string) {
	pid := w.worker(name).Pid
	w.in(func(*Owner) { w.procOf(pid).Signal(unix.SIGKILL) })
}

// TestServerInTheBackground: what a worker has put there is killed with the last worker,
// before another one is launched, and status says why it ends again and again.
func TestServerInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(behaviour{ready: -1, die: 50 * time.Millisecond}), configured("web", 1))
		w.in(func(*Owner) { w.strays = nginx })
		got := w.expect(time.Second, "a/web.1", api.Starting) // in a moment
		if got.Generation != 1 || w.kills.Load() != 0 {
			t.Errorf("worker %+v, and strays were killed %d times", got, w.kills.Load())
		}
		got = w.expect(100*time.Millisecond, "a/web.1", api.Starting)
		if got.Generation != 2 || w.kills.Load() != 1 || !strings.Contains(got.LastExit.Reason, `"nginx" (pid 4711)`) {
			t.Errorf("worker %+v, last exit %+v, and strays were killed %d times", got, got.LastExit, w.kills.Load())
		}
		w.quit()
	})
}

// TestStopWaitsForStrays: a stop is done when the strays are dead, too; while a worker
// lives they are named and left alone.
func TestStopWaitsForStrays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(behaviour{}), configured("web", 2))
		w.expect(time.Second, "a/web.2", api.Running)
		w.in(func(*Owner) { w.strays = nginx })
		w.crash("a/web.2")
		if got := w.expect(time.Second, "a/web.2", api.Running); !strings.Contains(got.Note, "nginx") || w.kills.Load() > 0 {
			t.Errorf("worker %+v, killed %d times", got, w.kills.Load())
		}
		w.do(api.ActionStop, false, "a/web.2")
		if w.kills.Load() > 0 {
			t.Error("killed while a/web.1 lives")
		}
		begin := time.Now()
		w.do(api.ActionStop, false, "a")
		if took := time.Since(begin); took < time.Second || w.kills.Load() != 1 {
			t.Errorf("stop took %v, strays killed %d times", took, w.kills.Load())
		}
		if got := w.worker("a/web.2"); got.Note != "" {
			t.Errorf("worker %+v", got)
		}
		w.quit()
	})
}

// TestStrayDies: it is not told of any more.
func TestStrayDies(t *testing.T) {
	for name, dies := range map[string]func(*world){
		"reaped":        func(w *world) { w.in(func(o *Owner) { o.forgetStray(4711) }) },
		"found no more": func(w *world) { w.in(func(*Owner) { w.strays = Strays{} }); w.crash("a/web.1") },
		"a worker after all": func(w *world) {
			w.in(func(o *Owner) {
				for _, worker := range o.workers {
					o.workers[4711] = worker
				}
				w.after(time.Second, func(o *Owner) { delete(o.workers, 4711) })
			})
			w.crash("a/web.1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, always(behaviour{}), configured("web", 2))
				w.expect(time.Second, "a/web.2", api.Running)
				w.in(func(*Owner) { w.strays = nginx })
				w.crash("a/web.1")
				if got := w.expect(time.Second, "a/web.1", api.Running); !strings.Contains(got.Note, "nginx") {
					t.Fatalf("worker %+v", got)
				}
				dies(w)
				if got := w.expect(2*time.Second, "a/web.1", api.Running); got.Note != "" {
					t.Errorf("worker %+v", got)
				}
				w.in(func(*Owner) { w.strays = Strays{} })
				w.quit()
			})
		})
	}
}

// TestStraysOfTwoApps: whose they are cannot be told where two apps have one user, so
// that they are killed when neither runs.
func TestStraysOfTwoApps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(behaviour{}))
		w.in(func(o *Owner) {
			if err := o.Apply(w.twoApps()); err != nil {
				t.Fatal(err)
			}
		})
		w.expect(time.Second, "b/web.1", api.Running)
		w.in(func(*Owner) { w.strays = nginx })
		w.crash("a/web.1")
		if got := w.expect(time.Second, "a/web.1", api.Running); !strings.Contains(got.Note, "of a, b,") {
			t.Errorf("worker %+v", got)
		}
		w.do(api.ActionStop, false, "a")
		if w.kills.Load() > 0 {
			t.Error("killed while b/web.1 lives")
		}
		w.do(api.ActionStop, false, "b")
		if w.kills.Load() != 1 {
			t.Errorf("killed %d times", w.kills.Load())
		}
		w.quit()
	})
}

// TestReasonTellsOfTheBackground: a worker that has ended well has gone on there; what a
// crashed one leaves, or one that was told to stop, says nothing.
func TestReasonTellsOfTheBackground(t *testing.T) {
	for _, c := range []struct {
		code int
		stop bool
		want bool
	}{{0, false, true}, {3, false, false}, {0, true, false}} {
		synctest.Test(t, func(t *testing.T) {
			b := behaviour{die: 2 * time.Second, code: c.code}
			if c.stop {
				b = behaviour{}
			}
			p := configured("web", 1)
			p.Restart = configs.RestartNever
			w := newWorld(t, always(b), p)
			w.in(func(*Owner) { w.leftovers = map[string][]Stray{"a/web.1": nginx.Some} })
			w.expect(time.Second, "a/web.1", api.Running)
			if c.stop {
				w.do(api.ActionStop, false, "a")
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if got := w.worker("a/web.1").LastExit; got == nil || strings.Contains(got.Reason, `"nginx" (pid 4711)`) != c.want {
				t.Errorf("%+v: last exit %+v", c, got)
			}
			w.quit()
		})
	}
}

// TestStraysOfHooks: what the last hooks of a user put into the background is dead when
// the stop is done, although no worker has ended since.
func TestStraysOfHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(behaviour{}), hooked("web", configs.HookPostStop))
		w.in(func(*Owner) { w.hookTime = 5 * time.Second })
		w.expect(time.Second, "a/web.1", api.Running)
		go func() {
			time.Sleep(2 * time.Second)
			w.in(func(*Owner) { w.strays = nginx })
		}()
		begin := time.Now()
		w.do(api.ActionStop, false, "a")
		if took := time.Since(begin); took < 6*time.Second || w.kills.Load() != 1 {
			t.Errorf("stop took %v, strays killed %d times", took, w.kills.Load())
		}
		w.quit()
	})
}

// TestStraysOfPreStart: a launch that comes to nothing by its hook leaves nothing either.
func TestStraysOfPreStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := hooked("web", configs.HookPreStart)
		w := newWorld(t, always(behaviour{fail: "hook pre_start: exited with code 1"}), web)
		w.in(func(*Owner) { w.strays = nginx })
		time.Sleep(2 * time.Second)
		w.do(api.ActionStop, false, "a")
		if w.kills.Load() != 1 {
			t.Errorf("strays killed %d times", w.kills.Load())
		}
		w.quit()
	})
}
