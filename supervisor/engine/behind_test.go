package engine

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"supd/configs"
	"supd/socket"
	"supd/supervisor/api"
)

// commanded gives the workers of the command "bad" an end with code 3, as long as that
// is not mended, and all others health.
func commanded(mended *bool) func(Launch) behaviour {
	return func(l Launch) behaviour {
		if l.Process.Command[0] == "bad" && !*mended {
			return behaviour{ready: -1, die: time.Second, code: 3}
		}
		return healthy
	}
}

func withCommand(command string, count int) configs.Process {
	p := configured("web", count)
	p.Command = []string{command}
	return p
}

// wantCommands wants so many workers, all of a command.
func (w *world) wantCommands(command string, count int) {
	w.t.Helper()
	running := w.running()
	for _, p := range running {
		if p.launch.Process.Command[0] != command {
			w.t.Errorf("%s runs %s, want %s", p.launch.Name(), p.launch.Process.Command, command)
		}
	}
	if len(running) != count {
		w.t.Errorf("%d processes run, want %d", len(running), count)
	}
}

// wantBehind wants a worker that runs, and is behind since why; "" is not at all.
func (w *world) wantBehind(name, why string) *api.Behind {
	w.t.Helper()
	got := w.expect(0, name, api.Running).Behind
	switch {
	case why == "" && got != nil:
		w.t.Errorf("%s is behind: %+v", name, got)
	case why != "" && (got == nil || !strings.Contains(got.Why, why)):
		w.t.Errorf("%s: behind %+v, want %q", name, got, why)
	}
	return got
}

// TestBehind: what runs is shown to be another configuration than the one that was
// applied, and apply and restart try that.
func TestBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mended := false
		w := newWorld(t, commanded(&mended), withCommand("good", 2))
		first := time.Now()
		w.expect(5*time.Second, "a/web.2", api.Running)
		w.wantBehind("a/web.1", "")
		stop := w.watchReady("web", 2)
		time.Sleep(time.Hour)

		launches := 0 // so far
		tried := func(what string) {
			t.Helper()
			time.Sleep(time.Minute)
			w.wantCommands("good", 2)
			for _, name := range []string{"a/web.1", "a/web.2"} {
				if b := w.wantBehind(name, "exited with code 3"); b != nil && (b.AppliedAt == nil || !b.AppliedAt.Equal(first)) {
					t.Errorf("after %s: configuration of %v, want %v", what, b.AppliedAt, first)
				}
			}
			if now := len(w.procs); now <= launches {
				t.Errorf("%s does not try what is configured", what)
			} else {
				launches = now
			}
		}
		w.apply(withCommand("bad", 2))
		tried("the first apply")
		time.Sleep(time.Hour)
		if now := len(w.procs); now != launches {
			t.Errorf("it is tried %d times without being asked for", now-launches)
		}
		w.apply(withCommand("bad", 2))
		tried("another apply")
		for _, target := range []string{"a/web.2", "a"} {
			if r := w.do(api.ActionRestart, false, target); r.Code != api.CodeNotStarted {
				t.Errorf("restart %s: %+v", target, r)
			}
			tried("restart " + target)
		}
		w.in(func(*Owner) { mended = true })
		if r := w.do(api.ActionRestart, false, "a/web.2"); r.Code != api.CodeDone {
			t.Errorf("restart: %+v", r)
		}
		w.wantBehind("a/web.1", "exited with code 3")
		w.wantBehind("a/web.2", "")
		w.apply(withCommand("bad", 2))
		time.Sleep(time.Minute)
		stop()
		w.wantCommands("bad", 2)
		w.wantBehind("a/web.1", "")
		w.wantBehind("a/web.2", "")
		w.quit()
	})
}

// TestBehindBack: the old configuration once more is what runs, and nothing is replaced
// but what had got as far as the new one.
func TestBehindBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mended := false
		w := newWorld(t, commanded(&mended), withCommand("good", 1))
		w.expect(5*time.Second, "a/web.1", api.Running)
		w.apply(withCommand("bad", 1))
		time.Sleep(time.Minute)
		w.wantBehind("a/web.1", "exited with code 3")
		launches := len(w.procs)
		w.apply(withCommand("good", 1))
		time.Sleep(time.Minute)
		w.wantBehind("a/web.1", "")
		w.wantCommands("good", 1)
		if n := len(w.procs); n != launches {
			t.Error("what runs is replaced by the same")
		}
		w.quit()
	})
}

