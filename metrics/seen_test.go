package metrics

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"supd/supervisor/api"
	"supd/supervisor/engine"
	"supd/supervisor/measure"
)

// A child that supd reaps goes from what the worker has used to the past of its slot,
// and is counted there alone.
func TestOrphanIsCountedOnce(t *testing.T) {
	run := api.Run{Pid: 200, Start: 50}
	w := newWorld(t, slot(1, api.Running, run))
	w.process(200, self, 200, 50, "main", 500)
	w.process(201, self, 200, 60, "orphan", 300)
	w.want("supd_worker_cpu_seconds_total", 8)
	w.gone(201)
	run.Used = measure.Usage{CPU: 4 * time.Second}
	one := slot(1, api.Running, run)
	one.Tally.Past = measure.Usage{CPU: 4 * time.Second}
	w.runs(one)
	w.want("supd_worker_cpu_seconds_total", 9)
}

// A status that is older than what was shown takes nothing back.
func TestStatusOfBefore(t *testing.T) {
	w := newWorld(t, slot(1, api.Stopped))
	old := w.status
	ended := slot(1, api.Backoff)
	ended.Tally.Past = measure.Usage{CPU: 5 * time.Second, OOMKills: 2}
	w.runs(ended)
	w.want("supd_worker_cpu_seconds_total", 5)
	w.status = old
	w.want("supd_worker_cpu_seconds_total", 5)
	w.want("supd_worker_oom_kills_total", 2)
}

func (w *world) queued(pid int, thread string, wait time.Duration) {
	w.file(pid, thread+"schedstat", fmt.Sprintf("123456789 %d 42\n", wait.Nanoseconds()))
}

// All threads of all processes count, also those that have ended.
func TestRunQueueWait(t *testing.T) {
	const name = "supd_worker_run_queue_wait_seconds_total"
	run := api.Run{Pid: 200, Start: 50, Used: measure.Usage{QueueWait: 4 * time.Second}}
	w := newWorld(t, slot(1, api.Running, run), slot(2, api.Stopped))
	w.process(200, self, 200, 50, "three threads", 1)
	w.queued(200, "", time.Second)
	w.file(200, "task/200/schedstat", "")
	w.queued(200, "task/250/", 2*time.Second)
	w.want(name, 4) // an earlier supd has seen more
	if diff := cmp.Diff(map[string]float64{"1": 4, "2": 0}, w.values(name)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.queued(200, "task/250/", 5*time.Second)
	w.want(name, 7)
	w.file(201, "stat", "201 (one thread) S 200 200 200 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 60 0 2 0")
	w.queued(201, "", 10*time.Second)
	w.want(name, 17)
	w.gone(201)
	w.want(name, 17)
	w.file(201, "stat", "201 (another) S 200 200 200 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 61 0 2 0")
	w.queued(201, "", time.Second)
	w.want(name, 18)
	if got := w.seen[engine.RunID{Pid: 200, Start: 50}].QueueWait; got != 18*time.Second {
		t.Errorf("%s is to be recorded", got)
	}
}

func TestNoRunQueueWait(t *testing.T) { // CONFIG_SCHED_INFO=n
	w := newWorld(t, slot(1, api.Running, api.Run{Pid: 200, Start: 50}))
	w.process(200, self, 200, 50, "main", 1)
	if got := w.values("supd_worker_run_queue_wait_seconds_total"); len(got) > 0 {
		t.Errorf("%v", got)
	}
}

func TestDeathsOfChildren(t *testing.T) {
	const name = "supd_worker_children_deaths_total"
	run := api.Run{Pid: 200, Start: 50, Used: measure.Usage{Deaths: 7}}
	w := newWorld(t, slot(1, api.Running, run))
	for pid := 200; pid <= 204; pid++ {
		w.process(pid, min(pid-1, 200), 200, pid-150, "one of them", 1)
	}
	w.process(300, 1, 300, 60, "stranger", 1)
	w.want(name, 7)
	w.gone(300)
	w.gone(201)
	w.process(202, 200, 200, 99, "with the pid of one that is gone", 1)
	w.file(203, "stat", "203 (zombie) Z 200 200 200 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 53 0 0 0")
	w.process(204, 1, 204, 54, "has left for init", 1)
	w.want(name, 10)
	w.gone(203)
	w.want(name, 10)
	w.gone(200) // with its last child
	w.gone(202)
	w.want(name, 10)
}

func TestCgroup(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := api.Run{Pid: 200, Start: 50, Cgroup: dir, Used: measure.Usage{CPUWaiting: time.Second}}
	w := newWorld(t, slot(1, api.Running, run), slot(2, api.Stopped))
	w.process(200, self, 200, 50, "main", 1)
	w.queued(200, "", time.Second)
	all := map[string]float64{"supd_worker_cpu_waiting_seconds_total": 3, "supd_worker_memory_waiting_seconds_total": 0, "supd_worker_io_waiting_seconds_total": 0.5,
		"supd_worker_cpu_throttled_seconds_total": 2, "supd_worker_oom_kills_total": 1, "supd_worker_memory_peak_bytes": 8192, "supd_worker_memory_limit_bytes": 65536}
	for name, value := range all {
		want := map[string]float64{}
		if name == "supd_worker_cpu_waiting_seconds_total" { // it was once
			want["1"] = 1
		}
		if diff := cmp.Diff(want, w.values(name)); diff != "" {
			t.Errorf("%s without its file, not %v (-want +got):\n%s", name, value, diff)
		}
	}
	file("cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=3000000\n")
	file("memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
	file("io.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n")
	file("cpu.stat", "usage_usec 1\nthrottled_usec 2000000\n")
	file("memory.events", "oom_kill 1\n")
	file("memory.peak", "8192\n")
	file("memory.max", "65536\n")
	for name, value := range all {
		want := map[string]float64{"1": value}
		if _, counts := map[string]bool{"supd_worker_memory_peak_bytes": true, "supd_worker_memory_limit_bytes": true}[name]; !counts {
			want["2"] = 0
		}
		if diff := cmp.Diff(want, w.values(name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := w.values("supd_worker_run_queue_wait_seconds_total"); len(got) > 0 {
		t.Errorf("run queue wait %v beside a cgroup", got)
	}
	used := w.seen[engine.RunID{Pid: 200, Start: 50}]
	want := measure.Usage{CPUWaiting: 3 * time.Second, IOWaiting: time.Second / 2, Throttled: 2 * time.Second, OOMKills: 1}
	used.CPU, used.Read, used.Written = 0, 0, 0
	if used != want {
		t.Errorf("to be recorded: %+v, want %+v", used, want)
	}
}
