package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/socket"
	"supd/supervisor/api"
)

// applies is a request to apply what is prepared, and its answer.
func (w *world) applies(p Prepared) *api.Result {
	w.t.Helper()
	reply := make(chan *api.Result, 1)
	w.in(func(o *Owner) {
		if err := o.ApplyFor(api.Request{Action: api.ActionApply, Timeout: 10 * time.Minute}, p, reply); err != nil {
			w.t.Error(err)
		}
	})
	return <-reply
}

// wouldChange is what Apply would do, a line for each worker and app.
func (w *world) wouldChange(p Prepared) (all []string) {
	var c *api.Changes
	w.in(func(o *Owner) { c = o.Changes(p) })
	for _, a := range c.Apps {
		text := a.Name + " " + string(a.Kind)
		if a.Note != "" {
			text += " (" + a.Note + ")"
		}
		if a.Deferred {
			text += " later"
		}
		all = append(all, text)
		for _, one := range a.Workers {
			all = append(all, strings.TrimRight(one.Name+" "+string(one.What)+" "+string(one.State), " "))
		}
	}
	return all
}

// outcomes are those of a request, a line each.
func outcomes(r *api.Result) (all []string) {
	for _, o := range r.Outcomes {
		message, _, _ := strings.Cut(o.Message, ", pid ")
		all = append(all, o.Name+": "+message)
	}
	slices.Sort(all)
	return all
}

func changed(change func(*configs.Process)) func(*world) Prepared {
	return func(w *world) Prepared {
		web := configured("web", 3)
		change(&web)
		return w.faulty(nil, web, configured("other", 1))
	}
}

