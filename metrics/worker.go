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

	workerQueueWait     = perWorker(counter, "supd_worker_run_queue_wait_seconds_total", "Time that threads have waited for a processor; where there is no cgroup v2.")
	workerCPUWaiting    = perWorker(counter, "supd_worker_cpu_waiting_seconds_total", "Time in which some process has waited for a processor (PSI).")
	workerMemoryWaiting = perWorker(counter, "supd_worker_memory_waiting_seconds_total", "Time in which some process has waited for memory (PSI).")
	workerIOWaiting     = perWorker(counter, "supd_worker_io_waiting_seconds_total", "Time in which some process has waited for I/O (PSI).")
	workerThrottled     = perWorker(counter, "supd_worker_cpu_throttled_seconds_total", "Time in which processes were kept from running by a limit of CPU time.")
	workerOOMKills      = perWorker(counter, "supd_worker_oom_kills_total", "Processes that the kernel has killed for want of memory.")
	workerDeaths        = perWorker(counter, "supd_worker_children_deaths_total", "Descendants that have ended while the worker lived, of those that a scrape has seen: at least so many have.")
	workerPeak          = perWorker(gauge, "supd_worker_memory_peak_bytes", "The most memory since the launch; with the files that it has cached.")
	workerLimit         = perWorker(gauge, "supd_worker_memory_limit_bytes", "Memory that the worker may have.")

	// remembered are those that go on when a process ends.
	remembered = []figure{
		{workerCPU, func(u measure.Usage) float64 { return u.CPU.Seconds() }},
		{workerRead, func(u measure.Usage) float64 { return float64(u.Read) }},
		{workerWritten, func(u measure.Usage) float64 { return float64(u.Written) }},
		{workerDeaths, func(u measure.Usage) float64 { return float64(u.Deaths) }},
		{workerQueueWait, func(u measure.Usage) float64 { return u.QueueWait.Seconds() }},
		{workerCPUWaiting, func(u measure.Usage) float64 { return u.CPUWaiting.Seconds() }},
		{workerMemoryWaiting, func(u measure.Usage) float64 { return u.MemoryWaiting.Seconds() }},
		{workerIOWaiting, func(u measure.Usage) float64 { return u.IOWaiting.Seconds() }},
		{workerThrottled, func(u measure.Usage) float64 { return u.Throttled.Seconds() }},
		{workerOOMKills, func(u measure.Usage) float64 { return float64(u.OOMKills) }},
	}
	everywhere   = []*series{workerCPU, workerRead, workerWritten, workerDeaths} // of remembered
	stateLabels  = labelsOf("state", api.Starting, api.Running, api.Unhealthy, api.Stopping, api.Backoff, api.Exited, api.Failed, api.Stopped)
	reasonLabels = labelsOf("reason", measure.Reasons...)
)

// figure is a series of what a worker has used.
type figure struct {
	*series
	of func(measure.Usage) float64
}

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
func (o out) worker(app, process *dto.LabelPair, w *api.WorkerStatus, f *figures, memory share, told map[*series]bool) {
	slot := label("slot", strconv.Itoa(w.Slot))
	labels := []*dto.LabelPair{app, process, slot}
	send := func(s *series, value float64) { o.send(s, value, labels...) }
	up := w.Pid > 0
	send(workerUp, truth(up))
	send(workerReady, truth(w.Ready))
	more := make([]*dto.LabelPair, 0, 4*(len(stateLabels)+len(reasonLabels))) // one piece of memory for all of them
	for _, state := range stateLabels {
		more = append(more, app, process, slot, state)
		o.send(workerState, truth(state.GetValue() == string(w.State)), more[len(more)-4:]...)
	}
	for _, reason := range reasonLabels {
		more = append(more, app, process, reason, slot)
		o.send(workerRestarts, float64(w.Tally.RestartsBy[measure.Reason(reason.GetValue())]), more[len(more)-4:]...)
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
	o.figures(labels, f, memory, told)
}

// figures leaves out what nobody tells of any worker: told has the others. What was told
// once of this one stays.
func (o out) figures(labels []*dto.LabelPair, f *figures, memory share, told map[*series]bool) {
	send := func(s *series, value float64) { o.send(s, value, labels...) }
	for _, one := range remembered {
		if n := one.of(f.used); n > 0 || told[one.series] {
			send(one.series, n)
		}
	}
	if f.peak > 0 {
		send(workerPeak, float64(f.peak))
	}
	if f.limit > 0 {
		send(workerLimit, float64(f.limit))
	}
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
