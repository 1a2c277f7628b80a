package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"supd/configs"
	"supd/supervisor/api"
)

// migration is a process that is ready when it has ended with success.
func migration(name string, after ...string) configs.Process {
	p := configured(name, 1)
	p.Ready, p.After = configs.Ready{Exit: true, Timeout: time.Minute}, after
	return p
}

// afterwards is a process that comes after others.
func afterwards(name string, after ...string) configs.Process {
	p := configured(name, 2)
	p.After = after
	return p
}

// works is a migration that takes so long, and ends with a code.
func works(d time.Duration, code int) behaviour {
	return behaviour{launch: time.Millisecond, ready: -1, die: d, code: code, drain: time.Second}
}

// migrating gives the migration its behaviour, and all others that of healthy workers.
func migrating(behave func(Launch) behaviour) func(Launch) behaviour {
	return func(l Launch) behaviour {
		if strings.HasPrefix(l.Process.Name, "migrate") {
			return behave(l)
		}
		return healthy
	}
}

// ran are the releases that a process was launched for, in their order.
func (w *world) ran(process string) (all []string) {
	w.in(func(*Owner) {
		for _, p := range w.procs {
			if p.launch.Process.Name == process {
				version := ""
				if p.launch.Release != nil {
					version = p.launch.Release.Name
				}
				all = append(all, version)
			}
		}
	})
	return all
}

func (w *world) wantRan(process string, versions ...string) {
	w.t.Helper()
	if got := w.ran(process); !slices.Equal(got, versions) {
		w.t.Errorf("%s ran for %q, want %q", process, got, versions)
	}
}

// TestReadyWhenEnded: what comes after waits for the end, which is wished and the last.
func TestReadyWhenEnded(t *testing.T) {
	for _, restart := range []configs.Restart{configs.RestartAlways, configs.RestartOnFailure, configs.RestartNever} {
		for _, code := range []int{0, 4} {
			synctest.Test(t, func(t *testing.T) {
				job := migration("migrate")
				job.Restart, job.SuccessExit = restart, []int{0, 4}
				w := newWorld(t, migrating(always(works(20*time.Second, code))), job, afterwards("web", "migrate"))
				got := w.expect(10*time.Second, "a/migrate.1", api.Starting)
				if got.Ready || got.AsWished || got.Done {
					t.Errorf("while it runs: %+v", got)
				}
				if note := w.expect(0, "a/web.1", api.Starting).Note; note != "waits for migrate" {
					t.Errorf("web: %q", note)
				}
				w.wantRan("web")
				got = w.expect(11*time.Second, "a/migrate.1", api.Exited)
				if !got.AsWished || !got.Done || got.Restarts != 0 || !got.Desired || got.IsMissed() {
					t.Errorf("afterwards: %+v", got)
				}
				w.expect(10*time.Second, "a/web.2", api.Running)
				time.Sleep(time.Hour)
				w.wantRan("migrate", "")
				w.in(func(o *Owner) {
					if s := o.findApp("a").named["migrate"].slots[0]; s.Failures != 0 || s.Starts.Sum < 19*time.Second {
						t.Errorf("failures %d, starts %+v", s.Failures, s.Starts)
					}
				})
				w.settled()
				w.quit()
			})
		}
	}
}

// TestMigrationFails: an end without success is a failed start, and so is one that takes
// too long.
func TestMigrationFails(t *testing.T) {
	for name, c := range map[string]struct {
		b     behaviour
		words string
	}{
		"code":     {works(2*time.Second, 3), "exited with code 3"},
		"late":     {works(10*time.Minute, 0), "has not ended within 1m0s"},
		"no start": {behaviour{fail: "execve: no such file or directory"}, "execve"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, migrating(func(l Launch) behaviour {
					if l.Generation < 3 {
						return c.b
					}
					return works(time.Second, 0)
				}), migration("migrate"), afterwards("web", "migrate"))
				r := w.do(api.ActionStart, false, "a/migrate")
				if r.Code != api.CodeNotStarted || !strings.Contains(r.Outcomes[0].Message, c.words) {
					t.Errorf("start: %+v", r)
				}
				w.wantRan("web")
				w.expect(3*time.Minute, "a/web.1", api.Running)
				if got := w.worker("a/migrate.1"); got.State != api.Exited || !got.AsWished || got.Generation != 3 {
					t.Errorf("%+v", got)
				}
				w.quit()
			})
		})
	}
}

