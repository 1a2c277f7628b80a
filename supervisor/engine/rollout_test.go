package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/record"
	"supd/supervisor/release"
)

// fleet is a world with an app that has releases. What a release's workers do
// hangs on its version.
type fleet struct {
	*world
	processes []configs.Process
	rollout   configs.Rollout
}

// perVersion gives each version's workers a behaviour of their own.
func perVersion(all map[string]behaviour) func(Launch) behaviour {
	return func(j Launch) behaviour {
		b, ok := all[j.Release.Name]
		if !ok {
			return healthy
		}
		return b
	}
}

func newFleet(t *testing.T, r configs.Rollout, behave func(Launch) behaviour, processes ...configs.Process) *fleet {
	if r.Surge == (configs.Surge{}) {
		r.Surge.Workers = 1
	}
	f := &fleet{newWorld(t, behave), processes, r}
	f.in(func(o *Owner) {
		a := o.app("a")
		a.journal = f.journal("a")
		a.state = release.State{Active: "1", Deployed: map[string]time.Time{}, Failed: map[string]release.Mark{}}
		one := f.prepared("1")
		p := Prepared{Config: &configs.Config{Apps: []configs.App{*one.Config}}, Apps: []App{one}}
		if err := o.Apply(p); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *fleet) prepared(version string) App {
	a := &configs.App{Name: "a", Processes: slices.Clone(f.processes), Rollout: f.rollout, Release: &configs.Releases{Directory: "/opt/a"}}
	return f.preparedOf(a, &configs.Version{Name: version, Path: "/opt/a/" + version, Files: "/opt/a/" + version})
}

// deploy begins a rollout; the channel has its result.
func (f *fleet) deploy(action api.Action, version string) <-chan *api.Result {
	return f.deployOf(action, f.prepared(version))
}

func (f *fleet) deployOf(action api.Action, target App) <-chan *api.Result {
	reply := make(chan *api.Result, 1)
	f.s.post(func(o *Owner) {
		r := api.Request{Action: action, Targets: []string{"a"}, By: "tester"}
		v := target.Release
		o.Deploy(r, o.config, release.Release{App: "a", Version: v.Name, Path: v.Path}, target, nil, reply)
	})
	return reply
}

// after waits for a result, and fails the test when it takes an hour.
func (f *fleet) result(reply <-chan *api.Result) *api.Result {
	f.t.Helper()
	select {
	case r := <-reply:
		synctest.Wait()
		return r
	case <-time.After(time.Hour):
		f.t.Fatal("the rollout does not end")
		return nil
	}
}

func (f *fleet) wantResult(reply <-chan *api.Result, code int, words string) *api.Result {
	f.t.Helper()
	r := f.result(reply)
	text := r.Error
	for _, o := range r.Outcomes {
		text += " " + o.Message
	}
	if r.Code != code || !strings.Contains(text, words) {
		f.t.Errorf("result %d %q, want %d and %q", r.Code, text, code, words)
	}
	return r
}

// wantServing wants every living process to be of a version, and so many.
func (f *fleet) wantServing(version string, count int) {
	f.t.Helper()
	time.Sleep(10 * time.Second) // for what still drains
	synctest.Wait()
	running := f.running()
	for _, p := range running {
		if p.launch.Release.Name != version {
			f.t.Errorf("%s of %s runs, want %s", p.launch.Name(), p.launch.Release.Name, version)
		}
	}
	if len(running) != count {
		f.t.Errorf("%d processes run, want %d", len(running), count)
	}
	s := f.s.Status().Apps[0]
	if s.Release != version || s.State != api.Running {
		f.t.Errorf("status says release %s, %s; want %s, RUNNING", s.Release, s.State, version)
	}
}

func (f *fleet) state() (s release.State) {
	f.in(func(o *Owner) { s = o.findApp("a").state.Clone() })
	return s
}

var quick = configs.Rollout{MinReady: time.Second, Bake: 10 * time.Second, OnFailure: configs.OnFailureRollback}

func TestDeploy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, quick, always(healthy), configured("web", 3))
		f.expect(5*time.Second, "a/web.1", api.Running)
		f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeDone, "2 is active")
		f.wantServing("2", 3)
		if f.most > 4 {
			t.Errorf("%d processes at once, want 4 at most", f.most)
		}
		s := f.state()
		if s.Active != "2" || s.Previous != "1" || s.Rollout != nil || len(s.History) != 1 || s.History[0].Result != "done" {
			t.Errorf("state %+v", s)
		}
		f.wantResult(f.deploy(api.ActionRollback, "1"), api.CodeDone, "1 is active")
		f.wantServing("1", 3)
		if s := f.state(); s.Active != "1" || s.Previous != "" || !s.Failed["2"].Left {
			t.Errorf("after the rollback active is %s, previous %q, marked %+v", s.Active, s.Previous, s.Failed)
		}
		f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeDone, "2 is active")
		if s := f.state(); s.Active != "2" || s.Previous != "1" || len(s.Failed) > 0 {
			t.Errorf("deployed again: active is %s, previous %q, marked %+v", s.Active, s.Previous, s.Failed)
		}
		f.quit()
	})
}

