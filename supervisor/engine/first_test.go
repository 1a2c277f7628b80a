package engine

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/release"
)

// newFirst is a fleet that has no release yet.
func newFirst(t *testing.T, behave func(Launch) behaviour, processes ...configs.Process) *fleet {
	f := &fleet{newWorld(t, behave), processes, quick}
	f.rollout.Surge.Workers = 1
	f.in(func(o *Owner) {
		a := o.app("a")
		a.journal = f.journal("a")
		a.state = release.State{Deployed: map[string]time.Time{}, Failed: map[string]release.Mark{}}
		if err := o.Apply(f.bare()); err != nil {
			t.Error(err)
		}
	})
	return f
}

// bare is the app without a release.
func (f *fleet) bare() Prepared {
	bare := f.prepared("1")
	bare.Revisions, bare.Release = nil, nil
	return Prepared{Config: &configs.Config{Apps: []configs.App{*bare.Config}}, Apps: []App{bare}}
}

// wantMarked wants a release to be active, and marked as not all well or not.
func (f *fleet) wantMarked(version string, is bool) {
	f.t.Helper()
	s := f.state()
	if _, marked := s.Failed[version]; marked != is || s.Active != version || s.Rollout != nil {
		f.t.Errorf("state %+v, want %s active, marked %t", s, version, is)
	}
}

func TestFirstDeploy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFirst(t, always(healthy), configured("web", 2))
		f.expect(time.Minute, "a/web.1", api.Stopped)
		if r := f.do(api.ActionStart, false, "a"); r.Code != api.CodeFailed || !strings.Contains(r.Outcomes[0].Message, "no release is active") {
			t.Errorf("start without a release: %+v", r)
		}
		f.wantResult(f.deploy(api.ActionDeploy, "1"), api.CodeDone, "1 is active")
		f.wantServing("1", 2)
		f.wantMarked("1", false)
		f.quit()
	})
}

// TestFirstDeployThatIsNotWell: what serves is left alone, and the rest is tried again
// until it is well.
func TestFirstDeployThatIsNotWell(t *testing.T) {
	dies := behaviour{ready: -1, die: time.Second, code: 3}
	for name, one := range map[string]struct {
		behave func(healed bool, l Launch) behaviour
		why    string
		ready  int // while it is not well
	}{
		"none gets ready": {func(bool, Launch) behaviour { return dies }, "exited with code 3; a/web.", 0},
		"one of two": {func(_ bool, l Launch) behaviour {
			if l.Process.Name == "web" && l.Slot == 2 {
				return dies
			}
			return healthy
		}, "a/web.2: exited with code 3; 1 is active all the same", 1},
		"launch fails":  {func(bool, Launch) behaviour { return behaviour{fail: "no such file"} }, "no such file", 0},
		"never answers": {func(bool, Launch) behaviour { return behaviour{ready: -1, answer: "refused"} }, "not ready within 30s: refused", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				healed := false
				behave := func(l Launch) behaviour {
					if healed {
						return healthy
					}
					return one.behave(healed, l)
				}
				next := configured("worker", 1)
				next.After = []string{"web"}
				f := newFirst(t, behave, configured("web", 2), next)
				f.wantResult(f.deploy(api.ActionDeploy, "1"), api.CodeNotStarted, one.why)
				f.wantMarked("1", true)
				time.Sleep(time.Minute)
				if n := readyOf(f.s.Status(), "web"); n != one.ready {
					t.Errorf("%d are ready, want %d", n, one.ready)
				}
				f.wantResult(f.deploy(api.ActionDeploy, "1"), api.CodeNotStarted, "not all of it is well")
				f.in(func(*Owner) { healed = true })
				time.Sleep(2 * time.Minute)
				f.wantServing("1", 3)
				f.wantMarked("1", false)
				f.wantResult(f.deploy(api.ActionDeploy, "1"), api.CodeDone, "already")
				f.quit()
			})
		})
	}
}

