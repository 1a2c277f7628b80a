package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/supervisor/api"
)

var healthy = behaviour{launch: time.Millisecond, ready: 2 * time.Second, drain: 3 * time.Second}

func always(b behaviour) func(Launch) behaviour { return func(Launch) behaviour { return b } }

func (w *world) do(action api.Action, hard bool, targets ...string) *api.Result {
	return w.s.Do(context.Background(), api.Request{Action: action, Hard: hard, Targets: targets, Timeout: 10 * time.Minute})
}

// expect lets d pass and compares the state of a slot.
func (w *world) expect(d time.Duration, name string, want api.State) api.WorkerStatus {
	w.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	got := w.worker(name)
	if got.State != want {
		w.t.Errorf("after %v %s is %s (%+v), want %s", d, name, got.State, got, want)
	}
	return got
}

func TestStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 2))
		w.expect(time.Second, "a/web.1", api.Starting)
		got := w.expect(2*time.Second, "a/web.2", api.Running)
		if !got.Ready || got.Pid == 0 || got.Generation != 1 || got.Restarts != 0 {
			t.Errorf("worker %+v", got)
		}
		w.quit()
	})
}

// TestStatusAfterAnswer: whoever has an answer of the owner's, and asks for the status at
// once, sees what the answer tells of, although the owner is not at the end of its turn.
func TestStatusAfterAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 1))
		w.expect(10*time.Second, "a/web.1", api.Running)
		refused, answered := &api.Refusal{}, make(chan struct{})
		w.s.post(func(o *Owner) {
			o.Refused(refused)
			close(answered)
			time.Sleep(time.Millisecond)
		})
		<-answered
		if got := w.s.Status().Refused; got != refused {
			t.Errorf("refused: %v", got)
		}
		w.quit()
	})
}

func TestUptime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := configured("web", 1)
		p.Ready = configs.Ready{Uptime: time.Second, Timeout: 30 * time.Second}
		w := newWorld(t, always(behaviour{}), p)
		w.expect(900*time.Millisecond, "a/web.1", api.Starting)
		w.expect(200*time.Millisecond, "a/web.1", api.Running)
		w.quit()
	})
}

func TestFirstCrashAfterAStableLifeIsRestartedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 1))
		w.expect(time.Minute, "a/web.1", api.Running)
		victim := w.running()[0]
		w.in(func(*Owner) { victim.Signal(unix.SIGKILL) })
		got := w.expect(10*time.Millisecond, "a/web.1", api.Starting)
		if got.Restarts != 1 || got.LastExit == nil || got.LastExit.Signal != "SIGKILL" || got.LastExit.Code != -1 {
			t.Errorf("worker %+v, last exit %+v", got, got.LastExit)
		}
		w.expect(3*time.Second, "a/web.1", api.Running)
		w.quit()
	})
}

// TestCrashLoop: a program that dies before or soon after it was ready is started
// with growing delays, and not more than once in max in the end.
func TestCrashLoop(t *testing.T) {
	for name, b := range map[string]behaviour{
		"before ready":     {ready: -1, die: 10 * time.Millisecond, code: 3},
		"after ready":      {ready: time.Millisecond, die: 2 * time.Second, code: 3},
		"with success":     {ready: -1, die: 10 * time.Millisecond},
		"launch fails":     {fail: "execve /x: no such file or directory"},
		"never gets ready": {ready: -1, drain: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, always(b), configured("web", 1))
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				first := w.worker("a/web.1").Generation
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				second := w.worker("a/web.1").Generation - first
				if first < 8 || second > 22 || second < 5 {
					t.Errorf("%d launches in the first ten minutes, %d in the second", first, second)
				}
				w.quit()
			})
		})
	}
}

func TestGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := configured("web", 1)
		p.GiveUpAfter = 3
		w := newWorld(t, always(behaviour{ready: -1, die: 10 * time.Millisecond, code: 3}), p)
		got := w.expect(time.Hour, "a/web.1", api.Failed)
		if got.Generation != 3 || got.LastExit.Code != 3 {
			t.Errorf("worker %+v", got)
		}
		if r := w.do(api.ActionStart, false, "a/web"); r.Code != api.CodeNotStarted || len(r.Outcomes[0].Output) != 1 {
			t.Errorf("start of a failing worker: %+v", r)
		}
		w.quit()
	})
}

