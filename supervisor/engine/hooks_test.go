package engine

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/supervisor/api"
)

// hooked is a process with these hooks, of 20 seconds each.
func hooked(name string, hooks ...configs.HookName) configs.Process {
	p := configured(name, 1)
	h := &configs.Hook{Command: []string{"hook"}, Timeout: 20 * time.Second}
	for _, hook := range hooks {
		switch hook {
		case configs.HookPreStart:
			p.Hooks.PreStart = h
		case configs.HookPostStart:
			p.Hooks.PostStart = h
		case configs.HookPreStop:
			p.Hooks.PreStop = h
		case configs.HookPostStop:
			p.Hooks.PostStop = h
		case configs.HookOnFailure:
			p.Hooks.OnFailure = h
		}
	}
	return p
}

var allHooks = []configs.HookName{configs.HookPreStart, configs.HookPostStart, configs.HookPreStop, configs.HookPostStop, configs.HookOnFailure}

// wantHooks compares what was run so far.
func (w *world) wantHooks(want ...string) {
	w.t.Helper()
	w.in(func(*Owner) {
		if !slices.Equal(w.hooked, want) {
			w.t.Errorf("hooks %q, want %q", w.hooked, want)
		}
	})
}

// wantWaits wants a/web.1 in a state after d, and what it is said to wait for.
func (w *world) wantWaits(d time.Duration, state api.State, note string) {
	w.t.Helper()
	if got := w.expect(d, "a/web.1", state); got.Note != note {
		w.t.Errorf("it is said to wait for %q, want %q", got.Note, note)
	}
}

func (w *world) sentTo(i int) (sent []unix.Signal) {
	w.in(func(*Owner) { sent = slices.Clone(w.procs[i].sent) })
	return sent
}

// TestHooks: each at its time. A stop waits for the one before it, and is over when the
// one behind it is.
func TestHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(behaviour{ready: time.Second, drain: 2 * time.Second}), hooked("web", allHooks...))
		w.in(func(*Owner) { w.hookTime = 5 * time.Second })
		w.wantHooks()
		w.expect(2*time.Second, "a/web.1", api.Running)
		w.wantHooks("a/web.1.1 post_start")
		begin := time.Now()
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			w.do(api.ActionStop, false, "a")
		}()
		w.wantWaits(4*time.Second, api.Stopping, "waits for its pre_stop hook")
		w.wantHooks("a/web.1.1 post_start", "a/web.1.1 pre_stop")
		if sent := w.sentTo(0); len(sent) > 0 {
			t.Errorf("sent %v before the hook has ended", sent)
		}
		w.wantWaits(2*time.Second, api.Stopping, "")
		if sent := w.sentTo(0); !slices.Equal(sent, []unix.Signal{unix.SIGTERM, unix.SIGCONT}) {
			t.Errorf("sent %v after it", sent)
		}
		w.wantWaits(2*time.Second, api.Stopped, "its post_stop hook runs")
		<-stopped
		w.wantWaits(0, api.Stopped, "")
		if took := time.Since(begin).Round(time.Second); took != 12*time.Second {
			t.Errorf("stop took %v, want 12s", took)
		}
		w.wantHooks("a/web.1.1 post_start", "a/web.1.1 pre_stop", "a/web.1.1 post_stop: exited with code 0")
		w.quit()
	})
}

// TestPreStartIsWaitedFor: a launch takes as long as its hook.
func TestPreStartIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := healthy
		slow.launch = 10 * time.Second
		w := newWorld(t, always(slow), hooked("web", configs.HookPreStart))
		w.wantWaits(5*time.Second, api.Starting, "waits for its pre_start hook")
		w.wantWaits(time.Minute, api.Running, "")
		w.quit()
	})
}

// TestPreStopHasABound: a hook of which nothing is heard puts the signal off no longer
// than it may take; nor is anything else of it waited for when supd ends.
func TestPreStopHasABound(t *testing.T) {
	for name, stop := range map[string]func(*world){
		"stop": func(w *world) { go w.do(api.ActionStop, false, "a") },
		"quit": func(w *world) { w.s.post((*Owner).Quit) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, always(healthy), hooked("web", configs.HookPreStop))
				w.in(func(*Owner) { w.hookTime = -1 })
				w.expect(5*time.Second, "a/web.1", api.Running)
				stop(w)
				w.expect(29*time.Second, "a/web.1", api.Stopping)
				if sent := w.sentTo(0); len(sent) > 0 {
					t.Errorf("sent %v before its time was over", sent)
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if name == "stop" {
					if sent := w.sentTo(0); len(sent) == 0 {
						t.Error("nothing is sent after its time was over")
					}
				}
				w.quit()
			})
		})
	}
}