func readyCount(o *Owner) (n int) {
	o.eachSlot(func(s *slot) {
		for _, w := range s.workers {
			if w.State == api.Running {
				n++
			}
		}
	})
	return n
}

// TestNeverFewerThanCount looks at each event of a rollout, also of one that fails
// late, that so many workers as configured are ready.
func TestNeverFewerThanCount(t *testing.T) {
	for name, b := range map[string]behaviour{
		"good":             healthy,
		"dies in the bake": {launch: time.Millisecond, ready: time.Second, die: 12 * time.Second, drain: time.Second},
		"never ready":      {launch: time.Millisecond, ready: -1, drain: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, quick, perVersion(map[string]behaviour{"2": b}), configured("web", 3))
				f.expect(5*time.Second, "a/web.1", api.Running)
				done := f.deploy(api.ActionDeploy, "2")
				for range 4000 {
					time.Sleep(20 * time.Millisecond)
					synctest.Wait()
					dead := 0
					f.in(func(o *Owner) {
						if n := readyCount(o); n < 3 {
							dead = 3 - n
						}
					})
					if dead > 1 || dead == 1 && name != "dies in the bake" {
						t.Fatalf("%d workers too few", dead)
					}
				}
				f.result(done)
				f.quit()
			})
		})
	}
}

// TestDeployFails: whatever is wrong with a release, the old one serves on, and a
// good one is deployed afterwards.
func TestDeployFails(t *testing.T) {
	for name, c := range map[string]struct {
		b     behaviour
		words string
	}{
		"will not exec":           {behaviour{fail: "execve /opt/a/2/x: no such file or directory"}, "execve"},
		"exits at once":           {behaviour{ready: -1, die: time.Millisecond, code: 3}, "exited with code 3"},
		"never ready":             {behaviour{ready: -1, drain: time.Second, answer: "status 500"}, "not ready within 30s: status 500"},
		"dies in min_ready":       {behaviour{ready: time.Millisecond, die: 500 * time.Millisecond, code: 1}, "exited with code 1"},
		"dies in bake":            {behaviour{ready: time.Millisecond, die: 8 * time.Second, code: 1}, "exited with code 1"},
		"unhealthy":               {behaviour{ready: time.Millisecond, ill: 3 * time.Second, drain: time.Second}, "unhealthy: no answer"},
		"children die":            {behaviour{ready: time.Millisecond, churns: 4 * time.Second, drain: time.Second}, "child processes have died young"},
		"ignores TERM and is ill": {behaviour{ready: -1, ignores: true}, "not ready within"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := configured("web", 2)
				p.Health.Failures = 3
				f := newFleet(t, quick, perVersion(map[string]behaviour{"2": c.b}), p, configured("worker", 1))
				f.expect(5*time.Second, "a/web.1", api.Running)
				r := f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeRolledBack, c.words)
				if !strings.Contains(r.Outcomes[0].Message, "a/web.") && !strings.Contains(r.Outcomes[0].Message, "a/worker.") {
					t.Errorf("the reason %q names no worker", r.Outcomes[0].Message)
				}
				if c.b.fail == "" && len(r.Rollout.Output) == 0 {
					t.Error("the result has no output of the worker")
				}
				time.Sleep(time.Minute)
				f.wantServing("1", 3)
				s := f.state()
				if _, failed := s.Failed["2"]; !failed || s.Active != "1" || s.Previous != "" || s.History[0].Result != "rolled back" {
					t.Errorf("state %+v", s)
				}
				f.wantResult(f.deploy(api.ActionDeploy, "3"), api.CodeDone, "3 is active")
				f.wantServing("3", 3)
				f.quit()
			})
		})
	}
}