// TestMigrationFailsForGood: nothing starts that comes after it, and who asks is told.
func TestMigrationFailsForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := migration("migrate")
		job.Restart = configs.RestartNever
		w := newWorld(t, migrating(always(works(2*time.Second, 3))), job, afterwards("web", "migrate"))
		if got := w.expect(time.Minute, "a/migrate.1", api.Exited); got.AsWished || got.Done {
			t.Errorf("%+v", got)
		}
		w.wantRan("web")
		if r := w.do(api.ActionRestart, false, "a"); r.Code != api.CodeNotStarted {
			t.Errorf("restart: %+v", r)
		}
		w.wantRan("migrate", "", "")
		w.quit()
	})
}

// TestAskedOfAMigration: a running app's migrations are left alone but where they are
// named; a start of a stopped app runs them.
func TestAskedOfAMigration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, migrating(always(works(5*time.Second, 0))), migration("migrate"), afterwards("web", "migrate"))
		w.expect(time.Second, "a/migrate.1", api.Starting)
		if r := w.do(api.ActionRestart, true, "all"); r.Code != api.CodeDone { // web, which waits
			t.Errorf("restart meanwhile: %+v", r)
		}
		w.expect(20*time.Second, "a/web.2", api.Running)
		for _, target := range []string{"a", "all"} {
			for _, action := range []api.Action{api.ActionStart, api.ActionRestart, api.ActionReload} {
				if r := w.do(action, false, target); r.Code != api.CodeDone || len(r.Outcomes) != 2 {
					t.Errorf("%s %s: %+v", action, target, r)
				}
			}
		}
		w.wantRan("migrate", "")
		for i, action := range []api.Action{api.ActionStart, api.ActionRestart} {
			r := w.do(action, false, "a/migrate")
			if r.Code != api.CodeDone || !strings.Contains(r.Outcomes[0].Message, "finished: exited with code 0") {
				t.Errorf("%s: %+v", action, r)
			}
			if n := len(w.ran("migrate")); n != i+2 {
				t.Errorf("%s: it has run %d times", action, n)
			}
		}
		w.do(api.ActionStop, false, "a")
		w.expect(time.Minute, "a/migrate.1", api.Stopped)
		if r := w.do(api.ActionStart, false, "a"); r.Code != api.CodeDone || len(r.Outcomes) != 3 {
			t.Errorf("start: %+v", r)
		}
		if n := len(w.ran("migrate")); n != 4 {
			t.Errorf("it has run %d times", n)
		}
		w.quit()
	})
}

// TestTwoOfAMigration: one that is asked for while another runs waits for the other's end.
func TestTwoOfAMigration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := works(time.Minute-time.Second, 0)
		slow.drain = 20 * time.Second
		w := newWorld(t, migrating(always(slow)), migration("migrate"))
		w.expect(5*time.Second, "a/migrate.1", api.Starting)
		if r := w.do(api.ActionRestart, false, "a/migrate"); r.Code != api.CodeDone {
			t.Errorf("restart: %+v", r)
		}
		if w.most != 1 {
			t.Errorf("%d at once", w.most)
		}
		w.wantRan("migrate", "", "")
		w.quit()
	})
}

