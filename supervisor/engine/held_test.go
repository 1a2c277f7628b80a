package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/socket"
	"supd/supervisor/api"
)

var errNoUser = errors.New("user \"nobody-at-all\" does not exist")

// faulty is config with processes of which some cannot be started.
func (w *world) faulty(faults map[string]error, processes ...configs.Process) Prepared {
	p := w.config(configs.Rollout{Surge: configs.Surge{Workers: 1}}, processes...)
	p.Apps[0].Faults = faults
	for name := range faults {
		delete(p.Apps[0].Revisions, name)
	}
	return p
}

// mends is what the Supervisor does for an app that is to be prepared again: it gives
// what is prepared for the configuration that is applied.
func (w *world) mends(p Prepared) (ok bool) {
	w.in(func(o *Owner) {
		o.findApp("a").tries.pending = true
		ok = o.Mend(o.config, p.Apps[0])
	})
	synctest.Wait()
	return ok
}

// attempts are those that were asked for.
func (w *world) attempts() (n int) {
	w.in(func(*Owner) { n = w.retries })
	return n
}

// wantNote wants a sentence in the app's note, or none.
func (w *world) wantNote(words string) {
	w.t.Helper()
	note := w.s.Status().Apps[0].Note
	if words == "" && note != "" || !strings.Contains(note, words) {
		w.t.Errorf("note %q, want %q", note, words)
	}
}

// TestHeldProcess: one that cannot be started holds back no other, is tried again with
// growing delays, and starts when it can.
func TestHeldProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 2))
		web, worker := configured("web", 2), configured("worker", 2)
		w.applyPrepared(w.faulty(map[string]error{"worker": errNoUser}, web, worker))
		got := w.expect(5*time.Second, "a/worker.2", api.Backoff)
		if got.NextStart == nil || !strings.Contains(got.Note, errNoUser.Error()) {
			t.Errorf("status %+v", got)
		}
		w.expect(5*time.Second, "a/web.2", api.Running)
		w.wantNote(errNoUser.Error())
		if r := w.do(api.ActionStart, false, "a/worker.1"); r.Code != api.CodeNotStarted || !strings.Contains(r.Outcomes[0].Message, errNoUser.Error()) {
			t.Errorf("start: %+v", r)
		}
		for range 20 { // each is in vain
			time.Sleep(time.Minute)
			before := w.attempts()
			w.mends(w.faulty(map[string]error{"worker": errNoUser}, web, worker))
			time.Sleep(time.Minute)
			if now := w.attempts(); now != before+1 {
				t.Fatalf("%d retries after %d", now, before)
			}
		}
		if !w.mends(w.faulty(nil, web, worker)) {
			t.Error("not mended")
		}
		w.expect(5*time.Second, "a/worker.2", api.Running)
		w.wantNote("")
		if got := w.worker("a/web.1"); got.Generation != 1 {
			t.Errorf("another worker was replaced: %+v", got)
		}
		before := w.attempts()
		time.Sleep(time.Hour)
		if w.attempts() != before {
			t.Error("it is tried again")
		}
		w.quit()
	})
}

// TestHeldAtAReload: what runs goes on as it was, and follows when it can.
func TestHeldAtAReload(t *testing.T) {
	for _, strategy := range []configs.Strategy{configs.StrategySurge, configs.StrategyReplace} {
		t.Run(string(strategy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, always(healthy), configured("web", 2))
				prepared := func(fault error, command string) Prepared {
					c := configured("web", 2)
					c.Command = []string{command}
					p := w.faulty(nil, c)
					if fault != nil {
						p = w.faulty(map[string]error{"web": fault}, c)
					}
					p.Apps[0].Config.Rollout.Strategy = strategy
					return p
				}
				w.expect(5*time.Second, "a/web.2", api.Running)
				w.applyPrepared(prepared(errNoUser, "other"))
				w.wantNote(errNoUser.Error())
				time.Sleep(time.Hour)
				victim := w.running()[0]
				w.in(func(*Owner) { victim.Signal(unix.SIGKILL) })
				w.expect(5*time.Second, "a/web.1", api.Running)
				for _, p := range w.running() {
					if p.launch.Process.Command[0] != "web" {
						t.Errorf("%s runs %s", p.launch.Name(), p.launch.Process.Command)
					}
				}
				w.mends(prepared(nil, "other"))
				time.Sleep(time.Minute)
				w.wantNote("")
				for _, p := range w.running() {
					if p.launch.Process.Command[0] != "other" {
						t.Errorf("%s runs %s", p.launch.Name(), p.launch.Process.Command)
					}
				}
				w.quit()
			})
		})
	}
}