func TestSmoke(t *testing.T) {
	r := quick
	r.Smoke = "/healthz"
	p := configured("web", 2)
	p.Sockets = []string{"web"}
	for name, c := range map[string]struct {
		b    behaviour
		code int
		word string
	}{
		"well":         {healthy, api.CodeDone, "2 is active"},
		"500":          {behaviour{ready: time.Millisecond, smoke: "status 500", drain: time.Second}, api.CodeRolledBack, "GET /healthz: status 500"},
		"exits":        {behaviour{ready: -1, die: time.Millisecond, code: 3}, api.CodeRolledBack, "exited with code 3"},
		"never ready":  {behaviour{ready: -1}, api.CodeRolledBack, "not ready within"},
		"will not run": {behaviour{fail: "execve: no such file"}, api.CodeRolledBack, "execve"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, r, perVersion(map[string]behaviour{"2": c.b}), p)
				f.expect(5*time.Second, "a/web.1", api.Running)
				f.wantResult(f.deploy(api.ActionDeploy, "2"), c.code, c.word)
				candidates, others := 0, 0
				f.in(func(*Owner) {})
				for _, proc := range f.procs {
					switch {
					case proc.launch.Slot == record.Candidate && proc.launch.Candidate:
						candidates++
					case proc.launch.Release.Name == "2":
						others++
					}
				}
				if name != "will not run" && candidates != 1 || c.code != api.CodeDone && others > 0 {
					t.Errorf("%d candidates and %d other workers of the new release", candidates, others)
				}
				f.quit()
			})
		})
	}
}

func TestPause(t *testing.T) {
	r := quick
	r.OnFailure = configs.OnFailurePause
	once := true
	behave := func(j Launch) behaviour {
		if j.Release.Name == "2" && j.Slot == 2 && once {
			once = false
			return behaviour{ready: -1, die: time.Millisecond, code: 3}
		}
		return healthy
	}
	for _, action := range []api.Action{api.ActionResume, api.ActionRollback} {
		t.Run(string(action), func(t *testing.T) {
			once = true
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, r, behave, configured("web", 3))
				f.expect(5*time.Second, "a/web.1", api.Running)
				f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeFailed, "paused: a/web.2: exited with code 3")
				time.Sleep(time.Hour)
				versions := map[string]int{}
				for _, p := range f.running() {
					versions[p.launch.Release.Name]++
				}
				if versions["1"] != 2 || versions["2"] != 1 {
					t.Errorf("while it is paused there run %v", versions)
				}
				f.wantResult(f.deploy(api.ActionDeploy, "3"), api.CodeFailed, "is paused")
				if action == api.ActionRollback {
					f.wantResult(f.deploy(api.ActionRollback, "1"), api.CodeRolledBack, "exited with code 3")
					f.wantServing("1", 3)
				} else {
					reply := make(chan *api.Result, 1)
					f.s.post(func(o *Owner) { o.Resume(api.Request{Action: api.ActionResume, Targets: []string{"a"}}, reply) })
					f.wantResult(reply, api.CodeDone, "2 is active")
					f.wantServing("2", 3)
				}
				f.quit()
			})
		})
	}
}

// TestOrder: a process is replaced after those that it comes after, and one that
// drains for long holds up none.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		behave := func(j Launch) behaviour {
			if j.Process.Name == "celery" {
				return behaviour{launch: time.Millisecond, ready: time.Second, drain: 10 * time.Minute}
			}
			return healthy
		}
		celery, beat := configured("celery", 2), configured("beat", 1)
		celery.After, beat.After = []string{"web"}, []string{"celery"}
		celery.Stop = []configs.StopStep{{Signal: unix.SIGTERM, Wait: time.Hour}}
		f := newFleet(t, quick, behave, celery, configured("web", 2), beat)
		f.expect(10*time.Second, "a/beat.1", api.Running)
		begun := 0
		f.in(func(*Owner) { begun = len(f.procs) })
		done := f.deploy(api.ActionDeploy, "2")
		time.Sleep(time.Minute)
		synctest.Wait()
		var order []string
		f.in(func(*Owner) {
			for _, p := range f.procs[begun:] {
				order = append(order, p.launch.Name())
			}
		})
		want := []string{"a/web.1", "a/web.2", "a/celery.1", "a/beat.1"}
		if !slices.Equal(order, want) {
			t.Errorf("in the first minute were started %v, want %v", order, want)
		}
		f.wantResult(done, api.CodeDone, "2 is active")
		time.Sleep(20 * time.Minute)
		f.wantServing("2", 5)
		f.quit()
	})
}