// TestStoppedMigration: one that is stopped has not ended well.
func TestStoppedMigration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, migrating(always(works(20*time.Second, 0))), migration("migrate"), afterwards("web", "migrate"))
		w.expect(time.Second, "a/migrate.1", api.Starting)
		w.do(api.ActionStop, false, "a")
		if got := w.worker("a/migrate.1"); got.State != api.Stopped || got.AsWished || got.Done {
			t.Errorf("%+v", got)
		}
		w.wantRan("web")
		start := make(chan *api.Result, 1)
		w.s.post(func(o *Owner) { o.Do(api.Request{Action: api.ActionStart, Targets: []string{"a"}}, start) })
		w.expect(time.Second, "a/migrate.1", api.Starting)
		w.s.Do(t.Context(), api.Request{Action: api.ActionSignal, Signal: "KILL", Targets: []string{"a/migrate"}})
		if r := <-start; r.Code != api.CodeNotStarted {
			t.Errorf("start: %+v", r)
		}
		w.wantRan("web")
		w.expect(time.Minute, "a/migrate.1", api.Exited)
		w.wantRan("migrate", "", "", "")
		w.expect(time.Minute, "a/web.1", api.Running)
		w.quit()
	})
}

// TestEventsOfAMigration: what is said of a worker while a migration runs changes nothing
// but where it ends.
func TestEventsOfAMigration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, migrating(always(works(20*time.Second, 0))), migration("migrate"))
		w.expect(time.Second, "a/migrate.1", api.Starting)
		for _, e := range []func(Launch) Event{func(l Launch) Event { return l.Churned(9) }, Launch.Ping,
			func(l Launch) Event { return l.Checked(errTaken) }, func(l Launch) Event { return l.Ill("so") }, func(l Launch) Event { return l.Smoked(errTaken) }} {
			w.in(func(o *Owner) { e(w.procs[0].launch)(o) })
			w.expect(time.Millisecond, "a/migrate.1", api.Starting)
		}
		w.expect(time.Minute, "a/migrate.1", api.Exited)
		for _, e := range []func(Launch) Event{func(l Launch) Event { return l.Churned(9) }, Launch.Ping, func(l Launch) Event { return l.Ready("late") }} {
			w.in(func(o *Owner) { e(w.procs[0].launch)(o) })
			w.expect(time.Millisecond, "a/migrate.1", api.Exited)
		}
		w.wantRan("migrate", "")
		w.quit()
	})
}

// TestChangedMigration: another command is no reason to run it again.
func TestChangedMigration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, migrating(always(works(time.Second, 0))), migration("migrate"), afterwards("web", "migrate"))
		w.expect(time.Minute, "a/web.1", api.Running)
		other := migration("migrate")
		other.Command = []string{"other"}
		w.apply(other, afterwards("web", "migrate"))
		time.Sleep(time.Minute)
		w.wantRan("migrate", "")
		if got := w.worker("a/migrate.1"); got.State != api.Exited || !got.AsWished {
			t.Errorf("%+v", got)
		}
		w.quit()
	})
}

// TestMigrationOfARelease: it runs once for each, before what comes after it, and not on
// the way back.
func TestMigrationOfARelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, quick, migrating(always(works(20*time.Second, 0))), migration("migrate"), afterwards("web", "migrate"))
		f.expect(time.Minute, "a/web.2", api.Running)
		done := f.deploy(api.ActionDeploy, "2")
		f.expect(10*time.Second, "a/migrate.1", api.Starting)
		f.wantRan("web", "1", "1")
		f.wantResult(done, api.CodeDone, "2 is active")
		f.wantRan("migrate", "1", "2")
		f.wantRan("web", "1", "1", "2", "2")
		f.wantResult(f.deploy(api.ActionRollback, "1"), api.CodeDone, "1 is active")
		f.wantRan("migrate", "1", "2")
		if got := f.worker("a/migrate.1"); got.State != api.Exited || !got.AsWished || got.LastExit.Code != 0 {
			t.Errorf("after the rollback: %+v", got)
		}
		f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeDone, "2 is active")
		f.wantRan("migrate", "1", "2", "2")
		f.quit()
	})
}

