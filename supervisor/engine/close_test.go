package engine

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"supd/configs"
	"supd/socket"
	"supd/supervisor/api"
	"supd/supervisor/release"
)

var errTaken = errors.New("address already in use")

// onSocket is a process that has the socket "web".
func onSocket(name string, count int) configs.Process {
	p := configured(name, count)
	p.Sockets = []string{"web"}
	return p
}

// closes is config with the socket "web", closed while nobody serves it.
func (w *world) closes(processes ...configs.Process) Prepared {
	return w.withSocket(configs.RefuseWhenStopped, processes...)
}

func (w *world) withSocket(when configs.WhenStopped, processes ...configs.Process) Prepared {
	p := w.config(configs.Rollout{Surge: configs.Surge{Workers: 1}}, processes...)
	p.Apps[0].Sockets = map[string]configs.Socket{"a/web": {Spec: socket.Spec{Name: "web", Listen: "tcp:127.0.0.1:80"}, WhenStopped: when}}
	if w.closing == nil {
		w.in(func(*Owner) { w.closing = map[string]bool{"a/web": true} })
	}
	return p
}

// isOpen reports whether the socket "web" is to be open.
func (w *world) isOpen() (open bool) {
	synctest.Wait()
	w.in(func(*Owner) { open = w.open["a/web"] != "" })
	return open
}

func (w *world) wantOpen(open bool, when string) {
	w.t.Helper()
	if w.isOpen() != open {
		w.t.Errorf("%s: the socket is open: %t", when, !open)
	}
}

func (w *world) refuses(err error) { w.in(func(*Owner) { w.refuse = err }) }

// TestSocketClosedWhileStopped: the socket is there while any worker is wished for that has
// it, from before its launch until it is told to stop.
func TestSocketClosedWhileStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := healthy
		slow.drain = 20 * time.Second
		w := newWorld(t, always(slow))
		once := onSocket("once", 1)
		once.Autostart, once.Restart = false, configs.RestartNever
		w.applyPrepared(w.closes(onSocket("web", 2), once, configured("other", 1)))
		w.expect(10*time.Second, "a/web.2", api.Running)
		w.wantOpen(true, "running")
		w.do(api.ActionStart, false, "a/once")
		w.do(api.ActionStop, false, "a/web")
		w.wantOpen(true, "a one-off has it")
		w.s.post(func(o *Owner) {
			o.Do(api.Request{Action: api.ActionStop, Targets: []string{"a/once"}}, make(chan *api.Result, 1))
		})
		w.expect(time.Second, "a/once.1", api.Stopping)
		w.wantOpen(false, "the last one drains")
		w.expect(time.Minute, "a/once.1", api.Stopped)
		w.wantOpen(false, "all are stopped")
		if r := w.do(api.ActionStart, false, "a/web.2"); r.Code != api.CodeDone {
			t.Errorf("start: %+v", r)
		}
		w.wantOpen(true, "one is started")
		w.do(api.ActionRestart, true, "a/web.2")
		w.wantOpen(true, "after a hard restart")
		w.applyPrepared(w.closes(onSocket("web", 0), once, configured("other", 1)))
		w.expect(time.Minute, "a/other.1", api.Running)
		w.wantOpen(false, "count is 0")
		w.applyPrepared(w.closes(onSocket("web", 1), once, configured("other", 1)))
		w.do(api.ActionStart, false, "a/web")
		w.wantOpen(true, "count is 1")
		w.in(func(o *Owner) { o.Damaged(Damage{Key: "a/web", ShutDown: true}) })
		w.settled()
		w.quit()
		if w.open["a/web"] == "" { // the owner has ended
			t.Error("supd's own end has closed the socket")
		}
	})
}

// TestSocketClosedAfterTheEnd: one that has ended for good is not waited for, one that is
// tried again is.
func TestSocketClosedAfterTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		b      behaviour
		change func(*configs.Process)
		last   api.State
		open   bool
	}{
		"done":    {behaviour{die: 5 * time.Second}, func(p *configs.Process) { p.Restart = configs.RestartNever }, api.Exited, false},
		"gave up": {behaviour{die: time.Millisecond, code: 1, ready: -1}, func(p *configs.Process) { p.GiveUpAfter = 3 }, api.Failed, false},
		"backoff": {behaviour{die: time.Millisecond, code: 1, ready: -1}, func(p *configs.Process) { p.Backoff.Initial = time.Hour; p.Backoff.Max = time.Hour }, api.Backoff, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, always(c.b))
				p := onSocket("web", 1)
				c.change(&p)
				w.applyPrepared(w.closes(p))
				w.expect(time.Minute, "a/web.1", c.last)
				w.wantOpen(c.open, name)
				w.quit()
			})
		})
	}
}

