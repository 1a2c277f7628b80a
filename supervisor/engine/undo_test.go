package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/supervisor/api"
)

// TestUndoOfWhatIsAllBroken: the old workers come back all at once.
func TestUndoOfWhatIsAllBroken(t *testing.T) {
	slow := healthy
	slow.ready = 20 * time.Second
	for name, bad := range map[string]behaviour{
		"ill":      {ready: time.Second, ill: 10 * time.Second, drain: time.Second},
		"dies":     {ready: time.Second, die: 10 * time.Second, code: 1, drain: time.Second},
		"hangs on": {ready: time.Second, ill: 10 * time.Second, ignores: true},
	} {
		for _, strategy := range []configs.Strategy{configs.StrategySurge, configs.StrategyReplace} {
			t.Run(name+" "+string(strategy), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := configs.Rollout{Bake: time.Hour, OnFailure: configs.OnFailureRollback, Strategy: strategy}
					r.Surge.Workers = 1
					f := newFleet(t, r, perVersion(map[string]behaviour{"1": slow, "2": bad}), configured("web", 4))
					f.expect(2*time.Minute, "a/web.4", api.Running)
					begin := time.Now()
					f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeRolledBack, "a/web.1")
					if took := time.Since(begin); took >= 4*slow.ready {
						t.Errorf("it took %s, as if one came back after the other", took)
					}
					time.Sleep(time.Minute)
					f.wantServing("1", 4)
					if f.most > 8 {
						t.Errorf("%d processes at once", f.most)
					}
					f.quit()
				})
			})
		}
	}
}

// TestUndoWithoutMinReady: what comes back has been good before.
func TestUndoWithoutMinReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := configs.Rollout{MinReady: time.Minute, Bake: time.Hour, OnFailure: configs.OnFailureRollback}
		f := newFleet(t, r, always(healthy), configured("web", 3))
		f.expect(5*time.Second, "a/web.3", api.Running)
		reply := f.deploy(api.ActionDeploy, "2")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		victim := f.running()[0]
		f.in(func(*Owner) { victim.Signal(unix.SIGKILL) })
		begin := time.Now()
		f.wantResult(reply, api.CodeRolledBack, "killed by SIGKILL")
		if took := time.Since(begin); took >= r.MinReady {
			t.Errorf("it took %s", took)
		}
		if f.most > 4 {
			t.Errorf("%d processes at once, want 4 at most", f.most)
		}
		f.wantServing("1", 3)
		f.quit()
	})
}