// TestDeployWithAFailingMigration: nothing of the new release is started, and the old one
// does not migrate again.
func TestDeployWithAFailingMigration(t *testing.T) {
	for name, b := range map[string]behaviour{"code": works(2*time.Second, 3), "late": works(time.Hour, 0)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, quick, migrating(func(l Launch) behaviour {
					if l.Release.Name == "2" {
						return b
					}
					return works(time.Second, 0)
				}), migration("migrate"), afterwards("web", "migrate"))
				f.expect(time.Minute, "a/web.2", api.Running)
				f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeRolledBack, "a/migrate.1: ")
				f.wantRan("migrate", "1", "2")
				f.wantRan("web", "1", "1")
				time.Sleep(time.Minute)
				if got := f.worker("a/migrate.1"); got.State != api.Exited || !got.AsWished || got.LastExit.Code != 0 {
					t.Errorf("%+v", got)
				}
				f.wantResult(f.deploy(api.ActionDeploy, "3"), api.CodeDone, "3 is active")
				f.wantRan("migrate", "1", "2", "3")
				f.quit()
			})
		})
	}
}

// TestUndoAfterTheMigration: a release that fails later goes without another migration, and
// so does one that is undone while it migrates.
func TestUndoAfterTheMigration(t *testing.T) {
	for name, undo := range map[string]time.Duration{"web fails": 0, "undone meanwhile": 5 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, quick, func(l Launch) behaviour {
					switch {
					case l.Process.Name == "migrate":
						return works(20*time.Second, 0)
					case l.Release.Name == "2":
						return works(time.Second, 1)
					}
					return healthy
				}, migration("migrate"), afterwards("web", "migrate"))
				f.expect(time.Minute, "a/web.2", api.Running)
				done := f.deploy(api.ActionDeploy, "2")
				if undo > 0 {
					time.Sleep(undo)
					reply := make(chan *api.Result, 1)
					f.s.post(func(o *Owner) {
						o.Undo(api.Request{Action: api.ActionRollback, Targets: []string{"a"}, By: "tester"}, reply)
					})
					f.result(reply)
				}
				f.wantResult(done, api.CodeRolledBack, "")
				f.wantRan("migrate", "1", "2")
				if got := f.worker("a/migrate.1"); got.State != api.Exited || !got.AsWished || got.LastExit.Code != 0 || got.LastExit.Signal != "" {
					t.Errorf("%+v", got.LastExit)
				}
				if n := len(f.running()); n != 2 {
					t.Errorf("%d processes run", n)
				}
				f.settled()
				f.quit()
			})
		})
	}
}

// TestSmokeAfterTheMigration: the candidate is of a process that comes after it.
func TestSmokeAfterTheMigration(t *testing.T) {
	for _, code := range []int{0, 3} {
		synctest.Test(t, func(t *testing.T) {
			r := quick
			r.Smoke = "/healthz"
			web := afterwards("web", "migrate2")
			web.Sockets = []string{"web"}
			var order []string
			f := newFleet(t, r, func(l Launch) behaviour {
				order = append(order, l.Release.Name+" "+l.Name())
				if strings.HasPrefix(l.Process.Name, "migrate") {
					if l.Release.Name == "2" {
						return works(2*time.Second, code)
					}
					return works(2*time.Second, 0)
				}
				return healthy
			}, migration("migrate"), migration("migrate2", "migrate"), web, migration("later", "web"))
			f.in(func(*Owner) {})
			f.expect(time.Minute, "a/web.2", api.Running)
			want, result := []string{"2 a/migrate.1", "2 a/migrate2.1", "2 a/web.0", "2 a/web.1", "2 a/web.2", "2 a/later.1"}, api.CodeDone
			if code != 0 {
				want, result = want[:1], api.CodeRolledBack
			}
			f.in(func(*Owner) { order = nil })
			f.wantResult(f.deploy(api.ActionDeploy, "2"), result, "")
			f.in(func(*Owner) {
				if !slices.Equal(order, want) {
					t.Errorf("launched %q, want %q", order, want)
				}
			})
			f.quit()
		})
	}
}