// TestSocketTakenMeanwhile: a port that somebody else has by now holds back those that
// need it, which is said, tried again and over.
func TestSocketTakenMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy))
		p := w.closes(onSocket("web", 2), configured("other", 1))
		w.applyPrepared(p)
		w.expect(10*time.Second, "a/web.2", api.Running)
		w.do(api.ActionStop, false, "a/web")
		w.refuses(errTaken)
		r := w.do(api.ActionStart, false, "a/web")
		if r.Code != api.CodeNotStarted || !strings.Contains(r.Outcomes[0].Message, errTaken.Error()) {
			t.Errorf("start: %+v", r)
		}
		got := w.expect(time.Second, "a/web.1", api.Backoff)
		if !strings.Contains(got.Note, errTaken.Error()) || got.NextStart == nil || got.AsWished {
			t.Errorf("status: %+v", got)
		}
		w.wantNote(errTaken.Error())
		w.expect(0, "a/other.1", api.Running)
		time.Sleep(time.Minute)
		if w.attempts() == 0 {
			t.Error("it is not tried again")
		}
		w.mends(w.closes(onSocket("web", 2), configured("other", 1)))
		w.expect(0, "a/web.1", api.Backoff)
		w.do(api.ActionStop, false, "a/web")
		w.wantNote("") // nobody wants it
		w.do(api.ActionStart, false, "a/web")
		w.wantNote(errTaken.Error())
		w.refuses(nil)
		if !w.mends(w.closes(onSocket("web", 2), configured("other", 1))) {
			t.Error("of no use")
		}
		w.expect(10*time.Second, "a/web.2", api.Running)
		w.wantNote("")
		w.settled()
		w.quit()
	})
}

// TestSocketWithoutAnOwner: that a stopped app's socket is closed is no reason to forget
// what is wrong with it.
func TestSocketWithoutAnOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy))
		w.applyPrepared(w.closes(onSocket("web", 1), configured("other", 1)))
		w.expect(10*time.Second, "a/web.1", api.Running)
		w.do(api.ActionStop, false, "a/web")
		p := w.closes(onSocket("web", 1), configured("other", 1))
		p.Apps[0].Closed, p.Apps[0].Sockets = map[string]error{"a/web": errNoUser}, nil
		w.applyPrepared(p)
		w.wantNote(errNoUser.Error())
		w.do(api.ActionStart, false, "a/web") // as it was, as with a socket that was open all the time
		w.wantNote(errNoUser.Error())
		w.do(api.ActionStop, false, "a/web")
		w.wantNote(errNoUser.Error())
		w.quit()
	})
}

// TestSocketOfWhoDrains: a worker that still drains may have the port. Its end is waited
// for, without a complaint.
func TestSocketOfWhoDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(l Launch) behaviour {
			b := healthy
			if l.Slot == 2 {
				b.drain = 20 * time.Second
			}
			return b
		})
		w.applyPrepared(w.closes(onSocket("web", 2)))
		w.expect(10*time.Second, "a/web.2", api.Running)
		w.s.post(func(o *Owner) {
			o.Do(api.Request{Action: api.ActionStop, Targets: []string{"a"}}, make(chan *api.Result, 1))
		})
		w.expect(5*time.Second, "a/web.1", api.Stopped)
		w.refuses(errTaken)
		done := make(chan *api.Result)
		go func() { done <- w.do(api.ActionStart, false, "a") }()
		time.Sleep(5 * time.Second)
		w.wantNote("")
		w.refuses(nil)
		if r := <-done; r.Code != api.CodeDone {
			t.Errorf("start: %+v", r)
		}
		w.settled()
		w.quit()
	})
}

// TestWhenStoppedApplied: a stopped app's socket is closed, or opened, as soon as that is
// what its file says.
func TestWhenStoppedApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy))
		p := w.withSocket(configs.QueueWhenStopped, onSocket("web", 2))
		w.applyPrepared(p)
		w.expect(10*time.Second, "a/web.2", api.Running)
		w.do(api.ActionStop, false, "a")
		w.wantOpen(true, "queue")
		w.applyPrepared(w.closes(onSocket("web", 2)))
		w.wantOpen(false, "refuse")
		w.applyPrepared(w.withSocket(configs.QueueWhenStopped, onSocket("web", 2)))
		w.wantOpen(true, "queue again")
		w.applyPrepared(w.closes(onSocket("web", 2)))
		w.applyPrepared(w.closes(configured("web", 2)))
		w.do(api.ActionStart, false, "a")
		w.wantOpen(false, "nobody has it")
		w.quit()
	})
}