// TestLastExitIsOfWhatRan: a replacement that failed says nothing of why the worker that goes
// on was started anew before.
func TestLastExitIsOfWhatRan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mended, crashes := false, true
		w := newWorld(t, func(l Launch) behaviour {
			if l.Process.Command[0] == "good" && crashes {
				crashes = false
				return behaviour{ready: time.Second, die: 2 * time.Second, code: 1}
			}
			return commanded(&mended)(l)
		}, withCommand("good", 2))
		names := []string{"a/web.1", "a/web.2"}
		wantLast := func(after string) {
			t.Helper()
			for _, name := range names {
				got := w.expect(0, name, api.Running)
				if want := got.Restarts == 1; want != (got.LastExit != nil) || want && got.LastExit.Code != 1 {
					t.Errorf("after %s: %s has %d restarts, last: %+v", after, name, got.Restarts, got.LastExit)
				}
			}
		}
		time.Sleep(time.Minute)
		wantLast("a crash")
		w.apply(withCommand("bad", 2))
		time.Sleep(time.Minute)
		w.wantBehind("a/web.1", "exited with code 3")
		wantLast("a replacement that failed")
		w.apply(withCommand("good", 2))
		time.Sleep(time.Minute)
		w.wantBehind("a/web.1", "")
		wantLast("the file was mended")
		w.quit()
	})
}

// TestStartOfWhatIsBehind: a stopped slot starts what is configured.
func TestStartOfWhatIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mended := false
		w := newWorld(t, commanded(&mended), withCommand("good", 1))
		w.expect(5*time.Second, "a/web.1", api.Running)
		w.apply(withCommand("bad", 1))
		time.Sleep(time.Minute)
		w.wantBehind("a/web.1", "exited with code 3")
		w.do(api.ActionStop, false, "a")
		if r := w.do(api.ActionStart, false, "a"); r.Code != api.CodeNotStarted {
			t.Errorf("start: %+v", r)
		}
		w.in(func(*Owner) { mended = true })
		w.do(api.ActionStart, false, "a")
		w.expect(time.Minute, "a/web.1", api.Running)
		w.wantCommands("bad", 1)
		w.quit()
	})
}

// TestBehindWhatCannotBeStarted: a configuration that cannot even be prepared leaves what
// runs, which says so, and restart does not restart that.
func TestBehindWhatCannotBeStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), withCommand("good", 1))
		w.expect(5*time.Second, "a/web.1", api.Running)
		held := w.faulty(map[string]error{"web": errNoUser}, withCommand("other", 1))
		w.applyPrepared(held)
		w.wantBehind("a/web.1", errNoUser.Error())
		r := w.do(api.ActionRestart, false, "a")
		if r.Code != api.CodeNotStarted || !strings.Contains(r.Outcomes[0].Message, errNoUser.Error()) {
			t.Errorf("restart: %+v", r)
		}
		w.wantCommands("good", 1)
		w.mends(w.faulty(nil, withCommand("other", 1)))
		time.Sleep(time.Minute)
		w.wantBehind("a/web.1", "")
		w.wantCommands("other", 1)

		w.applyPrepared(w.faulty(map[string]error{"web": errNoUser}, withCommand("other", 1)))
		w.wantBehind("a/web.1", "") // it is the same
		w.quit()
	})
}

// TestBehindItsSocket: a worker that accepts where nobody connects any more is behind,
// too.
func TestBehindItsSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := false
		w := newWorld(t, func(Launch) behaviour {
			if fails {
				return behaviour{fail: "no such file"}
			}
			return healthy
		})
		apply := func(listen string) {
			web := configured("web", 1)
			web.Sockets = []string{"http"}
			p := w.faulty(nil, web)
			p.Apps[0].Sockets = map[string]configs.Socket{"a/http": {Spec: socket.Spec{Name: "http", Listen: listen}}}
			w.applyPrepared(p)
			time.Sleep(time.Minute)
		}
		apply("tcp:127.0.0.1:80")
		w.wantBehind("a/web.1", "")
		w.in(func(*Owner) { fails = true })
		apply("tcp:127.0.0.1:81")
		w.wantBehind("a/web.1", "no such file")
		w.in(func(*Owner) { fails = false })
		apply("tcp:127.0.0.1:81")
		if got := w.wantBehind("a/web.1", ""); got != nil || w.worker("a/web.1").Generation < 2 {
			t.Error("it has the old socket")
		}
		w.quit()
	})
}

// TestBehindTakenOver: the next supd tries once, and knows since when the old
// configuration runs.
func TestBehindTakenOver(t *testing.T) {
	for way, became := range ways {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mended := false
				w := newWorld(t, commanded(&mended), withCommand("good", 1))
				first := time.Now()
				w.expect(5*time.Second, "a/web.1", api.Running)
				w.apply(withCommand("bad", 1))
				time.Sleep(time.Minute)
				w.ends(became)
				w.takesOver(w.faulty(nil, withCommand("bad", 1)), became, time.Second, nil)
				time.Sleep(time.Minute)
				if b := w.wantBehind("a/web.1", "exited with code 3"); b != nil && (b.AppliedAt == nil || !b.AppliedAt.Equal(first)) {
					t.Errorf("configuration of %v, want %v", b.AppliedAt, first)
				}
				w.in(func(*Owner) { mended = true })
				w.apply(withCommand("bad", 1))
				time.Sleep(time.Minute)
				w.wantBehind("a/web.1", "")
				w.wantCommands("bad", 1)
				w.quit()
			})
		})
	}
}

