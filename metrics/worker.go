package metrics

import (
	"strconv"
	"time"

	dto "github.com/prometheus/client_model/go"
	"golang.org/x/sys/unix"

	"supd/supervisor/api"
	"supd/supervisor/measure"
)

// The series of each slot. A figure covers the slot's workers, of which there are two
// while one takes the place of the other, and all their descendants.
var (
	workerUp        = perWorker(gauge, "supd_worker_up", "Whether the worker has a process.")
	workerReady     = perWorker(gauge, "supd_worker_ready", "Whether the worker is ready.")
	workerState     = perWorker(gauge, "supd_worker_state", "Whether the worker is in that state.", "state")
	workerInfo      = perWorker(gauge, "supd_worker_info", "The release that the worker runs; 1 while it has a process.", "release")
	workerCPU       = perWorker(counter, "supd_worker_cpu_seconds_total", "CPU time used, since the first launch of the slot.")
	workerRead      = perWorker(counter, "supd_worker_read_bytes_total", "Bytes read from storage, since the first launch of the slot.")
	workerWritten   = perWorker(counter, "supd_worker_written_bytes_total", "Bytes written to storage, since the first launch of the slot.")
	workerResident  = perWorker(gauge, "supd_worker_resident_memory_bytes", "Resident memory; what processes share counts for each of them.")
	workerShare     = perWorker(gauge, "supd_worker_proportional_memory_bytes", "Memory, of what is shared the proportional part; up to 30 seconds old.")
	workerOpen      = perWorker(gauge, "supd_worker_open_fds", "Open file descriptors.")
	workerMost      = perWorker(gauge, "supd_worker_max_fds", "File descriptors that may be open, the sum of the limits of all processes.")
	workerFullest   = perWorker(gauge, "supd_worker_fds_used_ratio", "Open file descriptors by limit, of the process that is nearest to its own.")
	workerThreads   = perWorker(gauge, "supd_worker_threads", "Threads.")
	workerProcesses = perWorker(gauge, "supd_worker_processes", "Processes: the worker and its descendants.")
	workerStart     = perWorker(gauge, "supd_worker_start_time_seconds", "When the worker was launched, in seconds since 1970.")
	workerRestarts  = perWorker(counter, "supd_worker_restarts_total", "Launches of the slot but the first, by what led to them.", "reason")
	workerLastExit  = perWorker(gauge, "supd_worker_last_exit_code", "Exit code of the worker that ended last; 128 and the number of the signal that ended it; -1 if nobody knows.")
	stateLabels     = labelsOf("state", api.Starting, api.Running, api.Unhealthy, api.Stopping, api.Backoff, api.Exited, api.Failed, api.Stopped)
	reasonLabels    = labelsOf("reason", measure.Reasons...)
)

func perWorker(kind func(name, help string, labels ...string) *series, name, help string, more ...string) *series {
	return kind(name, help, append([]string{"app", "process", "slot"}, more...)...)
}

func labelsOf[V ~string](name string, values ...V) []*dto.LabelPair {
	all := make([]*dto.LabelPair, len(values))
	for i, v := range values {
		all[i] = label(name, string(v))
	}
	return all
}

// worker sends what concerns one slot.
func (o out) worker(app, process *dto.LabelPair, w *api.WorkerStatus, f *figures, memory share) {
	slot := label("slot", strconv.Itoa(w.Slot))
	labels := []*dto.LabelPair{app, process, slot}
	send := func(s *series, value float64) { o.send(s, value, labels...) }
	up := w.Pid > 0
	send(workerUp, truth(up))
	send(workerReady, truth(w.Ready))
	for _, state := range stateLabels {
		o.send(workerState, truth(state.GetValue() == string(w.State)), app, process, slot, state)
	}
	for _, reason := range reasonLabels {
		o.send(workerRestarts, float64(w.Tally.RestartsBy[measure.Reason(reason.GetValue())]), app, process, reason, slot)
	}
	if up {
		o.send(workerInfo, 1, app, process, label("release", w.Release), slot)
	}
	if up && w.StartedAt != nil {
		send(workerStart, float64(w.StartedAt.UnixNano())/float64(time.Second))
	}
	if w.LastExit != nil {
		send(workerLastExit, exitCode(w.LastExit))
	}
	o.figures(labels, f, memory)
}

func (o out) figures(labels []*dto.LabelPair, f *figures, memory share) {
	send := func(s *series, value float64) { o.send(s, value, labels...) }
	send(workerCPU, f.used.CPU.Seconds())
	send(workerRead, float64(f.used.Read))
	send(workerWritten, float64(f.used.Written))
	send(workerResident, float64(f.resident))
	if memory.ok {
		send(workerShare, float64(memory.bytes))
	}
	send(workerOpen, float64(f.open))
	send(workerMost, float64(f.most))
	send(workerFullest, f.fullest)
	send(workerThreads, float64(f.threads))
	send(workerProcesses, float64(f.processes))
}

// exitCode is what a shell would say of it.
func exitCode(e *api.Exit) float64 {
	if n := unix.SignalNum(e.Signal); n > 0 {
		return 128 + float64(n)
	}
	return float64(e.Code)
}
