package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"supd/configs"
	"supd/supervisor/api"
)

// waiting is a process of eight whose pre_start hooks take so long; negative is for ever.
func waiting(d time.Duration) (configs.Process, behaviour) {
	p, b := hooked("web", configs.HookPreStart), healthy
	p.Count, b.launch = 8, d
	return p, b
}

// TestLaunchesThatHang: two apps whose hooks wait for a database, say, keep no other from
// launching.
func TestLaunchesThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs, forever := waiting(-1)
		w := newWorld(t, func(l Launch) behaviour {
			if l.App == "good" {
				return healthy
			}
			return forever
		})
		w.applyPrepared(w.appsOf(map[string]configs.Process{"bad": hangs, "good": configured("web", 2), "worse": hangs}))
		w.expect(5*time.Second, "good/web.2", api.Running)
		if r := w.do(api.ActionRestart, true, "good"); r.Code != api.CodeDone {
			t.Errorf("restart: %+v", r)
		}
		w.settled()
		w.quit()
	})
}

// TestLaunchesAtATime: those that do not hang share the processors a few at a time.
func TestLaunchesAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		some, b := waiting(400 * time.Millisecond)
		w := newWorld(t, always(b))
		w.applyPrepared(w.appsOf(map[string]configs.Process{"a": some, "b": some, "c": some}))
		time.Sleep(200 * time.Millisecond)
		w.in(func(o *Owner) {
			if o.launching != maxLaunching {
				t.Errorf("%d launches are under way", o.launching)
			}
		})
		w.expect(10*time.Second, "c/web.8", api.Running)
		w.quit()
	})
}

// TestPutOff: a launch that waits for its hook keeps no other supd from taking the place of
// this one, and has not failed.
func TestPutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs, b := waiting(-1)
		w := newWorld(t, func(Launch) behaviour { return b }, hangs)
		w.expect(time.Minute, "a/web.8", api.Starting)
		late := time.AfterFunc(5*time.Second, func() { w.s.post((*Owner).PutOff) })
		defer late.Stop()
		w.replaced()
		b.launch = time.Second
		w.takesOver(w.config(configs.Rollout{Surge: configs.Surge{Workers: 1}}, hangs), true, time.Second, nil)
		if got := w.expect(10*time.Second, "a/web.8", api.Running); got.LastExit != nil || got.Restarts != 0 || len(got.Tally.RestartsBy) > 0 {
			t.Errorf("status %+v", got)
		}
		w.quit()
	})
}

// TestPutOffInVain: where the other supd does not come, the hook runs once more.
func TestPutOffInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs, b := waiting(-1)
		w := newWorld(t, func(Launch) behaviour { return b }, hangs)
		w.s.post((*Owner).PutOff) // nobody is to come: it changes nothing
		w.expect(time.Minute, "a/web.8", api.Starting)
		quiet := make(chan struct{})
		w.in(func(o *Owner) { o.Freeze(func() { o.Thaw(); close(quiet) }) })
		w.in(func(o *Owner) {
			b.launch = time.Second
			o.PutOff()
			o.PutOff()
		})
		<-quiet
		if got := w.expect(10*time.Second, "a/web.8", api.Running); got.Generation != 2 || got.LastExit != nil || got.Restarts != 0 || len(got.Tally.RestartsBy) > 0 {
			t.Errorf("status %+v", got)
		}
		w.quit()
	})
}
