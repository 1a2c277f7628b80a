package engine

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/record"
	"supd/supervisor/release"
)

// Adopt is the world's part in a takeover.
func (w *world) Adopt(l Launch, saved *record.Worker, starting bool) Handle {
	p := w.procOf(saved.Pid)
	p.world, p.launch, p.adopted = w, l, saved.Adopted
	p.sent = slices.Clone(saved.Sent) // what this supd knows of
	if starting {
		w.asks(p)
	}
	h := p.handle()
	h.Record = saved.Process
	return h
}

// killed ends supd as SIGKILL does: what was recorded last is what the next one finds.
func (w *world) killed() {
	gone := make(chan struct{})
	w.s.post(func(*Owner) {
		w.leave()
		for _, p := range w.procs { // init is their parent from now on, and reaps
			p.adopted, p.reaped = true, p.dead
		}
		w.dead = nil
		close(gone)
		runtime.Goexit()
	})
	<-gone
}

// replaced ends supd as execve does: all comes to rest, and is recorded.
func (w *world) replaced() {
	gone := make(chan struct{})
	w.s.post(func(o *Owner) {
		o.Freeze(func() {
			w.writer.Write(o.Record())
			w.leave()
			close(gone)
			runtime.Goexit()
		})
	})
	<-gone
}

func (w *world) leave() {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.owner = nil
}

// found is what the next supd finds, and which of its workers live.
func (w *world) found(became bool) (slots []record.Slot) {
	r, err := record.Read(w.writer.Path, w.writer.Boot)
	if err != nil {
		w.t.Fatal(err)
	}
	if r != nil {
		slots = r.Slots
	}
	recorded := map[int]bool{}
	for i := range slots {
		for k := range slots[i].Workers {
			one := &slots[i].Workers[k]
			recorded[one.Pid] = true
			one.Alive = !w.procOf(one.Pid).dead
			one.Adopted = one.Adopted || !became || w.procOf(one.Pid).reaped
		}
	}
	for _, p := range w.procs {
		if !p.dead && !recorded[p.id] {
			slots = w.unrecorded(slots, p, r == nil)
		}
	}
	return slots
}

// unrecorded adds a worker that is found by the note of its launch.
func (w *world) unrecorded(slots []record.Slot, p *proc, lost bool) []record.Slot {
	i := slices.IndexFunc(slots, func(s record.Slot) bool { return s.Name() == p.launch.Name() })
	if i < 0 {
		one := record.Slot{App: p.launch.App, Process: p.launch.Process.Name, Number: p.launch.Slot}
		one.Up = true
		slots, i = append(slots, one), len(slots)
	}
	one := record.Worker{Found: record.Found{Lost: lost, Alive: true, UID: 1000}}
	one.State, one.Generation, one.Launched = api.Starting, p.launch.Generation, p.started
	one.Pid, one.Identity.Start, one.Adopted = p.id, uint64(p.id), true
	if p.launch.Release != nil {
		one.Version = p.launch.Release.Name
	}
	slots[i].Generation = max(slots[i].Generation, one.Generation)
	slots[i].Workers = append(slots[i].Workers, one)
	return slots
}

// takesOver starts the next supd after some time, and looks whether it knows every
// worker once and leaves it alone.
func (w *world) takesOver(p Prepared, became bool, downtime time.Duration, unfinished func(*Owner)) {
	w.t.Helper()
	time.Sleep(downtime)
	synctest.Wait()
	for _, f := range w.missed {
		f()
	}
	w.missed = nil
	o := w.newOwner()
	if err := o.Apply(p); err != nil {
		w.t.Fatal(err)
	}
	w.lock.Lock()
	w.owner = o
	w.lock.Unlock()
	if unfinished != nil {
		unfinished(o)
	}
	old := func(*record.Worker, *configs.Process) Program { return w }
	signals, launches := w.signals, len(w.procs)
	o.TakeOver(Predecessor{Slots: w.found(became), Program: old})
	if w.signals != signals || len(w.procs) != launches {
		w.t.Errorf("the takeover itself has sent %d signals and started %d processes", w.signals-signals, len(w.procs)-launches)
	}
	known := map[int]int{}
	o.eachSlot(func(s *slot) {
		for _, worker := range s.workers {
			known[worker.Pid]++
		}
	})
	for _, p := range w.procs {
		if want := 1; !p.dead && known[p.id] != want {
			w.t.Errorf("%s, pid %d, is known %d times after the takeover", p.launch.Name(), p.id, known[p.id])
		}
	}
	w.run()
	w.s.post((*Owner).ChildDied) // as Supervisor.Run does
}

// ways are how one supd follows another.
var ways = map[string]bool{"killed": false, "reexec": true}