// TestUndoOfWhatIsBehind: a release that fails gives way to what has served before, and
// not to the configuration that has failed already.
func TestUndoOfWhatIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, quick, func(l Launch) behaviour {
			if l.Process.Command[0] == "bad" {
				return behaviour{ready: -1, die: time.Second, code: 3}
			}
			return healthy
		}, withCommand("good", 2))
		f.expect(10*time.Second, "a/web.2", api.Running)
		f.processes = []configs.Process{withCommand("bad", 2)}
		one := f.prepared("1")
		f.applyPrepared(Prepared{Config: &configs.Config{Apps: []configs.App{*one.Config}}, Apps: []App{one}})
		time.Sleep(time.Minute)
		f.wantBehind("a/web.2", "exited with code 3")
		stop := f.watchReady("web", 2)
		f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeRolledBack, "exited with code 3")
		stop()
		f.wantServing("1", 2)
		f.wantCommands("good", 2)
		f.wantBehind("a/web.2", "exited with code 3")
		f.quit()
	})
}

// TestTreated: what only says how workers are treated holds for each of them at once,
// also where one was restarted alone, and where one is being launched.
func TestTreated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := healthy
		slow.launch = time.Second
		w := newWorld(t, always(slow), configured("web", 3))
		w.expect(10*time.Second, "a/web.3", api.Running)
		w.do(api.ActionRestart, false, "a/web.2")
		launches := len(w.procs)
		change := func(change func(*configs.Process)) {
			p := configured("web", 3)
			change(&p)
			w.apply(p)
		}
		treated := func() (n int) {
			w.in(func(*Owner) { n = w.treated })
			return n
		}
		change(func(p *configs.Process) { p.Line = 7 })
		if n := treated(); n != 0 {
			t.Errorf("%d workers were told, and nothing has changed", n)
		}
		changed := func(p *configs.Process) { p.Health = configs.Health{HTTP: "/", Failures: 9} }
		change(changed)
		if n := treated(); n != 3 {
			t.Errorf("%d workers were told, want 3", n)
		}
		time.Sleep(time.Minute)
		if n := len(w.procs); n != launches {
			t.Errorf("%d workers were launched", n-launches)
		}
		victim := w.running()[0]
		w.in(func(*Owner) { w.die(victim, Exit{Pid: victim.id, Code: 1}) })
		time.Sleep(slow.launch / 2)
		change(func(p *configs.Process) { p.Log.File = "/other" })
		if n := treated(); n != 5 {
			t.Errorf("%d workers were told, want 2 more", n)
		}
		time.Sleep(time.Minute)
		if n := treated(); n != 6 {
			t.Errorf("%d workers were told, want the one that was being launched", n)
		}
		for _, p := range w.running() {
			if p.launch.Process.Log.File != "/other" {
				t.Errorf("%s writes to %q", p.launch.Name(), p.launch.Process.Log.File)
			}
		}
		w.quit()
	})
}

// TestTreatedWhileIll: a worker is not replaced by what a question has said that is not
// asked any more.
func TestTreatedWhileIll(t *testing.T) {
	for name, c := range map[string]struct {
		ill  func(*Owner, *worker)
		want api.State
	}{
		"health":   {func(o *Owner, w *worker) { o.ill(w, "no answer") }, api.Running},
		"watchdog": {(*Owner).expired, api.Unhealthy},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slow, p := healthy, configured("web", 1)
				slow.launch = 10 * time.Second
				if name == "watchdog" {
					p.Watchdog = time.Hour
				}
				w := newWorld(t, always(slow), p)
				pid := w.expect(20*time.Second, "a/web.1", api.Running).Pid
				w.in(func(o *Owner) { c.ill(o, o.findApp("a").processes[0].slots[0].workers[0]) })
				w.expect(time.Second, "a/web.1", api.Unhealthy)
				p.Health = configs.Health{HTTP: "/other", Failures: 9}
				w.apply(p)
				if got := w.expect(time.Second, "a/web.1", c.want); got.Pid != pid {
					t.Errorf("status %+v", got)
				}
				if got := w.expect(time.Minute, "a/web.1", api.Running); (got.Pid == pid) != (c.want == api.Running) {
					t.Errorf("later: %+v", got)
				}
				w.quit()
			})
		})
	}
}