// TestChanges: only what must changes, worker by worker. What is said before is what
// happens, and nothing changes by being asked.
func TestChanges(t *testing.T) {
	all := []string{"a/web.1", "a/web.2", "a/web.3"}
	each := func(what string) (lines []string) {
		for _, name := range all {
			lines = append(lines, name+what)
		}
		return lines
	}
	for name, c := range map[string]struct {
		now      func(w *world) Prepared
		changes  []string
		outcomes []string
		code     int
		replaced []string // workers with another process than before
	}{
		"nothing": {now: changed(func(*configs.Process) {})},
		"line":    {now: changed(func(p *configs.Process) { p.Line = 9 })},
		"fewer":   {now: changed(func(p *configs.Process) { p.Count = 1 }), changes: []string{"a changed", "a/web.2 stop", "a/web.3 stop"}, outcomes: []string{"a/web.2: stopped", "a/web.3: stopped"}},
		"more":    {now: changed(func(p *configs.Process) { p.Count = 4 }), changes: []string{"a changed", "a/web.4 start"}, outcomes: []string{"a/web.4: started"}},
		"health":  {now: changed(func(p *configs.Process) { p.Health.Failures = 9 }), changes: append([]string{"a changed"}, each(" keep")...)},
		"log":     {now: changed(func(p *configs.Process) { p.Log.Keep = 9 }), changes: append([]string{"a changed"}, each(" keep")...)},
		"restart": {now: changed(func(p *configs.Process) { p.Restart = configs.RestartNever }), changes: append([]string{"a changed"}, each(" keep")...)},
		"env":     {now: changed(func(p *configs.Process) { p.Env = map[string]string{"A": "b"} }), changes: append([]string{"a changed"}, each(" replace")...), outcomes: each(": replaced"), replaced: all},
		"command": {now: changed(func(p *configs.Process) { p.Command = []string{"x"} }), changes: append([]string{"a changed"}, each(" replace")...), outcomes: each(": replaced"), replaced: all},
		"command and fewer": {
			now:     changed(func(p *configs.Process) { p.Command = []string{"x"}; p.Count = 1 }),
			changes: []string{"a changed", "a/web.1 replace", "a/web.2 stop", "a/web.3 stop"}, outcomes: []string{"a/web.1: replaced", "a/web.2: stopped", "a/web.3: stopped"}, replaced: all[:1],
		},
		"broken": {
			now: changed(func(p *configs.Process) { p.Command = []string{"bad"} }), changes: append([]string{"a changed"}, each(" replace")...),
			outcomes: each(": not replaced: exited with code 3; the old worker goes on"), code: api.CodeRolledBack,
		},
		"process": {
			now:     func(w *world) Prepared { return w.faulty(nil, configured("web", 3), configured("new", 1)) },
			changes: []string{"a changed", "a/new.1 start", "a/other.1 stop"}, outcomes: []string{"a/new.1: started", "a/other.1: stopped"},
		},
		"broken process": {
			now: func(w *world) Prepared {
				bad, after := withCommand("bad", 1), configured("after", 1)
				bad.Name, after.After = "bad", []string{"bad"}
				return w.faulty(nil, configured("web", 3), configured("other", 1), bad, after)
			},
			changes: []string{"a changed", "a/bad.1 start", "a/after.1 start"}, outcomes: []string{"a/after.1: waits for bad, which did not start", "a/bad.1: not started: exited with code 3"}, code: api.CodeNotStarted,
		},
		"one that is to be started by hand": {
			now: func(w *world) Prepared {
				p := configured("new", 1)
				p.Autostart = false
				return w.faulty(nil, configured("web", 3), configured("other", 1), p)
			},
		},
		"user": {
			now: func(w *world) Prepared {
				return w.faulty(map[string]error{"web": errNoUser}, withCommand("x", 3), configured("other", 1))
			},
			changes: []string{"a changed (" + errNoUser.Error() + ")"}, outcomes: []string{"a: held back: " + errNoUser.Error()}, code: api.CodeNotStarted,
		},
		"user of one": {
			now: func(w *world) Prepared {
				return w.faulty(map[string]error{"other": errNoUser}, configured("web", 2), configured("other", 1))
			},
			changes: []string{"a changed (" + errNoUser.Error() + ")", "a/web.3 stop"}, outcomes: []string{"a/web.3: stopped", "a: held back: " + errNoUser.Error()}, code: api.CodeNotStarted,
		},
		"socket": {
			now: func(w *world) Prepared {
				web := configured("web", 3)
				web.Sockets = []string{"http"}
				p := w.faulty(nil, web, configured("other", 1))
				p.Apps[0].Sockets = map[string]configs.Socket{"a/http": {Spec: socket.Spec{Name: "http", Listen: "tcp:127.0.0.1:80"}}}
				return p
			},
			changes: append([]string{"a changed"}, each(" replace")...), outcomes: each(": replaced"), replaced: all,
		},
		"app": {
			now: func(w *world) Prepared {
				p := w.faulty(nil, configured("web", 1))
				p.Apps[0].Config.Name = "b"
				return p
			},
			changes:  []string{"a removed", "a/other.1 stop", "a/web.1 stop", "a/web.2 stop", "a/web.3 stop", "b added", "b/web.1 start"},
			outcomes: []string{"a/other.1: stopped", "a/web.1: stopped", "a/web.2: stopped", "a/web.3: stopped", "b/web.1: started"},
		},
		"one app alone": {
			now: func(w *world) Prepared {
				p := w.faulty(nil, configured("web", 1))
				p.Apps[0].Config.Name, p.Only = "b", []string{"b"}
				return p
			},
			changes: []string{"b added", "b/web.1 start"}, outcomes: []string{"b/web.1: started"},
		},
		"one app alone that is gone": {
			now:     func(w *world) Prepared { return Prepared{Config: &configs.Config{}, Only: []string{"a"}} },
			changes: []string{"a removed", "a/other.1 stop", "a/web.1 stop", "a/web.2 stop", "a/web.3 stop"}, outcomes: []string{"a/other.1: stopped", "a/web.1: stopped", "a/web.2: stopped", "a/web.3: stopped"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				never := false
				w := newWorld(t, commanded(&never), configured("web", 3), configured("other", 1))
				w.expect(5*time.Second, "a/web.3", api.Running)
				before := w.pids()
				if diff := cmp.Diff(c.changes, w.wouldChange(c.now(w))); diff != "" {
					t.Errorf("changes (-want +got):\n%s", diff)
				}
				time.Sleep(time.Minute)
				if diff := cmp.Diff(before, w.pids()); diff != "" {
					t.Fatalf("what was only asked for has happened:\n%s", diff)
				}
				r := w.applies(c.now(w))
				if diff := cmp.Diff(c.outcomes, outcomes(r)); diff != "" || r.Code != c.code {
					t.Errorf("code %d, want %d; outcomes (-want +got):\n%s", r.Code, c.code, diff)
				}
				if len(r.Changes.Apps) == 0 != (len(c.changes) == 0) {
					t.Errorf("the answer says that it has changed: %+v", r.Changes)
				}
				time.Sleep(time.Minute)
				after := w.pids()
				for name, pid := range before {
					if now, runs := after[name]; runs && (now != pid) != slices.Contains(c.replaced, name) {
						t.Errorf("%s: pid %d, then %d", name, pid, now)
					}
				}
				if again := w.wouldChange(c.now(w)); c.code == api.CodeDone && len(again) > 0 {
					t.Errorf("and then there are changes: %q", again)
				}
				w.quit()
			})
		})
	}
}

