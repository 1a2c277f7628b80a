package engine

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"supd/configs"
	"supd/supervisor/api"
)

// job is a process that ends with a code after a minute, and is not started again.
func jobOf(name string, code int) (configs.Process, behaviour) {
	p := configured(name, 1)
	p.Restart = configs.RestartNever
	return p, behaviour{ready: time.Second, die: time.Minute, code: code}
}

func TestExitOn(t *testing.T) {
	lives := configured("lives", 1)
	good, goodEnd := jobOf("good", 0)
	bad, badEnd := jobOf("bad", 3)
	crashes := configured("crashes", 2)
	crashes.GiveUpAfter = 3
	forever := configured("forever", 1)
	behind := configured("behind", 1)
	behind.After = []string{"bad"}
	further := configured("further", 1)
	further.After = []string{"behind"}
	idle := configured("idle", 1)
	idle.Autostart = false
	crash := behaviour{ready: -1, die: 10 * time.Millisecond, code: 1}
	never := badEnd
	never.ready = -1
	behave := func(j Launch) behaviour {
		return map[string]behaviour{"lives": healthy, "good": goodEnd, "bad": badEnd, "crashes": crash, "forever": crash,
			"behind": healthy, "further": healthy}[j.Process.Name]
	}
	for _, c := range []struct {
		name      string
		on        configs.ExitOn
		processes []configs.Process
		ends      bool
		want      error
	}{
		{"never", configs.ExitNever, []configs.Process{bad, crashes}, false, nil},
		{"one of two", configs.ExitAnyFailed, []configs.Process{lives, bad}, true, errOneFailed},
		{"one is given up", configs.ExitAnyFailed, []configs.Process{lives, crashes}, true, errOneFailed},
		{"a job is done", configs.ExitAnyFailed, []configs.Process{lives, good}, false, nil},
		{"no end of it", configs.ExitAnyFailed, []configs.Process{forever}, false, nil},
		{"not all", configs.ExitAllFailed, []configs.Process{lives, bad}, false, nil},
		{"all", configs.ExitAllFailed, []configs.Process{crashes, bad}, true, errAllFailed},
		{"all but the job", configs.ExitAllFailed, []configs.Process{crashes, good, idle}, true, errAllFailed},
		{"none", configs.ExitAllFailed, []configs.Process{good}, false, nil},
		{"some go on trying", configs.ExitAllFailed, []configs.Process{bad, forever}, false, nil},
		{"all done", configs.ExitAllExited, []configs.Process{good, idle}, true, nil},
		{"all done, one badly", configs.ExitAllExited, []configs.Process{good, bad}, true, errAllFailed},
		{"one is not", configs.ExitAllExited, []configs.Process{good, lives}, false, nil},
		{"nothing was wanted", configs.ExitAllExited, []configs.Process{idle}, false, nil},
		{"no process", configs.ExitAllFailed, nil, false, nil},
		{"behind the one that failed", configs.ExitAllFailed, []configs.Process{behind, further, withReady(bad)}, true, errAllFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(j Launch) behaviour {
					if j.Process.Name == "bad" && j.Process.Ready.Log != "" {
						return never
					}
					return behave(j)
				}, c.processes...)
				w.in(func(o *Owner) { o.exitOn = c.on })
				time.Sleep(time.Hour)
				synctest.Wait()
				select {
				case <-w.now().Done():
					if !c.ends {
						t.Error("it has ended")
					}
				default:
					if c.ends {
						t.Errorf("it goes on: %+v", w.s.Status())
					}
				}
				w.quit()
				if err := w.now().Verdict(); !errors.Is(err, c.want) {
					t.Errorf("it has ended with %v, want %v", err, c.want)
				}
			})
		})
	}
}

// withReady is p that dies before it is ready, so that what comes after it waits.
func withReady(p configs.Process) configs.Process {
	p.Ready = configs.Ready{Log: "x", Timeout: time.Hour}
	return p
}

// TestExitOnStopsWhatRuns: also what stops slowly, and what is in backoff.
func TestExitOnStopsWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad, end := jobOf("bad", 3)
		slow := configured("slow", 2)
		w := newWorld(t, func(j Launch) behaviour {
			if j.Process.Name == "bad" {
				return end
			}
			return behaviour{drain: 20 * time.Second}
		}, bad, slow)
		w.in(func(o *Owner) { o.exitOn = configs.ExitAnyFailed })
		time.Sleep(time.Minute + 10*time.Second)
		synctest.Wait()
		if got := w.worker("a/slow.2").State; got != api.Stopping {
			t.Errorf("a/slow.2 is %s, want it to be stopped", got)
		}
		w.quit()
	})
}

// TestExitOnWaitsForARollout: a release that fails is put back, and supd goes on.
func TestExitOnWaitsForARollout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := configured("web", 1)
		web.Restart, web.GiveUpAfter = configs.RestartNever, 1
		f := newFleet(t, quick, perVersion(map[string]behaviour{"2": {ready: -1, die: time.Second, code: 3}}), web)
		f.in(func(o *Owner) { o.exitOn = configs.ExitAnyFailed })
		f.expect(5*time.Second, "a/web.1", api.Running)
		f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeRolledBack, "exited with code 3")
		time.Sleep(time.Minute)
		f.wantServing("1", 1)
		f.quit()
		if err := f.now().Verdict(); err != nil {
			t.Errorf("it has ended with %v", err)
		}
	})
}

// TestShutdownIsNoFailure: what was asked for ends with success, whatever failed.
func TestShutdownIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad, end := jobOf("bad", 3)
		w := newWorld(t, always(end), bad)
		w.in(func(o *Owner) { o.exitOn = configs.ExitAllFailed; o.Quit() })
		w.quit()
		if err := w.now().Verdict(); err != nil {
			t.Errorf("it has ended with %v", err)
		}
	})
}