func TestRestartPolicy(t *testing.T) {
	for _, c := range []struct {
		restart configs.Restart
		code    int
		want    api.State
	}{
		{configs.RestartAlways, 0, api.Running}, {configs.RestartAlways, 1, api.Running},
		{configs.RestartOnFailure, 0, api.Exited}, {configs.RestartOnFailure, 1, api.Running},
		{configs.RestartNever, 0, api.Exited}, {configs.RestartNever, 1, api.Exited},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := configured("job", 1)
			p.Restart = c.restart
			w := newWorld(t, func(j Launch) behaviour {
				if j.Generation > 1 {
					return healthy
				}
				return behaviour{die: 20 * time.Second, code: c.code}
			}, p)
			got := w.expect(time.Minute, "a/job.1", c.want)
			if done := c.want == api.Exited && c.code == 0; got.Done != done || got.IsMissed() != (c.want == api.Exited && !done) {
				t.Errorf("%s, code %d: done %t, missed %t", c.restart, c.code, got.Done, got.IsMissed())
			}
			w.quit()
		})
	}
}

// TestWhyItIsStopped: a worker that nobody has stopped says why it is.
func TestWhyItIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(behaviour{ready: -1, drain: 5 * time.Second, answer: "status 404"}), configured("web", 1))
		got := w.expect(32*time.Second, "a/web.1", api.Stopping)
		if want := "not ready within 30s: status 404"; got.Note != want {
			t.Errorf("note %q, want %q", got.Note, want)
		}
		w.quit()
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(behaviour{drain: 5 * time.Second}), configured("web", 1))
		w.expect(time.Minute, "a/web.1", api.Running)
		go w.do(api.ActionStop, false, "all")
		if got := w.expect(time.Second, "a/web.1", api.Stopping); got.Note != "" {
			t.Errorf("note %q", got.Note)
		}
		w.quit()
	})
}

// TestAfter: a process waits for those it comes after, once; and stops before them.
func TestAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		worker := configured("worker", 1)
		worker.After = []string{"web"}
		w := newWorld(t, always(healthy), configured("web", 2), worker)
		got := w.expect(time.Second, "a/worker.1", api.Starting)
		if got.Pid != 0 || got.Note != "waits for web" {
			t.Errorf("worker %+v", got)
		}
		w.expect(4*time.Second, "a/worker.1", api.Running)
		go w.do(api.ActionStop, false, "all")
		w.expect(time.Second, "a/worker.1", api.Stopping)
		w.expect(0, "a/web.1", api.Running)
		w.expect(3*time.Second, "a/web.1", api.Stopping)
		w.expect(3*time.Second, "a/web.1", api.Stopped)
		w.quit()
	})
}

func TestAfterAnUndesiredProcessDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web, worker := configured("web", 1), configured("worker", 1)
		web.Autostart = false
		worker.After = []string{"web"}
		w := newWorld(t, always(healthy), web, worker)
		w.expect(3*time.Second, "a/worker.1", api.Running)
		w.expect(0, "a/web.1", api.Stopped)
		w.quit()
	})
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 2))
		w.expect(3*time.Second, "a/web.1", api.Running)
		begin := time.Now()
		r := w.do(api.ActionStop, false, "a/web")
		if took := time.Since(begin); r.Code != api.CodeDone || took < 3*time.Second || took > 4*time.Second {
			t.Errorf("stop took %v: %+v", took, r)
		}
		if r := w.do(api.ActionStop, false, "a"); r.Code != api.CodeDone || r.Outcomes[0].Message != "already stopped" {
			t.Errorf("second stop: %+v", r)
		}
		if r := w.do(api.ActionStart, false, "a/web.2"); r.Code != api.CodeDone {
			t.Errorf("start: %+v", r)
		}
		w.expect(0, "a/web.1", api.Stopped)
		w.expect(0, "a/web.2", api.Running)
		w.quit()
	})
}

// TestStopSteps: each signal once, with a CONT, then KILL.
func TestStopSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := configured("web", 1)
		p.Stop = []configs.StopStep{{Signal: unix.SIGTERM, Wait: 10 * time.Second}, {Signal: unix.SIGQUIT, Wait: 5 * time.Second}}
		w := newWorld(t, always(behaviour{ignores: true}), p)
		w.expect(time.Second, "a/web.1", api.Running)
		begin := time.Now()
		w.do(api.ActionStop, false, "a")
		if took := time.Since(begin).Round(time.Second); took != 15*time.Second {
			t.Errorf("stop took %v, want 15s", took)
		}
		var sent []unix.Signal
		w.in(func(*Owner) { sent = w.procs[0].sent })
		if want := []unix.Signal{unix.SIGTERM, unix.SIGCONT, unix.SIGQUIT, unix.SIGCONT, unix.SIGKILL}; !slices.Equal(sent, want) {
			t.Errorf("sent %v, want %v", sent, want)
		}
		w.quit()
	})
}