// pids are those of the workers that run, by name.
func (w *world) pids() map[string]int {
	all := map[string]int{}
	for worker := range w.s.Status().Workers() {
		if worker.Pid > 0 {
			all[worker.Name] = worker.Pid
		}
	}
	return all
}

// TestApplyTriesWhatWaits: what was in a worker's way may be mended although the files say
// the same; an apply of its app tries it at once, and says what has come of it.
func TestApplyTriesWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mended := false
		w := newWorld(t, func(l Launch) behaviour {
			if l.Process.Name == "bad" && !mended {
				return behaviour{fail: "permission denied"}
			}
			return healthy
		}, configured("web", 1), configured("bad", 2))
		now := func() Prepared { return w.faulty(nil, configured("web", 1), configured("bad", 2)) }
		time.Sleep(time.Hour)
		tries := w.expect(time.Minute, "a/bad.1", api.Backoff).Try
		if tries < 100 {
			t.Fatalf("%d tries", tries)
		}
		if got := w.wouldChange(now()); len(got) > 0 {
			t.Errorf("would change: %q", got)
		}
		wantAt := func(what string, code int, want ...string) {
			t.Helper()
			w.expect(0, "a/bad.1", api.Backoff)
			w.expect(0, "a/bad.2", api.Backoff)
			start := time.Now()
			r := w.applies(now())
			if diff := cmp.Diff(want, outcomes(r)); diff != "" || r.Code != code || len(r.Changes.Apps) > 0 {
				t.Errorf("%s: code %d (-want +got):\n%s", what, r.Code, diff)
			}
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("%s: after %s", what, took)
			}
		}
		wantAt("as it was", api.CodeNotStarted, "a/bad.1: tried at once: not started: permission denied", "a/bad.2: tried at once: not started: permission denied")
		if got := w.worker("a/bad.1").Try; got <= tries {
			t.Errorf("failures are forgotten: try %d, %d before", got, tries)
		}
		mended = true
		wantAt("mended", api.CodeDone, "a/bad.1: tried at once: started", "a/bad.2: tried at once: started")
		if r := w.applies(now()); len(r.Outcomes) > 0 {
			t.Errorf("nothing waits: %+v", r.Outcomes)
		}
		w.quit()
	})
}

// TestApplyWithoutWaitingTriesToo: also where nobody waits for the answer, as at SIGHUP.
func TestApplyWithoutWaitingTriesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mended := false
		w := newWorld(t, func(Launch) behaviour {
			if !mended {
				return behaviour{fail: "permission denied"}
			}
			return healthy
		}, configured("web", 1))
		time.Sleep(time.Hour)
		w.expect(time.Minute, "a/web.1", api.Backoff)
		mended = true
		reply := make(chan *api.Result, 1)
		w.in(func(o *Owner) {
			if err := o.ApplyFor(api.Request{Action: api.ActionApply, Detach: true}, w.faulty(nil, configured("web", 1)), reply); err != nil {
				t.Error(err)
			}
		})
		if diff := cmp.Diff([]string{"a/web.1: is tried at once"}, outcomes(<-reply)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		w.expect(3*time.Second, "a/web.1", api.Running)
		w.quit()
	})
}

// TestChangesOfWhatDoesNotRun: a stopped worker and one that has done its work stay as
// they are, and one that waits for another try is tried with what is new.
func TestChangesOfWhatDoesNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		once, crashing := configured("once", 1), configured("bad", 1)
		once.Restart, crashing.Command = configs.RestartNever, []string{"bad"}
		w := newWorld(t, func(l Launch) behaviour {
			switch l.Process.Command[0] {
			case "bad":
				return behaviour{fail: "no such file"}
			case "once":
				return behaviour{ready: time.Second, die: 2 * time.Second}
			}
			return healthy
		}, configured("web", 1), once, crashing)
		w.expect(10*time.Second, "a/once.1", api.Exited)
		w.do(api.ActionStop, false, "a/web")
		web, onceMore, mended := configured("web", 1), configured("once", 1), configured("bad", 1)
		web.Env, onceMore.Env = map[string]string{"A": "b"}, map[string]string{"A": "b"}
		onceMore.Restart, mended.Command = configs.RestartNever, []string{"mended"}
		now := w.faulty(nil, web, onceMore, mended)
		if diff := cmp.Diff([]string{"a changed", "a/web.1 stay STOPPED", "a/once.1 stay EXITED", "a/bad.1 start"}, w.wouldChange(now)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if r := w.applies(now); r.Code != api.CodeDone || len(r.Outcomes) != 1 {
			t.Errorf("%+v", r)
		}
		w.expect(time.Minute, "a/web.1", api.Stopped)
		w.expect(0, "a/once.1", api.Exited)
		w.expect(0, "a/bad.1", api.Running)
		w.quit()
	})
}