func (w *world) ends(became bool) {
	if became {
		w.replaced()
	} else {
		w.killed()
	}
}

// TestTakeOver: nobody notices that another supd is there.
func TestTakeOver(t *testing.T) {
	for name, became := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				web, worker := configured("web", 3), configured("worker", 1)
				worker.After = []string{"web"}
				w := newWorld(t, always(healthy), web, worker)
				w.expect(time.Minute, "a/worker.1", api.Running)
				w.do(api.ActionStop, false, "a/web.3")
				before := w.running()
				w.ends(became)
				w.takesOver(w.config(configs.Rollout{Surge: configs.Surge{Workers: 1}}, web, worker), became, time.Second, nil)
				w.expect(time.Hour, "a/web.1", api.Running)
				w.expect(0, "a/web.3", api.Stopped)
				if after := w.running(); !slices.Equal(before, after) {
					t.Errorf("%d processes ran before, and %d others now", len(before), len(after))
				}
				for _, p := range before {
					if len(p.sent) > 0 {
						t.Errorf("%s gets %v", p.launch.Name(), p.sent)
					}
				}
				victim := before[slices.IndexFunc(before, func(p *proc) bool { return p.launch.Name() == "a/web.1" })]
				w.in(func(*Owner) { w.die(victim, Exit{Pid: victim.id, Code: 7}) })
				got := w.expect(10*time.Second, "a/web.1", api.Running)
				if got.Generation != 2 || got.Restarts != 1 {
					t.Errorf("after its death: %+v", got)
				}
				w.quit()
			})
		})
	}
}

// TestDeadMeanwhile: what ended while no supd was there is started again, and what
// was to stop is no more.
func TestDeadMeanwhile(t *testing.T) {
	for name, became := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slow := healthy
				slow.drain = 20 * time.Second
				web := configured("web", 2)
				w := newWorld(t, always(slow), web)
				w.expect(time.Minute, "a/web.2", api.Running)
				go w.do(api.ActionStop, false, "a/web.2")
				time.Sleep(10 * time.Second)
				all := w.running()
				victim := all[slices.IndexFunc(all, func(p *proc) bool { return p.launch.Name() == "a/web.1" })]
				w.ends(became)
				w.happens(time.Second, func() { w.die(victim, Exit{Pid: victim.id, Code: 3}) })
				w.takesOver(w.config(configs.Rollout{Surge: configs.Surge{Workers: 1}}, web), became, 5*time.Second, nil)
				got := w.expect(10*time.Second, "a/web.1", api.Running)
				if got.Generation != 2 || got.LastExit == nil {
					t.Errorf("worker %+v", got)
				}
				if code := got.LastExit.Code; became && code != 3 || !became && code != -1 {
					t.Errorf("it ended with code %d", code)
				}
				w.expect(20*time.Second, "a/web.2", api.Stopped)
				w.quit()
			})
		})
	}
}

// TestLostJournal: the release that workers run is the active one.
func TestLostJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, quick, always(healthy), configured("web", 2))
		f.expect(5*time.Second, "a/web.2", api.Running)
		before := f.running()
		f.killed()
		one := f.prepared("1")
		bare := App{Config: one.Config, Journal: f.journal("a"), State: release.State{}.Clone()}
		o := f.newOwner()
		if err := o.Apply(Prepared{Config: &configs.Config{Apps: []configs.App{*one.Config}}, Apps: []App{bare}}); err != nil {
			t.Fatal(err)
		}
		f.lock.Lock()
		f.owner = o
		f.lock.Unlock()
		o.TakeOver(Predecessor{Slots: f.found(false), Lost: map[string]Lost{"a": {App: one}}})
		f.run()
		f.wantServing("1", 2)
		if after := f.running(); !slices.Equal(before, after) {
			t.Errorf("other processes run than before")
		}
		if s := f.state(); s.Active != "1" || s.Place == nil {
			t.Errorf("state %+v", s)
		}
		f.quit()
	})
}

// next is the supd that follows, with what is journaled.
func (f *fleet) next(became bool, downtime time.Duration) {
	state := release.State{Active: "1"}.Clone()
	if all := f.journals["a"]; len(all) > 0 {
		state = all[len(all)-1].Clone()
	}
	one := f.prepared(state.Active)
	one.State, one.Journal = state, f.journal("a")
	p := Prepared{Config: &configs.Config{Apps: []configs.App{*one.Config}}, Apps: []App{one}}
	f.takesOver(p, became, downtime, func(o *Owner) {
		if state.Rollout != nil {
			o.Unfinished("a", true, f.prepared(state.Rollout.To), nil)
		}
	})
}

