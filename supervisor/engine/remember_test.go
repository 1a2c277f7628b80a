package engine

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/measure"
	"supd/supervisor/record"
	"supd/supervisor/release"
)

// recorded is what the next supd would find now.
func (w *world) recorded() *record.Record {
	w.t.Helper()
	synctest.Wait()
	text, err := os.ReadFile(w.writer.Path)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := record.Parse(text)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// What a descendant has used whose parent is dead is recorded, though nothing else has
// happened.
func TestOrphanIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 1))
		pid := w.expect(time.Minute, "a/web.1", api.Running).Pid
		w.in(func(o *Owner) {
			w.dead = append(w.dead, Exit{Pid: 99, Session: pid, Used: seconds(4)})
			o.ChildDied()
		})
		time.Sleep(time.Second)
		if got := w.recorded().Slots[0].Past; got != seconds(4) {
			t.Errorf("recorded: %+v", got)
		}
		w.quit()
	})
}

// What a cgroup has counted after the last look at it is recorded once its worker is
// swept.
func TestSpentIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dying := healthy
		dying.spent = measure.Usage{OOMKills: 3, CPUWaiting: time.Second}
		w := newWorld(t, always(dying), configured("web", 1))
		w.expect(time.Minute, "a/web.1", api.Running)
		w.do(api.ActionStop, false, "a")
		time.Sleep(time.Minute)
		if got := w.recorded().Slots[0].Past; got != dying.spent {
			t.Errorf("recorded: %+v", got)
		}
		w.quit()
	})
}

// A record is written though nothing runs: without one the next supd would take this one
// for one that was killed, and search for workers.
func TestRecordOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy))
		time.Sleep(time.Second)
		if slots := w.recorded().Slots; len(slots) > 0 {
			t.Errorf("recorded: %+v", slots)
		}
		w.quit()
	})
}

// A rollout is aborted while its candidate is asked: the candidate is stopped, and until
// it has ended it is in the record, where the next supd finds it.
func TestCandidateOfAnAbortedRollout(t *testing.T) {
	for name, became := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := quick
				r.Smoke = "/healthz"
				web := configured("web", 1)
				web.Sockets = []string{"web"}
				f := newFleet(t, r, perVersion(map[string]behaviour{"2": {ready: -1, drain: time.Hour}}), web)
				f.expect(5*time.Second, "a/web.1", api.Running)
				reply := f.deploy(api.ActionDeploy, "2")
				time.Sleep(time.Second)
				nothing := Prepared{Config: &configs.Config{}}
				f.in(func(o *Owner) {
					if err := o.Apply(nothing); err != nil {
						t.Error(err)
					}
				})
				f.wantResult(reply, api.CodeFailed, "the app was removed from the configuration")
				time.Sleep(time.Second) // it has 3 to end
				isCandidate := func(s record.Slot) bool { return s.Number == record.Candidate && len(s.Workers) == 1 }
				f.in(func(o *Owner) {
					if slots := o.Record().Slots; !slices.ContainsFunc(slots, isCandidate) {
						t.Errorf("recorded: %+v", slots)
					}
				})
				f.ends(became)
				f.takesOver(nothing, became, time.Millisecond, nil)
				time.Sleep(time.Minute)
				if slots := f.recorded().Slots; len(slots) > 0 || len(f.running()) > 0 {
					t.Errorf("%d run, recorded: %+v", len(f.running()), slots)
				}
				f.quit()
			})
		})
	}
}

// The next supd has no process any more that could be asked, whether the candidate is
// recorded, or supd was killed before it could be: the rollout goes on without the smoke
// test.
func TestSmokeWithoutACandidate(t *testing.T) {
	for name, wait := range map[string]time.Duration{"launched": time.Second, "not yet": 1500 * time.Microsecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := quick
				r.Smoke = "/healthz"
				web := configured("web", 2)
				web.Sockets = []string{"web"}
				f := newFleet(t, r, perVersion(map[string]behaviour{"2": {launch: 5 * time.Second, ready: time.Second, drain: time.Second}}), web)
				f.expect(5*time.Second, "a/web.1", api.Running)
				f.deploy(api.ActionDeploy, "2")
				time.Sleep(wait)
				if s := f.state(); s.Rollout == nil || s.Rollout.Step != release.StepSmoke {
					t.Fatalf("%+v", s.Rollout)
				}
				f.ends(false)
				isCandidate := func(s record.Slot) bool { return s.Number == record.Candidate }
				if is := slices.ContainsFunc(f.recorded().Slots, isCandidate); is != (name == "launched") {
					t.Errorf("the candidate is recorded: %t", is)
				}
				f.processes[0].Ready.Socket = "web" // asked through the shared one alone
				f.next(false, time.Second)
				time.Sleep(5 * time.Minute)
				f.wantServing("2", 2)
				f.quit()
			})
		})
	}
}

// A step began when it began, also for the supd that follows; and how the last rollout
// has ended is known to that as well.
func TestStepAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := quick
		r.Bake = time.Hour
		f := newFleet(t, r, always(healthy), configured("web", 1))
		f.expect(5*time.Second, "a/web.1", api.Running)
		begin := time.Now()
		f.deploy(api.ActionDeploy, "2")
		time.Sleep(time.Minute)
		status := func() api.AppStatus { return f.s.Status().Apps[0] }
		before := status().Rollout
		if before.Step != release.StepBake || before.StepAt.Sub(begin) <= r.MinReady || time.Since(before.StepAt) < 50*time.Second {
			t.Errorf("%s since %s, began at %s", before.Step, before.StepAt, begin)
		}
		f.ends(false)
		f.next(false, time.Minute)
		synctest.Wait()
		if now := status().Rollout; now.Step != release.StepBake || !now.StepAt.Equal(before.StepAt) {
			t.Errorf("%s since %s, want %s", now.Step, now.StepAt, before.StepAt)
		}
		if last := status().Last; last != "" {
			t.Errorf("last: %s", last)
		}
		time.Sleep(2 * time.Hour)
		f.ends(false)
		f.next(false, time.Minute)
		synctest.Wait()
		if now := status(); now.Last != release.Done || now.Rollout != nil {
			t.Errorf("last: %q, %+v", now.Last, now.Rollout)
		}
		f.quit()
	})
}

// A record that could not be written is written as soon as it can be, though nothing else
// happens.
func TestFailedRecordIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 2))
		w.expect(time.Minute, "a/web.2", api.Running)
		time.Sleep(time.Minute)
		dir := filepath.Dir(w.writer.Path)
		if err := os.Rename(dir, dir+".away"); err != nil {
			t.Fatal(err)
		}
		w.do(api.ActionStop, false, "a/web.2")
		time.Sleep(time.Minute)
		if err := os.Rename(dir+".away", dir); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := w.recorded().Slots; len(got) != 2 || got[1].Up {
			t.Errorf("recorded: %+v", got)
		}
		w.quit()
	})
}
