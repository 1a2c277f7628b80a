package engine

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/release"
)

func TestGate(t *testing.T) {
	gated := quick
	gated.MaxErrorRate, gated.MinRequests, gated.Unclear = 0.05, 200, configs.UnclearAccept
	paused := gated
	paused.Unclear = configs.UnclearPause
	asked := gated
	asked.OnFailure = configs.OnFailurePause
	of := func(perSecond, failing int64) behaviour {
		b := healthy
		b.perSecond, b.failing = perSecond, failing
		return b
	}
	for _, test := range []struct {
		name    string
		rollout configs.Rollout
		next    behaviour // of release 2
		code    int
		words   string
		serves  string
	}{
		{"bad", gated, of(50, 5), api.CodeRolledBack, "requests to 2 have failed with 5xx: 10 %, more than 5 %", "1"},
		{"good", gated, of(50, 0), api.CodeDone, "2 is active", "2"},
		{"within bounds", gated, of(100, 5), api.CodeDone, "2 is active", "2"},
		{"few", gated, of(1, 1), api.CodeDone, "2 is active", "2"},
		{"few, and a person is to decide", paused, of(1, 1), api.CodeFailed, "paused: too few requests to tell whether 2 is good: 31 of 200", ""},
		{"none, and a person is to decide", paused, of(0, 0), api.CodeFailed, "paused: too few requests to tell whether 2 is good: 0 of 200", ""},
		{"bad, and a person is to decide", asked, of(50, 5), api.CodeFailed, "more than 5 %", ""},
		{"off", quick, of(50, 50), api.CodeDone, "2 is active", "2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// What the old release fails at is not the new one's.
				f := newFleet(t, test.rollout, perVersion(map[string]behaviour{"1": of(50, 50), "2": test.next}), configured("web", 2))
				f.expect(5*time.Second, "a/web.1", api.Running)
				f.wantResult(f.deploy(api.ActionDeploy, "2"), test.code, test.words)
				if test.serves != "" {
					f.wantServing(test.serves, 2)
				}
				f.quit()
			})
		})
	}
}

// TestGateUndoesSoon: what is bad does not wait for the end of the bake.
func TestGateUndoesSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := configs.Rollout{Bake: time.Hour, OnFailure: configs.OnFailureRollback, MaxErrorRate: 0.05, MinRequests: 200, Unclear: configs.UnclearAccept}
		b := healthy
		b.perSecond, b.failing = 100, 100
		f := newFleet(t, r, perVersion(map[string]behaviour{"2": b}), configured("web", 1))
		f.expect(5*time.Second, "a/web.1", api.Running)
		begin := time.Now()
		f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeRolledBack, "200 of 200 requests to 2 have failed with 5xx: 100 %")
		if took := time.Since(begin); took > time.Minute {
			t.Errorf("it took %s", took)
		}
		f.quit()
	})
}

// TestGateAccepted: a person says that few requests are enough.
func TestGateAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := quick
		r.MaxErrorRate, r.MinRequests, r.Unclear = 0.05, 200, configs.UnclearPause
		f := newFleet(t, r, always(healthy), configured("web", 1))
		f.expect(5*time.Second, "a/web.1", api.Running)
		f.wantResult(f.deploy(api.ActionDeploy, "2"), api.CodeFailed, "too few requests")
		reply := make(chan *api.Result, 1)
		f.s.post(func(o *Owner) { o.Resume(api.Request{Action: api.ActionResume, Targets: []string{"a"}}, reply) })
		result := f.wantResult(reply, api.CodeDone, "2 is active")
		var said []string
		for _, p := range result.Rollout.Progress {
			said = append(said, p.Message)
		}
		if text := strings.Join(said, "\n"); !strings.Contains(text, "0 of 200; no worker says anything of requests, do they send to {statsd}?; it is accepted") {
			t.Errorf("progress:\n%s", text)
		}
		f.wantServing("2", 1)
		f.quit()
	})
}

// TestGateOnTheWayBack: a rollback and a first release have no gate.
func TestGateOnTheWayBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := quick
		r.MaxErrorRate, r.MinRequests, r.Unclear = 0.05, 10, configs.UnclearPause
		bad := healthy
		bad.perSecond, bad.failing = 100, 100
		f := newFleet(t, r, perVersion(map[string]behaviour{"0": bad, "1": bad}), configured("web", 1))
		f.expect(5*time.Second, "a/web.1", api.Running)
		f.wantResult(f.deploy(api.ActionRollback, "0"), api.CodeDone, "0 is active")
		f.in(func(o *Owner) {
			a := o.findApp("a")
			first := &rollout{app: a, status: api.RolloutStatus{Rollout: release.Rollout{Kind: release.KindDeploy, To: "1"}}}
			if first.isGated() {
				t.Error("a first release has a gate")
			}
		})
		f.quit()
	})
}