// TestStopOfASuspendedWorker: it stops as it would otherwise. A signal that somebody
// asks for is sent as it is.
func TestStopOfASuspendedWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(behaviour{suspended: true, drain: time.Second}), configured("web", 1))
		w.expect(time.Second, "a/web.1", api.Running)
		w.s.Do(context.Background(), api.Request{Action: api.ActionSignal, Signal: "HUP", Targets: []string{"a"}})
		begin := time.Now()
		w.do(api.ActionStop, false, "a")
		if took := time.Since(begin).Round(time.Second); took != time.Second {
			t.Errorf("stop took %v, want 1s", took)
		}
		var sent []unix.Signal
		w.in(func(*Owner) { sent = w.procs[0].sent })
		if want := []unix.Signal{unix.SIGHUP, unix.SIGTERM, unix.SIGCONT}; !slices.Equal(sent, want) {
			t.Errorf("sent %v, want %v", sent, want)
		}
		w.quit()
	})
}

// watchReady fails the test when fewer than n slots of a process are ready, at
// any time until the returned function is called.
func (w *world) watchReady(process string, n int) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			s := w.s.Status()
			if ready := readyOf(s, process); ready < n {
				w.t.Errorf("%d ready workers, want %d at all times", ready, n)
			}
			select {
			case <-s.Next():
			case <-end:
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

func readyOf(s *api.Status, process string) (n int) {
	for _, p := range s.Apps[0].Processes {
		for _, worker := range p.Workers {
			if p.Name == process && worker.Ready {
				n++
			}
		}
	}
	return n
}

func TestRollingRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 4))
		w.expect(3*time.Second, "a/web.4", api.Running)
		stop := w.watchReady("web", 4)
		r := w.do(api.ActionRestart, false, "a")
		stop()
		if r.Code != api.CodeDone || len(r.Outcomes) != 4 {
			t.Errorf("restart: %+v", r)
		}
		for _, p := range w.running() {
			if p.launch.Generation != 2 {
				t.Errorf("%s is of generation %d", p.launch.Name(), p.launch.Generation)
			}
		}
		if most := w.mostAtOnce(); most != 5 {
			t.Errorf("%d workers at once, want 5", most)
		}
		w.quit()
	})
}

// mostAtOnce is the largest number of processes there ever was.
func (w *world) mostAtOnce() (most int) {
	w.in(func(*Owner) { most = w.most })
	return most
}

// TestMinReady: the next worker is replaced only when the last new one has been
// ready for so long.
func TestMinReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quick := behaviour{}
		w := newWorld(t, always(quick), configured("web", 3))
		w.expect(time.Second, "a/web.3", api.Running)
		w.in(func(o *Owner) { o.apps[0].config.Rollout.MinReady = 10 * time.Second })
		begin := time.Now()
		if r := w.do(api.ActionRestart, false, "a"); r.Code != api.CodeDone {
			t.Errorf("restart: %+v", r)
		}
		if took := time.Since(begin).Round(time.Second); took != 20*time.Second {
			t.Errorf("restart of three workers took %v, want two pauses of 10s", took)
		}
		w.quit()
	})
}

func TestSurge(t *testing.T) {
	for _, c := range []struct {
		surge configs.Surge
		count int
		want  int
	}{
		{configs.Surge{Workers: 1}, 4, 1}, {configs.Surge{Workers: 3}, 4, 3},
		{configs.Surge{Percent: 25}, 8, 2}, {configs.Surge{Percent: 25}, 3, 1}, {configs.Surge{}, 4, 1},
	} {
		p := &process{app: &app{config: &configs.App{Rollout: configs.Rollout{Surge: c.surge}}}, slots: make([]*slot, c.count)}
		if got := p.surge(); got != c.want {
			t.Errorf("surge %+v of %d workers is %d, want %d", c.surge, c.count, got, c.want)
		}
	}
}

