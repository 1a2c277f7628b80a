package metrics

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"supd/supervisor"
	"supd/supervisor/api"
	"supd/supervisor/measure"
	"supd/supervisor/release"
	"supd/supervisor/statsd"
)

func TestLook(t *testing.T) {
	one := slot(1, api.Running, api.Run{Pid: 200, Start: 50, Release: "1.4"})
	one.Release, one.Restarts = "1.4", 7
	two := slot(2, api.Backoff)
	now := time.Unix(5000, 0)
	one.Tally.Recent = measure.Recent(nil).With(now).With(now)
	w := newWorld(t, one, two)
	w.collector.now = func() time.Time { return now }
	w.process(200, self, 200, 50, "web", 100)
	w.process(201, 200, 200, 60, "child", 10)
	a := &w.status.Apps[0]
	a.Release, a.State, a.Note, a.Processes[0].Sockets = "1.4", api.Backoff, "trouble", []string{"web"}
	a.Rollout = &api.RolloutStatus{Rollout: release.Rollout{Kind: release.KindDeploy, To: "1.5", Step: release.StepPaused, StepAt: now, Reason: "why"}}
	w.queues = []supervisor.Queue{{Key: "a/web", Length: 3, Limit: 5, Drops: 7}, {Key: "a/local", Length: 1, Limit: 2, Drops: -1}, {Key: "b/web"}}
	web := statsd.Origin{App: "a", Process: "web", Slot: 1, Release: "1.4"}
	w.said.Requests = []statsd.Requests{{Origin: web, ByClass: [5]int64{0, 10, 1, 2, 3}}, {Origin: web, ByClass: [5]int64{0, 0, 0, 0, 4}}}
	w.broken = errors.New("of one socket") // hides nothing else
	got, err := w.collector.look()
	if err != nil || got.MemoryBytes < 1<<20 {
		t.Errorf("%d bytes, %v", got.MemoryBytes, err)
	}
	drops, started := int64(7), time.Unix(1000, 0)
	want := &api.Figures{At: now, MemoryBytes: got.MemoryBytes, Apps: []api.AppFigures{{Name: "a", Release: "1.4", State: api.Backoff, Note: "trouble",
		Paused:  &api.Pause{Kind: release.KindDeploy, To: "1.5", Since: now, Reason: "why"},
		Sockets: []api.SocketFigures{{Name: "web", Length: 3, Limit: 5, Drops: &drops}, {Name: "local", Length: 1, Limit: 2}},
		Processes: []api.ProcessFigures{{Name: "web", Sockets: []string{"web"}, Workers: []api.WorkerFigures{
			{Name: "a/web.1", Slot: 1, State: api.Running, Pid: 200, Release: "1.4", Ready: true, Desired: true, StartedAt: &started, Restarts: 7, RestartsLastHour: 2,
				CPUSeconds: 1.1, ResidentBytes: 2 * 2 * pageSize, ProportionalBytes: 200 << 10, OpenFDs: 8, MaxFDs: 20, FDsUsedRatio: 0.4, Threads: 6, Processes: 2,
				Requests: &api.Requests{Total: 20, Errors: 7}},
			{Name: "a/web.2", Slot: 2, State: api.Backoff, Desired: true, Missed: true},
		}}},
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if w.seen != nil {
		t.Error("was recorded")
	}
	a.Rollout.Step = release.StepReplace
	if got, _ := w.collector.look(); got.Apps[0].Paused != nil {
		t.Error("still paused")
	}
	w.collector.proc.root = "/nonexistent"
	if _, err := w.collector.look(); err == nil {
		t.Error("no error without /proc")
	}
}

// Who asks while figures are read gets those.
func TestLooksAtOnceAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, slot(1, api.Stopped))
		w.enter, w.leave = make(chan struct{}), make(chan struct{})
		s := w.server()
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				if f, err := s.Figures(); err != nil || len(f.Apps) != 1 {
					t.Errorf("%+v, %v", f, err)
				}
			})
		}
		<-w.enter
		synctest.Wait() // until all have come
		w.leave <- struct{}{}
		all.Wait()
		if n := w.asked.Load(); n != 1 {
			t.Errorf("%d gatherings", n)
		}
	})
}