func TestStrategyReplace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := quick
		r.Strategy = configs.StrategyReplace
		f := newFleet(t, r, perVersion(map[string]behaviour{"3": {ready: -1, die: time.Second, code: 1}}), configured("beat", 1))
		f.expect(5*time.Second, "a/beat.1", api.Running)
		f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeDone, "2 is active")
		f.wantServing("2", 1)
		f.wantResult(f.deploy(api.ActionDeploy, "3"), api.CodeRolledBack, "exited with code 1")
		f.wantServing("2", 1)
		if r := f.do(api.ActionRestart, false, "a"); r.Code != api.CodeDone {
			t.Errorf("restart: %+v", r)
		}
		if f.most != 1 {
			t.Errorf("%d ran at once", f.most)
		}
		f.quit()
	})
}

// TestStrategyOfAProcess: each process of an app is replaced in its own way.
func TestStrategyOfAProcess(t *testing.T) {
	for name, r := range map[string]configs.Strategy{"beat says replace": configs.StrategySurge, "web says surge": configs.StrategyReplace} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rollout := quick
				rollout.Strategy = r
				beat, web := configured("beat", 1), configured("web", 1)
				if r == configs.StrategySurge {
					beat.Strategy = configs.StrategyReplace
				} else {
					web.Strategy = configs.StrategySurge
				}
				f := newFleet(t, rollout, always(healthy), beat, web)
				f.expect(5*time.Second, "a/web.1", api.Running)
				stop := f.watchReady("web", 1)
				beats := 0
				f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeDone, "2 is active")
				for _, target := range []string{"a/beat", "a/web"} {
					if r := f.do(api.ActionRestart, false, target); r.Code != api.CodeDone {
						t.Errorf("restart %s: %+v", target, r)
					}
				}
				stop()
				f.in(func(*Owner) {
					var last *proc
					for _, p := range f.procs {
						if p.launch.Process.Name != "beat" {
							continue
						}
						if beats++; last != nil && (last.ended.IsZero() || last.ended.After(p.started)) {
							t.Error("two schedulers at once")
						}
						last = p
					}
				})
				if beats != 3 {
					t.Errorf("%d launches of beat, want 3", beats)
				}
				f.quit()
			})
		})
	}
}

func TestTwoDeploys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, quick, always(healthy), configured("web", 2))
		f.expect(5*time.Second, "a/web.1", api.Running)
		first := f.deploy(api.ActionDeploy, "2")
		time.Sleep(time.Second)
		joined := f.deploy(api.ActionDeploy, "2")
		f.wantResult(f.deploy(api.ActionDeploy, "3"), api.CodeFailed, "a rollout to 2 is under way")
		if r := f.do(api.ActionRestart, false, "a/web"); r.Code != api.CodeFailed || !strings.Contains(r.Error, "under way") {
			t.Errorf("restart meanwhile: %+v", r)
		}
		f.wantResult(first, api.CodeDone, "2 is active")
		f.wantResult(joined, api.CodeDone, "2 is active")
		f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeDone, "active already")
		second := f.deploy(api.ActionDeploy, "3")
		time.Sleep(time.Second)
		f.wantResult(f.deploy(api.ActionRollback, "2"), api.CodeDone, "2 serves again")
		f.wantResult(second, api.CodeRolledBack, "undone by tester")
		f.wantServing("2", 2)
		f.quit()
	})
}

// TestFullJournal: what cannot be journaled is not done, and changes nothing.
func TestFullJournal(t *testing.T) {
	for at, full := range map[string]struct {
		err    error
		remedy string
	}{"replace": {unix.ENOSPC, "make room"}, "bake": {unix.EROFS, "mend that"}, "end": {unix.EDQUOT, "make room"}} {
		t.Run(at, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, quick, always(healthy), configured("web", 2))
				f.expect(5*time.Second, "a/web.1", api.Running)
				f.in(func(*Owner) {
					f.full = func(s release.State) error {
						step := "end"
						if s.Rollout != nil {
							step = string(s.Rollout.Step)
						}
						if step == at || step == "undo" || step == "end" {
							return full.err
						}
						return nil
					}
				})
				f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeRolledBack, fmt.Sprintf("%s; %s and deploy again", full.err, full.remedy))
				f.wantServing("1", 2)
				victim := f.running()[0]
				f.in(func(*Owner) { victim.Signal(unix.SIGKILL) })
				time.Sleep(time.Minute)
				f.wantServing("1", 2)
				f.in(func(*Owner) { f.full = nil })
				f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeDone, "2 is active")
				f.wantServing("2", 2)
				f.quit()
			})
		})
	}
}