// TestTakeOverInARollout: at each moment of a rollout, whether it is good or not,
// another supd goes on with it, and so many workers as configured stay ready.
func TestTakeOverInARollout(t *testing.T) {
	for name, became := range ways {
		for version, b := range map[string]behaviour{
			"good":        healthy,
			"never ready": {launch: time.Millisecond, ready: -1, drain: time.Second},
		} {
			for at := 100 * time.Millisecond; at < 30*time.Second; at += 1700 * time.Millisecond {
				t.Run(name+" "+version+" "+at.String(), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { takeOverAt(t, became, b, at) })
				})
			}
		}
	}
}

func takeOverAt(t *testing.T, became bool, b behaviour, at time.Duration) {
	r := quick
	r.Smoke = "/healthz"
	f := newFleet(t, r, perVersion(map[string]behaviour{"2": b}), configured("web", 3))
	f.expect(10*time.Second, "a/web.3", api.Running)
	f.deploy(api.ActionDeploy, "2")
	time.Sleep(at)
	synctest.Wait()
	f.ends(became)
	f.next(became, 10*time.Millisecond)
	for range 600 {
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		ready := 0
		f.in(func(*Owner) { ready = f.readyProcesses() })
		if ready < 3 {
			t.Fatalf("%d processes serve", ready)
		}
	}
	time.Sleep(5 * time.Minute)
	want := "2"
	if b.ready < 0 {
		want = "1"
	}
	f.wantServing(want, 3)
	if s := f.state(); s.Active != want || s.Rollout != nil || len(s.History) != 1 {
		t.Errorf("state %+v", s)
	}
	f.quit()
}

// readyProcesses counts those that answer, and are not told to stop.
func (w *world) readyProcesses() (n int) {
	for _, p := range w.procs {
		if !p.dead && len(p.sent) == 0 && p.b.ready >= 0 && time.Since(p.started) >= p.b.ready {
			n++
		}
	}
	return n
}

// TestHistoriesWithTakeOver runs random histories of deploys, restarts, deaths and
// supds that follow one another. In the end a good release is deployed, and all that
// is desired runs of it, and nothing else.
func TestHistoriesWithTakeOver(t *testing.T) {
	for seed := range uint64(120) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { historyWithTakeOver(t, seed) })
		})
	}
}

func historyWithTakeOver(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 3))
	inOwner := rand.New(rand.NewPCG(seed, 4))
	calm := false
	behave := func(l Launch) behaviour {
		if calm || l.Release.Name == "1" {
			return healthy
		}
		return randomBehaviour(inOwner)
	}
	worker := configured("worker", 2)
	worker.After = []string{"web"}
	r := quick
	if seed%3 == 0 {
		r.OnFailure = configs.OnFailurePause
	}
	if seed%2 == 0 {
		r.Smoke = "/healthz"
	}
	f := newFleet(t, r, behave, configured("web", 3), worker)
	for range 40 {
		f.stepOrTakeOver(random)
		time.Sleep(time.Duration(random.Int64N(int64(10 * time.Second))))
		synctest.Wait()
		f.settled()
	}
	f.in(func(*Owner) { calm = true })
	time.Sleep(10 * time.Minute) // whatever is under way ends, or is paused
	reply := make(chan *api.Result, 1)
	f.s.post(func(o *Owner) { o.Undo(api.Request{Action: api.ActionRollback, Targets: []string{"a"}}, reply) })
	<-reply
	f.do(api.ActionStart, false, "all")
	f.wantResult(f.deploy(api.ActionDeploy, "4"), api.CodeDone, "4 is active")
	time.Sleep(time.Minute) // some drain, and ignore TERM
	f.wantServing("4", 5)
	f.quit()
}

func (f *fleet) stepOrTakeOver(random *rand.Rand) {
	targets := []string{"all", "a/web", "a/worker", "a/web.1", "a/worker.2"}
	target := targets[random.IntN(len(targets))]
	switch random.IntN(8) {
	case 0:
		go f.do(api.ActionStart, false, target)
	case 1:
		go f.do(api.ActionRestart, random.IntN(3) == 0, target)
	case 2, 3:
		f.deploy(api.ActionDeploy, []string{"1", "2", "3"}[random.IntN(3)])
	case 4:
		f.in(func(*Owner) {
			if n := len(f.procs); n > 0 && !f.procs[n-1].reaped {
				f.procs[n-1].Signal(unix.SIGKILL)
			}
		})
	case 5, 6:
		f.ends(false)
		f.next(false, time.Duration(random.Int64N(int64(3*time.Second))))
	case 7:
		f.ends(true)
		f.next(true, 10*time.Millisecond)
	}
}