// TestFirstDeployKilledInTheBake: the other one goes on serving.
func TestFirstDeployKilledInTheBake(t *testing.T) {
	for name, how := range map[string]struct {
		kills func(*fleet)
		why   string
	}{
		"killed": {func(f *fleet) {
			victim := f.running()[0]
			f.in(func(*Owner) { victim.Signal(unix.SIGKILL) })
		}, "killed by SIGKILL"},
		"ill": {func(f *fleet) {
			victim := f.running()[0]
			victim.launch.Process.Health.Failures = 1
			f.in(func(o *Owner) { victim.illness(o) })
		}, "unhealthy: no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFirst(t, always(healthy), configured("web", 2))
				reply := f.deploy(api.ActionDeploy, "1")
				time.Sleep(5 * time.Second)
				synctest.Wait()
				serving := f.running()[1]
				how.kills(f)
				f.wantResult(reply, api.CodeNotStarted, how.why)
				f.wantServing("1", 2)
				if serving.dead {
					t.Error("the worker that served was stopped")
				}
				f.wantMarked("1", false)
				f.quit()
			})
		})
	}
}

// TestFirstSmoke: nothing else serves that a candidate could be worse than.
func TestFirstSmoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := healthy
		b.smoke = "500"
		web := configured("web", 2)
		web.Sockets = []string{"web"}
		f := newFirst(t, always(b), web)
		f.rollout.Smoke = "/healthz"
		f.in(func(o *Owner) {
			if err := o.Apply(f.bare()); err != nil {
				t.Error(err)
			}
		})
		f.wantResult(f.deploy(api.ActionDeploy, "1"), api.CodeNotStarted, "GET /healthz: 500")
		f.wantServing("1", 2)
		f.quit()
	})
}

// TestFirstDeployWithAFullJournal: before the first step nothing is done; what serves
// then is not taken off the air.
func TestFirstDeployWithAFullJournal(t *testing.T) {
	full := errors.New("no space left on device")
	for step, isActive := range map[string]bool{"replace": false, "bake": true, "end": true} {
		t.Run(step, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFirst(t, always(healthy), configured("web", 2))
				f.in(func(*Owner) {
					f.full = func(s release.State) error {
						if s.Rollout == nil && step == "end" || s.Rollout != nil && string(s.Rollout.Step) == step {
							return full
						}
						return nil
					}
				})
				if !isActive {
					f.wantResult(f.deploy(api.ActionDeploy, "1"), api.CodeNotStarted, full.Error())
					if n := len(f.running()); n != 0 {
						t.Errorf("%d processes run", n)
					}
				} else {
					f.wantResult(f.deploy(api.ActionDeploy, "1"), api.CodeDone, "1 is active")
					f.wantServing("1", 2)
				}
				f.quit()
			})
		})
	}
}

// TestFirstDeployTakenOver: the next supd goes on with a first release, after a reboot
// as well; one that it cannot prepare is active, and its workers are left alone.
func TestFirstDeployTakenOver(t *testing.T) {
	for name, one := range map[string]struct {
		crashed bool
		why     error
	}{"killed": {true, nil}, "rebooted": {false, nil}, "cannot be prepared": {true, errors.New("gunicorn is not executable")}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFirst(t, always(healthy), configured("web", 2))
				f.deploy(api.ActionDeploy, "1")
				time.Sleep(2 * time.Second)
				synctest.Wait()
				before := f.running()
				f.killed()
				if !one.crashed {
					for _, p := range before {
						p.dead, p.reaped = true, true
					}
				}
				p := f.bare()
				p.Apps[0].Journal, p.Apps[0].State = f.journal("a"), f.journals["a"][len(f.journals["a"])-1].Clone()
				f.takesOver(p, false, time.Minute, func(o *Owner) {
					target := f.prepared("1")
					if one.why != nil {
						target = App{}
					}
					o.Unfinished("a", one.crashed, target, one.why)
				})
				time.Sleep(time.Minute)
				synctest.Wait()
				f.wantServing("1", 2)
				f.wantMarked("1", one.why != nil)
				after := f.running()
				if one.crashed && (after[0] != before[0] || after[1] != before[1]) {
					t.Error("other processes run than before")
				}
				if note := f.s.Status().Apps[0].Note; one.why != nil && !strings.Contains(note, one.why.Error()) {
					t.Errorf("note %q", note)
				}
				f.quit()
			})
		})
	}
}