// TestSocketOverTakeover: what is left open stays so until it is known what runs, and what
// was closed is.
func TestSocketOverTakeover(t *testing.T) {
	for name, became := range ways {
		for _, stopped := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, always(healthy))
					w.applyPrepared(w.closes(onSocket("web", 1), configured("other", 1)))
					w.expect(10*time.Second, "a/web.1", api.Running)
					if stopped {
						w.do(api.ActionStop, false, "a/web")
					}
					time.Sleep(time.Minute) // it is recorded
					w.ends(became)
					opened := false
					w.open, w.offered = nil, map[string]bool{"a/web": !stopped}
					w.takesOver(w.closes(onSocket("web", 1), configured("other", 1)), became, time.Second, func(*Owner) {
						opened = w.open["a/web"] != ""
						w.offered = nil // it is used
					})
					if opened == stopped {
						t.Errorf("opened at once: %t", opened)
					}
					w.wantOpen(!stopped, "after the takeover")
					if got := w.worker("a/web.1"); got.Generation != 1 {
						t.Errorf("it was launched again: %+v", got)
					}
					w.quit()
				})
			})
		}
	}
}

// TestFirstReleaseWithoutItsSocket: the first deploy of an app binds the socket; where that
// fails the rollout says so, and goes on when it can.
func TestFirstReleaseWithoutItsSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taken := true
		f := &fleet{newWorld(t, func(Launch) behaviour {
			if taken {
				return behaviour{fail: "socket web is not open: " + errTaken.Error()} // as the host does it
			}
			return healthy
		}), []configs.Process{onSocket("web", 1)}, quick}
		sockets := f.closes().Apps[0].Sockets
		prepare := func() App {
			one := f.prepared("1")
			one.Sockets = sockets
			return one
		}
		f.in(func(o *Owner) {
			one := App{Config: prepare().Config, Sockets: prepare().Sockets, Journal: f.journal("a")}
			one.State = release.State{Deployed: map[string]time.Time{}, Failed: map[string]release.Mark{}}
			if err := o.Apply(Prepared{Config: &configs.Config{Apps: []configs.App{*one.Config}}, Apps: []App{one}}); err != nil {
				t.Error(err)
			}
		})
		f.wantOpen(false, "no release is active")
		f.refuses(errTaken)
		f.wantResult(f.deployOf(api.ActionDeploy, f.prepared("1")), api.CodeNotStarted, errTaken.Error())
		f.in(func(*Owner) { f.refuse, taken = nil, false })
		f.mends(Prepared{Apps: []App{prepare()}})
		f.expect(time.Minute, "a/web.1", api.Running)
		f.wantOpen(true, "it runs")
		f.quit()
	})
}

// TestRandomHistoriesOfSocket: whatever happens, no worker is launched without its socket,
// and none is open in the end that nobody wants.
func TestRandomHistoriesOfSocket(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			random, others := rand.New(rand.NewPCG(seed, 7)), rand.New(rand.NewPCG(seed, 8))
			w := newWorld(t, func(Launch) behaviour {
				b := randomBehaviour(others)
				b.fail = ""
				return b
			})
			count := func() Prepared { return w.closes(onSocket("web", random.IntN(3)), onSocket("worker", random.IntN(2))) }
			w.applyPrepared(w.closes(onSocket("web", 2), onSocket("worker", 1)))
			for range 30 {
				switch random.IntN(8) {
				case 0:
					go w.do(api.ActionStart, false, "all")
				case 1, 2:
					go w.do(api.ActionStop, false, []string{"all", "a/web", "a/worker"}[random.IntN(3)])
				case 3:
					go w.do(api.ActionRestart, random.IntN(2) == 0, "a")
				case 4:
					w.refuses([]error{nil, errTaken}[random.IntN(2)])
				case 5:
					w.applyPrepared(count())
				case 6:
					w.in(func(o *Owner) {
						o.findApp("a").tries.pending = true
						o.Mend(o.config, w.closes(onSocket("web", 2), onSocket("worker", 1)).Apps[0])
					})
				case 7:
					go w.do(api.ActionStart, false, "a/web")
				}
				time.Sleep(time.Duration(random.Int64N(int64(10 * time.Second))))
				synctest.Wait()
				w.settled()
			}
			w.refuses(nil)
			w.applyPrepared(w.closes(onSocket("web", 2), onSocket("worker", 1)))
			w.do(api.ActionStop, false, "all")
			w.wantOpen(false, "all are stopped")
			w.wantNote("")
			w.quit()
			if t.Failed() {
				t.Logf("seed %d", seed)
			}
		})
		if t.Failed() {
			return
		}
	}
}