// TestApplyEndsScale: what somebody has asked for holds until the next apply, which says so.
func TestApplyEndsScale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 2))
		w.expect(5*time.Second, "a/web.2", api.Running)
		w.s.Do(t.Context(), api.Request{Action: api.ActionScale, Targets: []string{"a/web"}, Count: 3})
		same := w.faulty(nil, configured("web", 2))
		if diff := cmp.Diff([]string{"a changed", "a/web.3 stop"}, w.wouldChange(same)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		r := w.applies(same)
		if diff := cmp.Diff([]string{"a/web.3: stopped"}, outcomes(r)); diff != "" || !strings.Contains(r.Changes.Apps[0].Workers[0].Why, "scaled to 3") {
			t.Errorf("%+v (-want +got):\n%s", r.Changes, diff)
		}
		w.quit()
	})
}

// TestApplyWhatIsBehind: the same files once more are a change while what runs is
// another one.
func TestApplyWhatIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mended := false
		w := newWorld(t, commanded(&mended), withCommand("good", 1))
		w.expect(5*time.Second, "a/web.1", api.Running)
		bad := func() Prepared { return w.faulty(nil, withCommand("bad", 1)) }
		for range 2 {
			if diff := cmp.Diff([]string{"a changed", "a/web.1 replace"}, w.wouldChange(bad())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			r := w.applies(bad())
			if diff := cmp.Diff([]string{"a/web.1: not replaced: exited with code 3; the old worker goes on"}, outcomes(r)); diff != "" || r.Code != api.CodeRolledBack {
				t.Errorf("code %d (-want +got):\n%s", r.Code, diff)
			}
			w.wantBehind("a/web.1", "exited with code 3")
		}
		w.in(func(*Owner) { mended = true })
		if r := w.applies(bad()); r.Code != api.CodeDone {
			t.Errorf("%+v", r)
		}
		if got := w.wouldChange(bad()); got != nil {
			t.Errorf("changes %q", got)
		}
		w.quit()
	})
}

// TestApplyASocketThatIsTaken: what runs goes on where it is.
func TestApplyASocketThatIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy))
		prepared := func(listen string) Prepared {
			web := configured("web", 1)
			web.Sockets = []string{"http"}
			p := w.faulty(nil, web)
			s := configs.Socket{Spec: socket.Spec{Name: "http", Listen: listen}}
			p.Apps[0].Config.Sockets, p.Apps[0].Sockets = []configs.Socket{s}, map[string]configs.Socket{"a/http": s}
			return p
		}
		w.applies(prepared("tcp:127.0.0.1:80"))
		w.in(func(*Owner) { w.refuse = errors.New("address already in use") })
		r := w.applies(prepared("tcp:127.0.0.1:81"))
		if diff := cmp.Diff([]string{"a/web.1: not replaced: socket http: address already in use; the old worker goes on"}, outcomes(r)); diff != "" || r.Code != api.CodeRolledBack {
			t.Errorf("code %d (-want +got):\n%s", r.Code, diff)
		}
		w.wantBehind("a/web.1", "address already in use")
		w.quit()
	})
}