// TestPreStopIsLeftOut where nothing of the worker is served, and where the worker is to
// be killed.
func TestPreStopIsLeftOut(t *testing.T) {
	never := healthy
	never.ready = -1
	for name, c := range map[string]struct {
		b     behaviour
		first unix.Signal
		state api.State
	}{
		"it is starting":  {never, unix.SIGTERM, api.Starting},
		"it is killed":    {healthy, unix.SIGKILL, api.Running},
		"a stop as usual": {healthy, unix.SIGTERM, api.Running},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := hooked("web", configs.HookPreStop)
				p.Stop[0].Signal = c.first
				w := newWorld(t, always(c.b), p)
				w.expect(5*time.Second, "a/web.1", c.state)
				w.do(api.ActionStop, false, "a")
				if name == "a stop as usual" {
					w.wantHooks("a/web.1.1 pre_stop")
				} else {
					w.wantHooks()
				}
				w.quit()
			})
		})
	}
}

// TestHookEventsInEveryState: the end of the hook before a stop is heard of once, by a
// worker that waits for it.
func TestHookEventsInEveryState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := healthy
		slow.ready, slow.drain, slow.ill = 5*time.Second, time.Minute, 5*time.Second
		p := hooked("web", configs.HookPreStop)
		p.Health = configs.Health{HTTP: "/", Failures: 1}
		p.Restart = configs.RestartNever
		w := newWorld(t, func(l Launch) behaviour {
			if l.Generation > 1 {
				return behaviour{launch: time.Millisecond, ready: -1}
			}
			return slow
		}, p)
		w.in(func(*Owner) { w.hookTime = 5 * time.Second })
		hear := func(want api.State) {
			t.Helper()
			w.in(func(o *Owner) {
				worker := w.procs[0].launch.worker
				before := len(w.procs[0].sent)
				o.preStopped(worker)
				if worker.State != want || len(w.procs[0].sent) != before {
					t.Errorf("a worker that is %s, want %s, has been sent %v", worker.State, want, w.procs[0].sent)
				}
			})
		}
		time.Sleep(time.Second)
		hear(api.Starting)
		time.Sleep(5 * time.Second)
		hear(api.Running)
		time.Sleep(5 * time.Second)
		hear(api.Unhealthy)
		go w.do(api.ActionStop, false, "a")
		time.Sleep(7 * time.Second)
		hear(api.Stopping) // and the signal was sent once, which proc looks at
		time.Sleep(2 * time.Minute)
		hear(api.Exited)
		w.quit()
	})
}

// TestDeathBeforeTheSignal: a worker that ends while its hook runs is not signalled.
func TestDeathBeforeTheSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), hooked("web", configs.HookPreStop, configs.HookPostStop, configs.HookOnFailure))
		w.in(func(*Owner) { w.hookTime = 10 * time.Second })
		w.expect(5*time.Second, "a/web.1", api.Running)
		go w.do(api.ActionStop, false, "a")
		time.Sleep(time.Second)
		w.in(func(*Owner) { w.die(w.procs[0], Exit{Pid: w.procs[0].id}) })
		w.expect(time.Minute, "a/web.1", api.Stopped)
		if sent := w.sentTo(0); len(sent) > 0 {
			t.Errorf("sent %v", sent)
		}
		w.wantHooks("a/web.1.1 pre_stop", "a/web.1.1 post_stop: exited with code 0")
		w.quit()
	})
}

// TestOnFailure: of what fails by itself, and of nothing that was asked for.
func TestOnFailure(t *testing.T) {
	first := func(b behaviour) func(Launch) behaviour {
		return func(l Launch) behaviour {
			if l.Generation == 1 {
				return b
			}
			return healthy
		}
	}
	crash, clean, ill, never := healthy, healthy, healthy, healthy
	crash.die, crash.code = 10*time.Second, 3
	clean.die = 10 * time.Second
	ill.ill = 10 * time.Second
	never.ready = -1
	for name, c := range map[string]struct {
		b    behaviour
		want string
	}{
		"it crashes":          {crash, "a/web.1.1 on_failure: exited with code 3"},
		"it ends":             {clean, ""},
		"it is not launched":  {behaviour{fail: "hook pre_start: exited with code 1"}, "a/web.1.1 on_failure: hook pre_start: exited with code 1"},
		"it is not ready":     {never, "a/web.1.1 on_failure: not ready within 30s; exited with code 0"},
		"it is ill":           {ill, "a/web.1.1 on_failure: no answer; exited with code 0"},
		"it is only replaced": {healthy, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := hooked("web", configs.HookOnFailure)
				p.Health = configs.Health{HTTP: "/", Failures: 1}
				w := newWorld(t, first(c.b), p)
				w.expect(2*time.Minute, "a/web.1", api.Running)
				if name == "it is only replaced" {
					w.do(api.ActionRestart, false, "a")
				}
				if c.want == "" {
					w.wantHooks()
				} else {
					w.wantHooks(c.want)
				}
				w.quit()
			})
		})
	}
}