// TestMigrationOverTakeover: a supd that ends in the middle of a rollout leaves no reason
// to migrate twice.
func TestMigrationOverTakeover(t *testing.T) {
	for name, became := range ways {
		for when, wait := range map[string]time.Duration{"while it runs": 10 * time.Second, "afterwards": 22 * time.Second} {
			if when == "while it runs" && !became {
				continue // nobody can know how it ends
			}
			for _, smoke := range []string{"", "/healthz"} {
				t.Run(name+" "+when+smoke, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						r := quick
						r.Smoke = smoke
						web := afterwards("web", "migrate")
						web.Sockets = []string{"web"}
						f := newFleet(t, r, migrating(always(works(20*time.Second, 0))), migration("migrate"), web)
						f.expect(time.Minute, "a/web.2", api.Running)
						f.deploy(api.ActionDeploy, "2")
						time.Sleep(wait)
						f.ends(became)
						f.next(became, time.Second)
						time.Sleep(5 * time.Minute)
						synctest.Wait()
						if s := f.state(); s.Active != "2" || s.Rollout != nil {
							t.Errorf("%+v", s)
						}
						f.wantRan("migrate", "1", "2")
						if got := f.worker("a/migrate.1"); got.State != api.Exited || !got.AsWished {
							t.Errorf("%+v", got)
						}
						f.quit()
					})
				})
			}
		}
	}
}

// TestFirstReleaseWithAMigration: one that fails is tried again, what comes after it starts
// then, and the release is well.
func TestFirstReleaseWithAMigration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFirst(t, migrating(func(l Launch) behaviour {
			if l.Generation == 1 {
				return works(time.Second, 3)
			}
			return works(time.Second, 0)
		}), migration("migrate"), afterwards("web", "migrate"))
		f.wantResult(f.deploy(api.ActionDeploy, "1"), api.CodeNotStarted, "a/migrate.1: exited with code 3")
		f.expect(time.Minute, "a/web.2", api.Running)
		f.wantRan("migrate", "1", "1")
		time.Sleep(time.Minute)
		synctest.Wait()
		if mark, is := f.state().Failed["1"]; is {
			t.Errorf("still marked: %+v", mark)
		}
		f.quit()
	})
}

// TestForgivenByAMigration: the last that was not well may be one that ends.
func TestForgivenByAMigration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFirst(t, migrating(func(l Launch) behaviour {
			if l.Generation < 3 {
				return works(time.Second, 3)
			}
			return works(time.Minute-time.Second, 0)
		}), migration("migrate"), configured("web", 1))
		f.wantResult(f.deploy(api.ActionDeploy, "1"), api.CodeNotStarted, "a/migrate.1: exited with code 3")
		f.expect(2*time.Minute, "a/migrate.1", api.Exited)
		time.Sleep(time.Minute)
		synctest.Wait()
		if mark, is := f.state().Failed["1"]; is || f.state().Active != "1" {
			t.Errorf("still marked: %+v", mark)
		}
		f.quit()
	})
}

// TestMigrationOfALostRelease: supd was killed in the middle of a rollout that cannot go on.
// The migration of the old release does not run once more.
func TestMigrationOfALostRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, quick, migrating(func(l Launch) behaviour {
			if l.Release.Name == "2" {
				return works(time.Hour, 0)
			}
			return works(time.Second, 0)
		}), migration("migrate"), afterwards("web", "migrate"))
		f.expect(20*time.Second, "a/web.2", api.Running)
		f.deploy(api.ActionDeploy, "2")
		f.expect(5*time.Second, "a/migrate.1", api.Starting)
		f.ends(false)
		state := f.journals["a"][len(f.journals["a"])-1].Clone()
		one := f.prepared("1")
		one.State, one.Journal = state, f.journal("a")
		p := Prepared{Config: &configs.Config{Apps: []configs.App{*one.Config}}, Apps: []App{one}}
		f.takesOver(p, false, time.Second, func(o *Owner) { o.Unfinished("a", true, App{}, errors.New("its files are gone")) })
		if got := f.expect(time.Minute, "a/migrate.1", api.Exited); !got.AsWished {
			t.Errorf("status %+v", got)
		}
		f.wantRan("migrate", "1", "2")
		f.wantRan("web", "1", "1")
		f.expect(0, "a/web.2", api.Running)
		f.quit()
	})
}