// TestSurgeOfAll: with room for all, all are replaced at once.
func TestSurgeOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 4))
		w.expect(3*time.Second, "a/web.4", api.Running)
		w.in(func(o *Owner) { o.apps[0].config.Rollout.Surge = configs.Surge{Percent: 100} })
		stop := w.watchReady("web", 4)
		w.do(api.ActionRestart, false, "a")
		stop()
		if most := w.mostAtOnce(); most != 8 {
			t.Errorf("%d workers at once, want 8", most)
		}
		w.quit()
	})
}

func TestFailedRestartKeepsTheOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(j Launch) behaviour {
			if j.Generation > 1 {
				return behaviour{ready: -1, die: time.Second, code: 3}
			}
			return healthy
		}, configured("web", 3))
		w.expect(3*time.Second, "a/web.3", api.Running)
		stop := w.watchReady("web", 3)
		r := w.do(api.ActionRestart, false, "a/web")
		stop()
		if r.Code != api.CodeNotStarted || !strings.HasPrefix(r.Outcomes[0].Message, "not restarted: exited with code 3") {
			t.Errorf("restart: %+v", r)
		}
		for i, o := range r.Outcomes { // one was tried
			if want := []string{"last words of a/web.1"}; i == 0 && !slices.Equal(o.Output, want) || i > 0 && o.Output != nil {
				t.Errorf("%s has said %q", o.Name, o.Output)
			}
		}
		for _, p := range w.running() {
			if p.launch.Generation != 1 {
				t.Errorf("%s is of generation %d", p.launch.Name(), p.launch.Generation)
			}
		}
		w.expect(time.Hour, "a/web.1", api.Running)
		w.quit()
	})
}

// TestRestartThatNeverGetsReady: the old worker goes on, and the new one is gone.
func TestRestartThatNeverGetsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(j Launch) behaviour {
			if j.Generation > 1 {
				return behaviour{ready: -1, answer: "GET /: 503"}
			}
			return healthy
		}, configured("web", 1))
		w.expect(3*time.Second, "a/web.1", api.Running)
		stop := w.watchReady("web", 1)
		r := w.do(api.ActionRestart, false, "a/web")
		stop()
		if r.Code != api.CodeNotStarted || !strings.Contains(r.Outcomes[0].Message, "503") || len(r.Outcomes[0].Output) != 1 {
			t.Errorf("restart: %+v", r)
		}
		w.expect(time.Minute, "a/web.1", api.Running)
		if n := len(w.running()); n != 1 {
			t.Errorf("%d processes left", n)
		}
		w.quit()
	})
}

func TestHardRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 3))
		w.expect(3*time.Second, "a/web.3", api.Running)
		if r := w.do(api.ActionRestart, true, "a"); r.Code != api.CodeDone {
			t.Errorf("restart: %+v", r)
		}
		if most := w.mostAtOnce(); most != 3 {
			t.Errorf("%d workers at once, want 3", most)
		}
		w.quit()
	})
}

// TestCrashWhileAnotherDrains: the slot is filled again though its old worker
// still drains.
func TestCrashWhileAnotherDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := configured("web", 1)
		p.Stop[0].Wait = 20 * time.Minute
		slow := healthy
		slow.drain = 10 * time.Minute
		w := newWorld(t, always(slow), p)
		w.expect(20*time.Second, "a/web.1", api.Running)
		go w.do(api.ActionRestart, false, "a")
		time.Sleep(20 * time.Second)
		all := w.running()
		if len(all) != 2 {
			t.Fatalf("%d processes", len(all))
		}
		w.in(func(*Owner) { all[1].Signal(unix.SIGKILL) })
		got := w.expect(3*time.Second, "a/web.1", api.Running)
		if got.Generation != 3 {
			t.Errorf("worker %+v", got)
		}
		w.quit()
	})
}

func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := configured("web", 1)
		p.Watchdog = 10 * time.Second
		w := newWorld(t, always(healthy), p)
		for range 5 {
			time.Sleep(8 * time.Second)
			w.in(func(o *Owner) { o.pinged(o.apps[0].processes[0].slots[0].workers[0]) })
		}
		if got := w.worker("a/web.1"); got.Generation != 1 {
			t.Errorf("stopped although it answered: %+v", got)
		}
		silent := w.running()[0]
		w.expect(11*time.Second, "a/web.1", api.Unhealthy)
		w.in(func(*Owner) {
			if silent.dead {
				t.Error("it was stopped before another was ready")
			}
		})
		got := w.expect(5*time.Second, "a/web.1", api.Running)
		if got.Generation != 2 || !silent.dead {
			t.Errorf("worker %+v", got)
		}
		w.quit()
	})
}