// TestHeldSocket: a socket that cannot be opened holds back those who accept from it,
// and leaves the one that it had.
func TestHeldSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("other", 1))
		prepared := func(listen string) Prepared {
			web := configured("web", 1)
			web.Sockets = []string{"http"}
			p := w.faulty(nil, web, configured("other", 1))
			p.Apps[0].Sockets = map[string]configs.Socket{"a/http": {Spec: socket.Spec{Name: "http", Listen: listen}}}
			return p
		}
		taken := errors.New("address already in use")
		w.in(func(*Owner) { w.refuse = taken })
		w.applyPrepared(prepared("tcp:127.0.0.1:80"))
		got := w.expect(5*time.Second, "a/web.1", api.Backoff)
		w.expect(5*time.Second, "a/other.1", api.Running)
		w.wantNote(taken.Error())
		if note := w.s.Status().Apps[0].Note; got.Note != "socket http: "+taken.Error() || note != got.Note {
			t.Errorf("the worker says %q, its app %q", got.Note, note)
		}
		w.in(func(*Owner) { w.refuse = nil })
		w.mends(prepared("tcp:127.0.0.1:80"))
		w.expect(5*time.Second, "a/web.1", api.Running)
		w.wantNote("")

		w.in(func(*Owner) { w.refuse = taken })
		w.applyPrepared(prepared("tcp:127.0.0.1:81"))
		time.Sleep(time.Minute)
		w.wantNote(taken.Error())
		if got := w.worker("a/web.1"); got.State != api.Running || got.Generation != 1 {
			t.Errorf("status %+v", got)
		}
		w.in(func(*Owner) { w.refuse = nil })
		w.mends(prepared("tcp:127.0.0.1:81"))
		time.Sleep(time.Minute)
		if got := w.worker("a/web.1"); got.State != api.Running || got.Generation != 2 {
			t.Errorf("its worker does not have the new socket: %+v", got)
		}
		w.quit()
	})
}

// TestHeldTakenOver: living workers are taken over in any case, are not started again
// meanwhile, and go on as what they are when that is known.
func TestHeldTakenOver(t *testing.T) {
	for name, held := range map[string]func(*world, Prepared) Prepared{
		"process": func(w *world, p Prepared) Prepared {
			return w.faulty(map[string]error{"web": errNoUser}, p.Apps[0].Config.Processes...)
		},
		"app": func(w *world, p Prepared) Prepared {
			p.Apps[0].Revisions, p.Apps[0].Trouble = nil, errNoUser
			p.Apps[0].Config.Processes = nil // it may be the release that has them
			return p
		},
		"invalid": func(w *world, p Prepared) Prepared {
			p.Apps[0].Revisions, p.Apps[0].Trouble, p.Apps[0].Invalid = nil, errNoUser, true
			p.Apps[0].Config.Processes = nil
			return p
		},
	} {
		for way, became := range ways {
			t.Run(name+" "+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					process := func() configs.Process {
						c := configured("web", 3)
						c.Health.Failures = 1
						return c
					}
					w := newWorld(t, always(healthy), process())
					w.expect(5*time.Second, "a/web.3", api.Running)
					before := w.running()
					slices.SortFunc(before, func(a, b *proc) int { return a.launch.Slot - b.launch.Slot })
					w.ends(became)
					w.takesOver(held(w, w.faulty(nil, process())), became, time.Second, nil)
					w.wantNote(errNoUser.Error())
					if r := w.do(api.ActionRestart, true, "a/web.2"); r.Code != api.CodeNotStarted {
						t.Errorf("restart: %+v", r)
					}
					w.in(func(*Owner) { w.die(before[0], Exit{Pid: before[0].id, Code: 1}) })
					time.Sleep(time.Hour)
					if got := w.running(); len(got) != 2 || !slices.Contains(got, before[1]) || !slices.Contains(got, before[2]) {
						t.Fatalf("%d run", len(got))
					}
					w.do(api.ActionStop, false, "a/web.3")
					if name == "invalid" {
						if got := w.s.Status().Apps[0].State; got != api.Invalid || w.attempts() > 0 {
							t.Errorf("state %s, %d retries", got, w.attempts())
						}
						w.applyPrepared(w.faulty(nil, process()))
					} else {
						w.mends(w.faulty(nil, process()))
					}
					w.expect(10*time.Second, "a/web.1", api.Running)
					w.expect(time.Second, "a/web.3", api.Stopped)
					w.wantNote("")
					joined := 0
					w.in(func(*Owner) { joined = w.joined })
					if got := w.running(); len(got) != 2 || !slices.Contains(got, before[1]) || joined != 1 {
						t.Errorf("%d run, %d joined", len(got), joined)
					}
					w.quit()
				})
			})
		}
	}
}

// TestSentence: a table has a line for each worker.
func TestSentence(t *testing.T) {
	if got := sentence(errors.Join(errors.New("a"), errors.Join(errors.New("b"), errors.New("c")))); got != "a; b; c" {
		t.Errorf("%q", got)
	}
}