// TestHooksWaitForStrays: what is begun while those of its user are killed would be killed
// with them.
func TestHooksWaitForStrays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := behaviour{fail: "hook pre_start: exited with code 3"}
		p := hooked("web", configs.HookPreStart, configs.HookOnFailure)
		p.GiveUpAfter = 1
		w := newWorld(t, always(failed), p)
		w.expect(time.Second, "a/web.1", api.Failed)
		w.in(func(*Owner) {
			if len(w.hooked) == 0 || w.idleKills.Load() == 0 {
				t.Errorf("hooks %q, strays were killed %d times", w.hooked, w.idleKills.Load())
			}
		})
		w.quit()
	})
}

// TestCandidateHasNoAudience: what tells others that a worker is there, or goes, is not
// run for one that no request reaches.
func TestCandidateHasNoAudience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := quick
		r.Smoke = "/"
		web := hooked("web", configs.HookPostStart, configs.HookPreStop, configs.HookPostStop)
		web.Sockets = []string{"http"}
		f := newFleet(t, r, always(healthy), web)
		f.expect(5*time.Second, "a/web.1", api.Running)
		f.in(func(*Owner) { f.hooked = nil })
		f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeDone, "2 is active")
		var candidates []string
		f.in(func(*Owner) {
			for _, text := range f.hooked {
				if strings.HasPrefix(text, "a/web.0") || strings.Contains(text, "candidate") {
					candidates = append(candidates, text)
				}
			}
		})
		for _, text := range candidates {
			if !strings.Contains(text, "post_stop") {
				t.Errorf("%s was run", text)
			}
		}
		if len(f.hooked) < 4 {
			t.Errorf("only %q were run", f.hooked)
		}
		f.quit()
	})
}

// TestPostStopBeforeTheNext: what must never run twice is started when the last hook of
// the one before has ended; others need not wait.
func TestPostStopBeforeTheNext(t *testing.T) {
	for strategy, most := range map[configs.Strategy]time.Duration{configs.StrategyReplace: 12 * time.Second, configs.StrategySurge: 4 * time.Second} {
		t.Run(string(strategy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := hooked("web", configs.HookPostStop)
				p.Strategy = strategy
				w := newWorld(t, always(behaviour{ready: time.Second}), p)
				w.in(func(*Owner) { w.hookTime = 10 * time.Second })
				w.expect(5*time.Second, "a/web.1", api.Running)
				begin := time.Now()
				w.in(func(*Owner) { w.die(w.procs[0], Exit{Pid: w.procs[0].id}) })
				for w.worker("a/web.1").Generation < 2 {
					time.Sleep(100 * time.Millisecond)
				}
				took := time.Since(begin)
				if took > most || strategy == configs.StrategyReplace && took < 10*time.Second {
					t.Errorf("the next one came after %v", took)
				}
				w.quit()
			})
		})
	}
}

// TestCancelledBeforeTheLaunch: nobody waits for the hook before a start that is not
// wanted any more.
func TestCancelledBeforeTheLaunch(t *testing.T) {
	for name, stop := range map[string]func(*world){
		"stop": func(w *world) { w.do(api.ActionStop, false, "a") },
		"quit": func(*world) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, always(behaviour{launch: -1}), hooked("web", allHooks...))
				w.expect(5*time.Second, "a/web.1", api.Starting)
				begin := time.Now()
				stop(w)
				w.quit()
				if took := time.Since(begin); took > time.Second {
					t.Errorf("it took %v", took)
				}
				if len(w.hooked) > 0 {
					t.Errorf("hooks %q of a worker that was not started", w.hooked)
				}
			})
		})
	}
}

// TestPreStopIsTakenOver: the next supd does not run the hook again, and goes on with the
// stop when its time is over.
func TestPreStopIsTakenOver(t *testing.T) {
	for name, became := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := hooked("web", configs.HookPreStop, configs.HookPostStop)
				w := newWorld(t, always(healthy), p)
				w.in(func(*Owner) { w.hookTime = -1 })
				w.expect(5*time.Second, "a/web.1", api.Running)
				go w.do(api.ActionStop, false, "a")
				w.expect(time.Second, "a/web.1", api.Stopping)
				w.ends(became)
				w.takesOver(w.config(configs.Rollout{Surge: configs.Surge{Workers: 1}}, p), became, time.Second, nil)
				w.in(func(*Owner) { w.hookTime = time.Second })
				w.expect(time.Second, "a/web.1", api.Stopping)
				w.expect(time.Minute, "a/web.1", api.Stopped)
				w.wantHooks("a/web.1.1 pre_stop", "a/web.1.1 post_stop: "+map[bool]string{true: "exited with code 0", false: "ended, nobody knows how"}[became])
				w.quit()
			})
		})
	}
}