// TestLateReports: whatever is still said of a worker that has ended, or was
// never launched, changes nothing.
func TestLateReports(t *testing.T) {
	for name, b := range map[string]behaviour{"ended": {die: time.Second, code: 3}, "not launched": {launch: time.Millisecond, fail: "no such file"}} {
		synctest.Test(t, func(t *testing.T) {
			p := configured("web", 1)
			p.Restart = configs.RestartNever
			w := newWorld(t, always(b), p)
			var dead *worker
			w.in(func(o *Owner) { dead = o.apps[0].processes[0].slots[0].workers[0] })
			w.expect(time.Minute, "a/web.1", api.Exited)
			w.in(func(o *Owner) {
				o.becameReady(dead, "late")
				o.pinged(dead)
				o.fail(dead, "late")
			})
			if dead.State != api.Exited || len(dead.Sent) > 0 {
				t.Errorf("%s: state %s, sent %v", name, dead.State, dead.Sent)
			}
			w.expect(time.Minute, "a/web.1", api.Exited)
			w.quit()
		})
	}
}

func TestApply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 3), configured("gone", 1))
		w.expect(3*time.Second, "a/web.3", api.Running)
		less := configured("web", 1)
		less.Backoff.Max = time.Minute // not felt by a worker
		w.apply(less, configured("new", 1))
		w.expect(10*time.Second, "a/new.1", api.Running)
		if got := w.worker("a/web.1"); got.Generation != 1 {
			t.Errorf("worker was replaced: %+v", got)
		}
		if n := len(w.running()); n != 2 {
			t.Errorf("%d processes, want 2", n)
		}
		other := configured("web", 1)
		other.Command = []string{"other"}
		stop := w.watchReady("web", 1)
		w.apply(other)
		got := w.expect(10*time.Second, "a/web.1", api.Running)
		stop()
		if got.Generation != 2 {
			t.Errorf("worker was not replaced: %+v", got)
		}
		w.quit()
	})
}

func (w *world) apply(processes ...configs.Process) {
	w.applyPrepared(w.config(configs.Rollout{Surge: configs.Surge{Workers: 1}}, processes...))
}

func (w *world) applyPrepared(p Prepared) {
	w.in(func(o *Owner) {
		if err := o.Apply(p); err != nil {
			w.t.Error(err)
		}
	})
	synctest.Wait()
}

// TestAutostartIsShown: an applied autostart is in the status, also of a process of which
// nothing runs.
func TestAutostartIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 0))
		by := func() bool { return w.s.Status().Apps[0].Processes[0].Autostart }
		before := by()
		byHand := configured("web", 0)
		byHand.Autostart = false
		w.apply(byHand)
		if !before || by() {
			t.Errorf("autostart is %v, and false once it was applied: %v", before, by())
		}
		w.quit()
	})
}

// TestBackWhileItDrains: what leaves the configuration and comes back before its
// last worker is gone is started again.
func TestBackWhileItDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 2), configured("other", 1))
		w.expect(3*time.Second, "a/web.2", api.Running)
		w.apply(configured("other", 1))
		w.expect(time.Second, "a/web.1", api.Stopping)
		w.apply(configured("web", 2), configured("other", 1))
		w.expect(10*time.Second, "a/web.1", api.Running)
		w.expect(0, "a/web.2", api.Running)

		w.apply(configured("web", 1), configured("other", 1))
		w.expect(time.Second, "a/web.2", api.Stopping)
		w.apply(configured("web", 2), configured("other", 1))
		w.expect(10*time.Second, "a/web.2", api.Running)

		w.in(func(o *Owner) { o.eachSlot(func(s *slot) { s.Up = false }) }) // by a person
		w.expect(10*time.Second, "a/web.2", api.Stopped)
		w.apply(configured("web", 2), configured("other", 1))
		w.expect(10*time.Second, "a/web.1", api.Stopped)
		if got := w.worker("a/other.1"); got.Generation != 1 {
			t.Errorf("other was touched: %+v", got)
		}
		w.quit()
	})
}