// TestProcessesComeAndGo: a release may bring processes and other commands, and a
// rollback takes them away again.
func TestProcessesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, quick, perVersion(map[string]behaviour{"3": {ready: -1, die: time.Millisecond, code: 1}}), configured("web", 2), configured("old", 1))
		f.expect(5*time.Second, "a/web.1", api.Running)
		f.processes = []configs.Process{configured("web", 3), configured("new", 1)}
		second := f.prepared("2")
		f.wantResult(f.deployOf(api.ActionDeploy, second), api.CodeDone, "2 is active")
		f.wantServing("2", 4)
		f.processes = []configs.Process{configured("web", 1), configured("newer", 1)}
		f.wantResult(f.deploy(api.ActionDeploy, "3"), api.CodeRolledBack, "exited with code 1")
		f.wantServing("2", 4)
		names := []string{}
		for _, p := range f.s.Status().Apps[0].Processes {
			names = append(names, fmt.Sprint(p.Name, p.Count))
		}
		if want := []string{"new1", "web3"}; !slices.Equal(names, want) {
			t.Errorf("processes %v, want %v", names, want)
		}
		f.quit()
	})
}

// TestUnhealthyOneAtATime: when what all depend on is away, one is tried, and the
// others are left alone; when it is back, all go on.
func TestUnhealthyOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := false
		p := configured("web", 4)
		p.Health.Failures = 3
		w := newWorld(t, func(j Launch) behaviour {
			if away {
				return behaviour{ready: -1, drain: time.Second}
			}
			return healthy
		}, p)
		w.expect(5*time.Second, "a/web.1", api.Running)
		before := w.running()
		away = true
		for range 3 {
			w.in(func(o *Owner) {
				for _, proc := range before {
					o.checked(proc.launch.worker, errors.New("no database"))
				}
			})
		}
		w.expect(time.Millisecond, "a/web.1", api.Unhealthy)
		for range 600 {
			time.Sleep(time.Second)
			if n := len(w.running()); n > 5 {
				t.Fatalf("%d processes run", n)
			}
		}
		for _, proc := range before {
			if proc.dead || len(proc.sent) > 0 {
				t.Errorf("%s was stopped", proc.launch.Name())
			}
		}
		launches := len(w.procs)
		if launches < 6 || launches > 60 {
			t.Errorf("%d processes were started in ten minutes", launches)
		}
		away = false
		w.in(func(o *Owner) {
			for _, proc := range before {
				o.checked(proc.launch.worker, nil)
			}
		})
		w.expect(2*time.Minute, "a/web.4", api.Running)
		if n := len(w.running()); n != 4 {
			t.Errorf("%d processes run in the end", n)
		}
		w.quit()
	})
}

func TestUnhealthyIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := configured("web", 2)
		p.Health.Failures = 3
		first := true
		w := newWorld(t, func(j Launch) behaviour {
			if j.Slot == 1 && first {
				first = false
				return behaviour{ready: time.Second, ill: time.Minute, drain: time.Second}
			}
			return healthy
		}, p)
		w.expect(30*time.Second, "a/web.1", api.Running)
		ill := w.worker("a/web.1").Pid
		w.expect(34*time.Second, "a/web.1", api.Unhealthy)
		got := w.expect(time.Minute, "a/web.1", api.Running)
		if got.Pid == ill {
			t.Error("it was not replaced")
		}
		w.quit()
	})
}

// TestRetire: the app of a release that is unregistered stops, and runs again as
// soon as there is another one.
func TestRetire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, quick, always(healthy), configured("web", 2))
		f.expect(5*time.Second, "a/web.1", api.Running)
		reply := make(chan *api.Result, 1)
		f.s.post(func(o *Owner) { o.Retire(api.Request{Targets: []string{"a"}, Version: "1"}, reply) })
		f.wantResult(reply, api.CodeDone, "stopped")
		f.expect(time.Minute, "a/web.1", api.Stopped)
		if s := f.state(); s.Active != "" {
			t.Errorf("%s is active", s.Active)
		}
		f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeDone, "2 is active")
		f.wantServing("2", 2)
		f.quit()
	})
}

// TestStoppedStaysStopped: a deploy starts nothing that an operator has stopped.
func TestStoppedStaysStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, quick, always(healthy), configured("web", 2))
		f.expect(5*time.Second, "a/web.1", api.Running)
		f.do(api.ActionStop, false, "a/web.1")
		f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeDone, "2 is active")
		f.expect(time.Minute, "a/web.1", api.Stopped)
		if r := f.do(api.ActionStart, false, "a/web.1"); r.Code != api.CodeDone {
			t.Errorf("start: %+v", r)
		}
		f.wantServing("2", 2)
		f.quit()
	})
}
