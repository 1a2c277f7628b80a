package metrics

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"

	"supd/supervisor"
	"supd/supervisor/api"
	"supd/supervisor/measure"
	"supd/supervisor/release"
)

func TestStates(t *testing.T) {
	failed := slot(1, api.Failed)
	failed.LastExit = &api.Exit{Code: -1, Signal: "SIGKILL"}
	failed.Tally.RestartsBy = map[measure.Reason]int{measure.NotReady: 3, "made up": 9}
	stopped := slot(2, api.Stopped)
	stopped.LastExit = &api.Exit{Code: 4}
	w := newWorld(t, failed, stopped, slot(3, api.Starting))
	states := w.values("supd_worker_state")
	if len(states) != 3*8 || states["1 FAILED"] != 1 || states["1 RUNNING"] != 0 || states["2 STOPPED"] != 1 {
		t.Errorf("states %v", states)
	}
	restarts := w.values("supd_worker_restarts_total")
	if len(restarts) != 3*len(measure.Reasons) || restarts["not_ready 1"] != 3 {
		t.Errorf("restarts %v", restarts)
	}
	if diff := cmp.Diff(map[string]float64{"1": 137, "2": 4}, w.values("supd_worker_last_exit_code")); diff != "" {
		t.Errorf("exit codes (-want +got):\n%s", diff)
	}
	for _, name := range []string{"supd_worker_up", "supd_worker_ready", "supd_worker_processes", "supd_worker_cpu_seconds_total", "supd_worker_resident_memory_bytes"} {
		if diff := cmp.Diff(map[string]float64{"1": 0, "2": 0, "3": 0}, w.values(name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := w.values("supd_process_desired_workers")[""]; got != 2 {
		t.Errorf("%v are desired", got)
	}
}

func TestReleases(t *testing.T) {
	w := newWorld(t)
	totals := release.Totals{}.With(release.KindDeploy, release.RolledBack, time.Minute).With(release.KindDeploy, release.Done, time.Second)
	w.status = api.NewStatus([]api.AppStatus{{Name: "a", Release: "2", Previous: "1", Totals: totals,
		Rollout: &api.RolloutStatus{Rollout: release.Rollout{To: "3"}}}, {Name: "none"}})
	if diff := cmp.Diff(map[string]float64{"active 2": 1, "previous 1": 1, "rollout 3": 1}, w.values("supd_release_info")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want := map[string]float64{"deploy done": 1, "deploy rolled_back": 1, "deploy failed": 0, "rollback done": 0, "rollback rolled_back": 0, "rollback failed": 0}
	if diff := cmp.Diff(want, w.values("supd_rollouts_total")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPhase(t *testing.T) {
	w := newWorld(t)
	at := time.Unix(1000, 0)
	w.collector.now = func() time.Time { return at.Add(90 * time.Second) }
	rollout := release.Rollout{To: "3", Step: release.StepBake, StepAt: at}
	show := func() {
		w.status = api.NewStatus([]api.AppStatus{{Name: "a", Release: "2", Last: release.RolledBack, Rollout: &api.RolloutStatus{Rollout: rollout}}})
	}
	show()
	phases := map[string]float64{"check": 0, "smoke": 0, "replace": 0, "bake": 1, "paused": 0, "undo": 0}
	last := map[string]float64{"done": 0, "rolled_back": 1, "failed": 0}
	check := func(seconds float64) {
		t.Helper()
		for name, want := range map[string]map[string]float64{"supd_rollout_phase": phases, "supd_rollout_phase_seconds": {"": seconds}, "supd_rollout_last_result": last} {
			if diff := cmp.Diff(want, w.values(name)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
	check(90)
	rollout.EndedAt, phases["bake"] = at.Add(time.Minute), 0
	show()
	check(0)
}

// What cannot be had of a socket hides nothing else.
func TestQueues(t *testing.T) {
	w := newWorld(t, slot(1, api.Stopped))
	w.queues = []supervisor.Queue{{Key: "a/web", Length: 3, Limit: 5, Drops: 7}, {Key: "a/local", Length: 1, Limit: 2, Drops: -1}}
	w.broken = errors.New("no")
	for name, want := range map[string]map[string]float64{
		"supd_socket_accept_queue_length": {"web": 3, "local": 1},
		"supd_socket_accept_queue_limit":  {"web": 5, "local": 2},
		"supd_socket_accept_drops_total":  {"web": 7},
		"supd_worker_up":                  {"1": 0},
	} {
		if diff := cmp.Diff(want, w.values(name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// The classic and the native histogram count the same.
func TestHistogram(t *testing.T) {
	var d measure.Durations
	for _, took := range []time.Duration{0, time.Second, 1500 * time.Millisecond, 2 * time.Second, 3 * time.Second, 48 * time.Hour} {
		d = d.With(took)
	}
	run := api.Run{Pid: 200, Start: 50, Release: "1.4", Launched: time.Unix(100, 0), Ready: time.Unix(103, 0)}
	one := slot(1, api.Running, run)
	one.Tally.Starts = d
	w := newWorld(t, one)
	var h *dto.Histogram
	for _, f := range w.gather() {
		if f.GetName() == "supd_worker_start_duration_seconds" {
			h = f.Metric[0].Histogram
		}
	}
	if h.GetSampleCount() != 6 || h.GetSampleSum() != d.Sum.Seconds() || h.GetSchema() != 3 {
		t.Errorf("%v", h)
	}
	classic := map[float64]uint64{}
	for _, b := range h.Bucket {
		classic[b.GetUpperBound()] = b.GetCumulativeCount()
		if is := b.Exemplar != nil; is != (b.GetUpperBound() == 4) {
			t.Errorf("exemplar of %v: %v", b.GetUpperBound(), b.Exemplar)
		}
	}
	for bound, want := range map[float64]uint64{0.0625: 1, 0.5: 1, 1: 2, 2: 4, 4: 5, 512: 5} {
		if classic[bound] != want {
			t.Errorf("%d up to %v s, want %d", classic[bound], bound, want)
		}
	}
	native, index, count := map[int]int64{}, int32(0), int64(0)
	deltas := h.PositiveDelta
	for _, s := range h.PositiveSpan {
		index += s.GetOffset()
		for range s.GetLength() {
			count += deltas[0]
			native[int(index)], deltas = count, deltas[1:]
			index++
		}
	}
	if diff := cmp.Diff(d.Buckets, native); diff != "" || len(deltas) > 0 {
		t.Errorf("native (-want +got):\n%s", diff)
	}
}

func TestConfigChanged(t *testing.T) {
	w := newWorld(t, slot(1, api.Stopped))
	for _, changed := range []map[string]bool{nil, {"a": true, "new": true}} {
		w.changed, w.count = changed, len(changed)
		want := map[string]float64{"": truth(changed["a"])} // an app that was not applied has no label
		if diff := cmp.Diff(want, w.values("supd_config_changed")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got := w.values("supd_config_files_changed")[""]; got != float64(w.count) {
			t.Errorf("%v files, want %d", got, w.count)
		}
	}
	w.unread = errors.New("no directory")
	if got := w.values("supd_config_changed"); len(got) > 0 {
		t.Errorf("%v although the files cannot be read", got)
	}
	w.want("supd_worker_up", 0)
}

func TestOwnLogLines(t *testing.T) {
	w := newWorld(t)
	w.dropped = 7
	if text := body(t, w.ask(w.server(), "/metrics", "*/*")); !strings.Contains(text, "\nsupd_own_log_dropped_lines_total 7\n") {
		t.Error(text)
	}
}