// TestDamagedSocket: bound anew, and its users replaced; again and again with
// growing delays.
func TestDamagedSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := configured("web", 1)
		p.Sockets = []string{"http"}
		w := newWorld(t, always(healthy), p)
		w.expect(3*time.Second, "a/web.1", api.Running)
		w.in(func(o *Owner) { o.Damaged(Damage{Key: "a/http", ShutDown: true}) })
		got := w.expect(10*time.Second, "a/web.1", api.Running)
		if got.Generation != 2 {
			t.Errorf("the worker still has the dead socket: %+v", got)
		}
		for range 1000 {
			w.in(func(o *Owner) { o.Damaged(Damage{Key: "a/http"}) })
			time.Sleep(time.Millisecond)
		}
		if n := len(w.repairs); n > 10 {
			t.Errorf("%d repairs in a second", n)
		}
		w.quit()
	})
}

// TestDeadBeforeTheLaunchIsReported: the reaper was faster.
func TestDeadBeforeTheLaunchIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(j Launch) behaviour {
			if j.Generation == 1 {
				return behaviour{launch: -1} // it is the test that ends the launch
			}
			return healthy
		}, configured("web", 1))
		w.in(func(o *Owner) {
			worker := o.apps[0].processes[0].slots[0].workers[0]
			p := &proc{world: w, id: 4711, dead: true, reaped: true, launch: o.launchOf(worker)}
			w.dead = append(w.dead, Exit{Pid: 4711, Code: 7})
			o.ChildDied()
			o.started(worker, p.handle())
		})
		if got := w.expect(0, "a/web.1", api.Backoff); got.LastExit == nil || got.LastExit.Code != 7 {
			t.Errorf("worker %+v, last exit %+v", got, got.LastExit)
		}
		w.expect(time.Minute, "a/web.1", api.Running)
		w.quit()
	})
}

// TestLaunchesFirst: what a dead worker has left is searched for when the launch in its
// place is over, or takes long.
func TestLaunchesFirst(t *testing.T) {
	for name, c := range map[string]struct{ launch, sweep time.Duration }{
		"short": {10 * time.Millisecond, 10 * time.Millisecond},
		"hangs": {-1, launchesFirst},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(l Launch) behaviour {
					if l.Generation == 2 {
						return behaviour{launch: c.launch}
					}
					return healthy
				}, configured("web", 1))
				w.expect(time.Minute, "a/web.1", api.Running)
				victim := w.running()[0]
				w.in(func(*Owner) { victim.Signal(unix.SIGKILL) })
				sweeps := func() (n int) {
					w.in(func(*Owner) { n = w.sweeps })
					return n
				}
				time.Sleep(c.sweep - 5*time.Millisecond)
				if n := sweeps(); n > 0 {
					t.Errorf("%d searches while the launch is under way", n)
				}
				time.Sleep(10 * time.Millisecond)
				if n := sweeps(); n != 1 {
					t.Errorf("%d searches, want one", n)
				}
				w.in(func(o *Owner) { // a launch that hangs has to end
					if worker := o.apps[0].processes[0].slots[0].workers[0]; c.launch < 0 {
						o.notStarted(worker, errors.New("killed"))
					}
				})
				w.quit()
			})
		})
	}
}

