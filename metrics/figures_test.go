package metrics

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"supd/supervisor/api"
	"supd/supervisor/engine"
	"supd/supervisor/measure"
	"supd/supervisor/output"
)

// A worker with all kinds of descendants, and others that are none.
func TestFiguresCoverDescendants(t *testing.T) {
	w := newWorld(t, slot(1, api.Running, api.Run{Pid: 200, Start: 50, Generation: 3}), slot(2, api.Running, api.Run{Pid: 300, Start: 51, Generation: 1}))
	w.process(200, self, 200, 50, "a) R 1 (b", 100)
	w.process(201, 200, 200, 60, "child", 10)
	w.process(202, 201, 202, 61, "grandchild in a session", 20)
	w.process(203, 1, 200, 62, "orphan of init", 30)
	w.process(204, self, 204, 63, "daemon", 40)
	w.file(204, "environ", "A=1\x00SUPD_WORKER=a/web.1\x00SUPD_GENERATION=3\x00")
	w.process(205, 1, 205, 64, "another launch's", 1000)
	w.file(205, "environ", "SUPD_WORKER=a/web.1\x00SUPD_GENERATION=2\x00")
	w.process(206, 1, 206, 5, "older", 1000)
	w.file(206, "environ", "SUPD_WORKER=a/web.1\x00SUPD_GENERATION=3\x00")
	w.process(300, self, 300, 51, "other", 7)
	w.process(400, 1, 400, 70, "stranger", 1000)
	w.want("supd_worker_cpu_seconds_total", 2)
	w.want("supd_worker_processes", 5)
	w.want("supd_worker_threads", 15)
	w.want("supd_worker_resident_memory_bytes", float64(5*2*pageSize))
	w.want("supd_worker_proportional_memory_bytes", 5*100<<10)
	w.want("supd_worker_open_fds", 20)
	w.want("supd_worker_max_fds", 50)
	w.want("supd_worker_fds_used_ratio", 0.4)
	w.want("supd_worker_read_bytes_total", 5*4096)
	w.want("supd_worker_written_bytes_total", 5*512)
	w.want("supd_worker_start_time_seconds", 1000)
	w.want("supd_worker_up", 1)
	if got := w.values("supd_worker_processes")["2"]; got != 1 {
		t.Errorf("slot 2 has %v processes", got)
	}
}