// TestApplyInARollout: an app that is being rolled out is applied afterwards, if its file
// has changed at all.
func TestApplyInARollout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, quick, always(healthy), configured("web", 2))
		f.expect(10*time.Second, "a/web.2", api.Running)
		reply := f.deploy(api.ActionDeploy, "2")
		apply := func() Prepared {
			one := f.prepared("1")
			return Prepared{Config: &configs.Config{Apps: []configs.App{*one.Config}}, Apps: []App{one}}
		}
		if got := f.wouldChange(apply()); got != nil {
			t.Errorf("changes %q", got)
		}
		f.processes = append(f.processes, configured("new", 1))
		if diff := cmp.Diff([]string{"a changed later"}, f.wouldChange(apply())); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		later := make(chan *api.Result, 1)
		f.in(func(o *Owner) {
			if err := o.ApplyFor(api.Request{Action: api.ActionApply, Timeout: time.Second}, apply(), later); err != nil {
				t.Error(err)
			}
		})
		if r := <-later; r.Code != api.CodeTimeout || len(r.Outcomes) != 1 {
			t.Errorf("%+v", r)
		}
		answer := make(chan *api.Result, 1)
		go func() { answer <- f.applies(apply()) }()
		f.wantResult(reply, api.CodeDone, "2 is active")
		select {
		case <-answer:
			t.Error("it is answered before it is applied")
		default:
		}
		changed := f.lastChange()
		if !changed.Postponed {
			t.Error("nobody is told that something was postponed")
		}
		again := f.prepared("2")
		f.applyPrepared(Prepared{Config: &configs.Config{Apps: []configs.App{*again.Config}}, Apps: []App{again}})
		r := <-answer
		if diff := cmp.Diff([]string{"a/new.1: started"}, outcomes(r)); diff != "" || r.Code != api.CodeDone || r.Changes.Apps[0].Deferred {
			t.Errorf("%+v (-want +got):\n%s", r, diff)
		}
		f.quit()
	})
}

// TestApplyAfterAPause: a rollout that a person has to decide on is not waited for.
func TestApplyAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := quick
		r.OnFailure = configs.OnFailurePause
		f := newFleet(t, r, perVersion(map[string]behaviour{"2": {ready: -1, die: time.Second, code: 3}}), configured("web", 2))
		f.expect(10*time.Second, "a/web.2", api.Running)
		f.deploy(api.ActionDeploy, "2")
		time.Sleep(time.Minute)
		f.processes = append(f.processes, configured("new", 1))
		one := f.prepared("1")
		got := f.applies(Prepared{Config: &configs.Config{Apps: []configs.App{*one.Config}}, Apps: []App{one}})
		if got.Code != api.CodeTimeout || len(got.Outcomes) != 1 {
			t.Errorf("%+v", got)
		}
		f.quit()
	})
}

// TestApplyWhatIsUnderWay: who asks for nothing more waits for what others have begun.
func TestApplyWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := false
		w := newWorld(t, commanded(&never), withCommand("good", 2))
		w.expect(5*time.Second, "a/web.2", api.Running)
		w.apply(withCommand("second", 2))
		time.Sleep(time.Millisecond)
		r := w.applies(w.faulty(nil, withCommand("second", 2)))
		if diff := cmp.Diff([]string{"a/web.1: replaced", "a/web.2: replaced"}, outcomes(r)); diff != "" || r.Code != api.CodeDone || !r.Changes.IsEmpty() {
			t.Errorf("%+v (-want +got):\n%s", r, diff)
		}
		w.wantCommands("second", 2)
		w.apply(withCommand("bad", 2))
		time.Sleep(time.Millisecond)
		if r := w.applies(w.faulty(nil, withCommand("bad", 2))); r.Code != api.CodeRolledBack {
			t.Errorf("%+v", r)
		}
		w.quit()
	})
}

// lastChange is the last one that the Supervisor was told of.
func (w *world) lastChange() (c Change) {
	w.in(func(*Owner) { c = w.changes[len(w.changes)-1] })
	return c
}

// TestApplyThatIsOvertaken: whoever waits hears of what others have asked for meanwhile.
func TestApplyThatIsOvertaken(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(w *world)
		code int
	}{
		"stop":  {func(w *world) { w.s.post(func(o *Owner) { o.eachSlot(func(s *slot) { s.Up = false; o.touch(s) }) }) }, api.CodeFailed},
		"apply": {func(w *world) { w.apply(withCommand("third", 1)) }, api.CodeDone},
		"gone":  {func(w *world) { w.apply(configured("other", 1)) }, api.CodeDone},
		"kill": {func(w *world) {
			victim := w.running()[0]
			w.in(func(*Owner) { victim.Signal(unix.SIGKILL) })
		}, api.CodeDone},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, always(healthy), configured("web", 1))
				w.expect(5*time.Second, "a/web.1", api.Running)
				reply := make(chan *api.Result, 1)
				w.in(func(o *Owner) {
					_ = o.ApplyFor(api.Request{Action: api.ActionApply, Timeout: time.Hour}, w.faulty(nil, withCommand("second", 1)), reply)
				})
				time.Sleep(time.Second)
				c.do(w)
				if r := <-reply; r.Code != c.code {
					t.Errorf("%+v", r)
				}
				w.quit()
			})
		})
	}
}