// TestHistories runs random histories; proc and world check that nobody is
// signalled after reaping or twice with a signal, and that no generation is
// launched twice. In the end everything has to stop, and with healthy workers and
// no more requests everything that is desired has to run.
func TestHistories(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) { history(t, seed) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func history(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	inOwner := rand.New(rand.NewPCG(seed, 2))
	calm := false
	behave := func(Launch) behaviour {
		if calm {
			return healthy
		}
		return randomBehaviour(inOwner)
	}
	worker := configured("worker", 2)
	worker.After = []string{"web"}
	worker.Stop[0].Group, worker.Hooks = true, hooked("", allHooks...).Hooks
	w := newWorld(t, behave, configured("web", 3), worker)
	w.in(func(*Owner) { w.hookTime = 3 * time.Second })
	for range 60 {
		w.step(random)
		time.Sleep(time.Duration(random.Int64N(int64(10 * time.Second))))
		synctest.Wait()
		w.settled()
	}
	if seed%4 == 0 { // in the middle of it
		w.quit()
		return
	}
	w.in(func(*Owner) { calm = true })
	if r := w.do(api.ActionStart, false, "all"); r.Code == api.CodeTimeout {
		t.Errorf("start all: %+v", r)
	}
	time.Sleep(time.Hour)
	synctest.Wait()
	for _, p := range w.s.Status().Apps[0].Processes {
		for _, worker := range p.Workers {
			if worker.State != api.Running {
				t.Errorf("in the end %s is %s (%s)", worker.Name, worker.State, worker.Note)
			}
		}
	}
	if n, want := len(w.running()), slots(w.s.Status()); n != want {
		t.Errorf("in the end %d processes for %d slots", n, want)
	}
	w.endsAsApplied(worker)
	w.quit()
}

// endsAsApplied applies a configuration to what a history has left: all of it runs then.
func (w *world) endsAsApplied(worker configs.Process) {
	final := w.faulty(nil, withCommand("final", 3), worker)
	if r := w.applies(final); r.Code != api.CodeDone {
		w.t.Errorf("apply: %+v", r)
	}
	if changes := w.wouldChange(final); changes != nil {
		w.t.Errorf("after it was applied it would change %q", changes)
	}
	for _, p := range w.running() {
		if p.launch.Process.Name == "web" && p.launch.Process.Command[0] != "final" {
			w.t.Errorf("%s runs %s", p.launch.Name(), p.launch.Process.Command)
		}
	}
	for worker := range w.s.Status().Workers() {
		if worker.Behind != nil {
			w.t.Errorf("%s is behind: %+v", worker.Name, worker.Behind)
		}
	}
}

func slots(s *api.Status) (n int) {
	for _, p := range s.Apps[0].Processes {
		n += len(p.Workers)
	}
	return n
}

func randomBehaviour(random *rand.Rand) behaviour {
	d := func(n time.Duration) time.Duration { return time.Duration(random.Int64N(int64(n))) }
	b := behaviour{launch: d(100 * time.Millisecond), ready: d(5 * time.Second), drain: d(20 * time.Second), ignores: random.IntN(5) == 0}
	if random.IntN(2) == 0 {
		b.rest, b.deaf = d(40*time.Second)+1, random.IntN(3) == 0
	}
	switch random.IntN(5) {
	case 0:
		b.fail = "execve: no such file or directory"
	case 1:
		b.ready = -1
	case 2:
		b.die, b.code = d(time.Minute)+1, random.IntN(3)
	}
	return b
}

// step does one thing that may happen.
func (w *world) step(random *rand.Rand) {
	targets := []string{"all", "a/web", "a/worker", "a/web.1", "a/web.2", "a/worker.2"}
	target := targets[random.IntN(len(targets))]
	switch random.IntN(7) {
	case 0:
		go w.do(api.ActionStart, false, target)
	case 1:
		go w.do(api.ActionStop, false, target)
	case 2, 3:
		go w.do(api.ActionRestart, random.IntN(3) == 0, target)
	case 4:
		w.in(func(*Owner) {
			if n := len(w.procs); n > 0 && !w.procs[n-1].reaped {
				w.procs[n-1].Signal(unix.SIGKILL)
			}
		})
	case 5:
		web, worker := configured("web", 2+random.IntN(3)), configured("worker", 2)
		worker.After = []string{"web"}
		worker.Stop[0].Group, worker.Hooks = true, hooked("", allHooks...).Hooks
		if random.IntN(2) == 0 {
			web.Command = []string{"other"}
		}
		w.apply(web, worker)
	case 6:
		w.in(func(o *Owner) { o.Damaged(Damage{Key: "a/http", ShutDown: true}) })
	}
}

// TestHungLaunchesOfAnotherApp: an app whose launches take for ever keeps no other from
// being started.
func TestHungLaunchesOfAnotherApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(l Launch) behaviour {
			if l.App == "a" {
				return behaviour{launch: 10 * time.Minute}
			}
			return healthy
		}, configured("web", 40))
		w.in(func(o *Owner) {
			p := w.config(configs.Rollout{Surge: configs.Surge{Workers: 1}}, configured("web", 40))
			b := &configs.App{Name: "b", Processes: []configs.Process{configured("web", 20)}, Rollout: p.Apps[0].Config.Rollout}
			p.Config.Apps, p.Apps = append(p.Config.Apps, *b), append(p.Apps, w.preparedOf(b, nil))
			if err := o.Apply(p); err != nil {
				t.Error(err)
			}
		})
		w.expect(10*time.Second, "b/web.20", api.Running)
		w.expect(0, "a/web.1", api.Starting)
		w.settled()
		if n := len(w.running()); n != 20 {
			t.Errorf("%d processes run, want those of b", n)
		}
		w.quit()
	})
}