// FuzzTakeOver takes over whatever record can be read, of which nobody lives.
func FuzzTakeOver(f *testing.F) {
	f.Add([]byte(`{"format":1,"slots":[{"app":"a","process":"b","number":1,"up":true,"generation":1,"workers":[{"pid":2,"identity":{"start":1},"generation":1,"state":"RUNNING","key":"x"}]}]}`))
	f.Add([]byte(`{"format":1,"slots":[{"app":"a","process":"web","number":0,"generation":3,"workers":[{"pid":2,"identity":{"start":1},"generation":2,"state":"STOPPING","old":true}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := record.Parse(data)
		if err != nil {
			return
		}
		for i := range r.Slots {
			if r.Slots[i].Number > 1000 {
				return // would only cost time
			}
			for k := range r.Slots[i].Workers {
				r.Slots[i].Workers[k].Adopted = true
			}
		}
		w := &world{t: t}
		w.owner = w.newOwner()
		old := func(*record.Worker, *configs.Process) Program { return w }
		w.owner.TakeOver(Predecessor{Slots: r.Slots, Program: old})
		w.owner.Publish(time.Now())
	})
}

// TestPausedSince: the next supd knows since when a rollout is paused.
func TestPausedSince(t *testing.T) {
	for name, became := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := quick
				r.OnFailure = configs.OnFailurePause
				f := newFleet(t, r, perVersion(map[string]behaviour{"2": {ready: -1, die: time.Millisecond, code: 3}}), configured("web", 1))
				f.expect(10*time.Second, "a/web.1", api.Running)
				f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeFailed, "paused")
				before := f.s.Status().Apps[0].Rollout
				time.Sleep(time.Hour)
				f.ends(became)
				f.next(became, time.Minute)
				f.expect(10*time.Second, "a/web.1", api.Running)
				after := f.s.Status().Apps[0].Rollout
				if after.Step != release.StepPaused || !after.StepAt.Equal(before.StepAt) || !before.StepAt.After(before.StartedAt) || time.Since(after.StepAt) < time.Hour {
					t.Errorf("%s since %s, was since %s", after.Step, after.StepAt, before.StepAt)
				}
				f.quit()
			})
		})
	}
}

// TestBackAfterATakeOver: slots and processes that the configuration had no more, and has
// again under the next supd, are started: nobody has stopped them.
func TestBackAfterATakeOver(t *testing.T) {
	for name, became := range ways {
		for _, later := range []time.Duration{5 * time.Second, time.Minute} {
			t.Run(name+" "+later.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					slow := healthy
					slow.drain = 20 * time.Second
					all := []configs.Process{configured("web", 3), configured("worker", 1)}
					w := newWorld(t, always(slow), all...)
					w.expect(10*time.Second, "a/web.3", api.Running)
					w.apply(configured("web", 1))
					time.Sleep(later)
					w.ends(became)
					if r, err := record.Read(w.writer.Path, w.writer.Boot); err != nil || later == time.Minute && len(r.Slots) != 1 {
						t.Errorf("recorded: %+v, %v", r, err)
					}
					w.procs = slices.DeleteFunc(w.procs, func(p *proc) bool { return p.reaped }) // a slot that was forgotten counts anew
					w.takesOver(w.config(configs.Rollout{Surge: configs.Surge{Workers: 1}}, all...), became, time.Second, nil)
					time.Sleep(time.Minute)
					for _, name := range []string{"a/web.1", "a/web.2", "a/web.3", "a/worker.1"} {
						w.expect(0, name, api.Running)
					}
					w.quit()
				})
			})
		}
	}
}

// TestUndoneAfterATakeOver: a rollback does not wait for the hook of the release that it
// leaves, under which supd soever it began.
func TestUndoneAfterATakeOver(t *testing.T) {
	for name, became := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, quick, func(l Launch) behaviour {
					b := healthy
					if l.Release.Name == "2" {
						b.launch = -1
					}
					return b
				}, hooked("web", configs.HookPreStart))
				f.expect(10*time.Second, "a/web.1", api.Running)
				f.deploy(api.ActionDeploy, "2")
				f.expect(2*time.Second, "a/web.1", api.Running)
				late := time.AfterFunc(time.Second, func() { f.s.post((*Owner).PutOff) })
				f.ends(became)
				late.Stop()
				f.next(became, time.Second)
				f.expect(2*time.Second, "a/web.1", api.Running)
				reply, began := make(chan *api.Result, 1), time.Now()
				f.s.post(func(o *Owner) { o.Undo(api.Request{Action: api.ActionRollback, Targets: []string{"a"}}, reply) })
				f.wantResult(reply, api.CodeDone, "1 serves again")
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("it took %s", took)
				}
				f.wantServing("1", 1)
				f.quit()
			})
		})
	}
}