// While one worker takes the place of another there is one series, of both.
func TestOldAndNewAreOneSeries(t *testing.T) {
	w := newWorld(t, slot(1, api.Running, api.Run{Pid: 200, Start: 50}, api.Run{Pid: 201, Start: 60}))
	w.process(200, self, 200, 50, "old", 100)
	w.process(201, self, 201, 60, "new", 50)
	if diff := cmp.Diff(map[string]float64{"1": 1.5}, w.values("supd_worker_cpu_seconds_total")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.want("supd_worker_processes", 2)
}

// Another process may have got the pid of a worker that has just ended.
func TestPidOfAnother(t *testing.T) {
	w := newWorld(t, slot(1, api.Running, api.Run{Pid: 200, Start: 50, Used: measure.Usage{CPU: time.Second}}))
	w.process(200, 1, 200, 51, "stranger", 1000)
	w.process(201, 200, 200, 52, "its child", 1000)
	w.want("supd_worker_cpu_seconds_total", 1)
	w.want("supd_worker_processes", 0)
}

func TestCPUNeverGoesBack(t *testing.T) {
	run := api.Run{Pid: 200, Start: 50}
	w := newWorld(t, slot(1, api.Running, run))
	w.process(200, self, 200, 50, "main", 100)
	w.process(201, 200, 200, 60, "child", 300)
	w.want("supd_worker_cpu_seconds_total", 4)
	id := engine.RunID{Pid: 200, Start: 50}
	if got := w.seen[id].CPU; got != 4*time.Second {
		t.Errorf("%s was noted, want 4s", got)
	}

	w.gone(201) // and nobody has waited for it
	w.want("supd_worker_cpu_seconds_total", 4)
	w.seen = nil
	run.Used = measure.Usage{CPU: 4 * time.Second, Read: 2 * 4096, Written: 2 * 512, Deaths: 1}
	w.runs(slot(1, api.Running, run))
	w.want("supd_worker_cpu_seconds_total", 4)
	if w.seen != nil {
		t.Errorf("noted again: %v", w.seen)
	}

	w.process(200, self, 200, 50, "main", 500)
	w.want("supd_worker_cpu_seconds_total", 5)

	w.gone(200) // the status does not know yet
	w.want("supd_worker_cpu_seconds_total", 5)
	ended := slot(1, api.Backoff)
	ended.Tally.Past = measure.Usage{CPU: 5 * time.Second}
	w.runs(ended)
	w.want("supd_worker_cpu_seconds_total", 5)
	w.want("supd_worker_up", 0)
}

// A log that has grown is a reason to record, too.
func TestLogsAreNoted(t *testing.T) {
	w := newWorld(t, slot(1, api.Running, api.Run{Pid: 200, Start: 50}))
	w.logs = map[string]output.Count{"/l": {Written: 7, Dropped: 1}}
	w.gather()
	if w.seen == nil {
		t.Error("nothing was recorded")
	}
	w.seen = nil
	if got := w.values("supd_log_bytes_total")[""]; got != 7 {
		t.Errorf("%v bytes", got)
	}
	if w.seen != nil {
		t.Error("recorded although nothing has changed")
	}
}

// The kernel is not asked again for what it has said less than 30 seconds ago, unless
// there is another worker.
func TestProportionalMemoryIsCached(t *testing.T) {
	w := newWorld(t, slot(1, api.Running, api.Run{Pid: 200, Start: 50}))
	now := time.Unix(1000, 0)
	w.collector.now = func() time.Time { return now }
	const name = "supd_worker_proportional_memory_bytes"
	w.process(200, self, 200, 50, "main", 1)
	w.want(name, 100<<10)
	w.file(200, "smaps_rollup", "[rollup]\nPss: 200 kB\n")
	now = now.Add(memoryAge - 1)
	w.want(name, 100<<10)
	now = now.Add(1)
	w.want(name, 200<<10)
	w.process(201, self, 201, 51, "next", 1)
	w.runs(slot(1, api.Running, api.Run{Pid: 201, Start: 51}))
	w.want(name, 100<<10)
	w.runs(slot(2, api.Stopped))
	if diff := cmp.Diff(map[string]float64{"2": 0}, w.values(name)); diff != "" || len(w.collector.memory) != 1 {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.process(202, self, 202, 52, "hidden", 1)
	w.gone(202)
	w.file(202, "stat", "202 (x) S 100 202 202 0 -1 0 0 0 0 0 1 0 0 0 20 0 1 0 52 0 2 0")
	w.runs(slot(1, api.Running, api.Run{Pid: 202, Start: 52}))
	if got := w.values(name); len(got) != 0 {
		t.Errorf("%v of a process that is not to be looked at", got)
	}
}

// What takes long is put off: each scrape asks for a few, the oldest first.
func TestProportionalMemoryHasABudget(t *testing.T) {
	w := newWorld(t, slot(1, api.Running, api.Run{Pid: 200, Start: 50}), slot(2, api.Running, api.Run{Pid: 201, Start: 50}))
	w.process(200, self, 200, 50, "main", 1)
	w.process(201, self, 201, 50, "main", 1)
	now := time.Unix(1000, 0)
	w.collector.now = func() time.Time { now = now.Add(memoryTime / 2); return now }
	const name = "supd_worker_proportional_memory_bytes"
	if got := w.values(name); len(got) != 1 {
		t.Errorf("%v, want one", got)
	}
	if got := w.values(name); len(got) != 2 {
		t.Errorf("%v, want both", got)
	}
}

// The kernel is not asked for it where it is off.
func TestNoProportionalMemory(t *testing.T) {
	w := newWorld(t, slot(1, api.Running, api.Run{Pid: 200, Start: 50}))
	w.process(200, self, 200, 50, "main", 1)
	w.collector.proportional = false
	if got := w.values("supd_worker_proportional_memory_bytes"); len(got) > 0 {
		t.Errorf("%v", got)
	}
	w.want("supd_worker_up", 1)
}
