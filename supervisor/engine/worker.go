package engine

import (
	"cmp"
	"time"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/record"
)

// set is the one place where a worker's state and its deadline change; the zero
// deadline is none.
func (w *worker) set(to api.State, deadline time.Time) { w.State, w.Deadline = to, deadline }

// transit moves a worker into another state, and says why.
func (o *Owner) transit(w *worker, to api.State, deadline time.Time, why string) {
	if w.State != to {
		o.log.Info("worker", "worker", w.slot.name(), "pid", w.Pid, "from", w.State, "to", to, "why", why)
	}
	w.set(to, deadline)
	o.touch(w.slot)
}

// live reports whether the worker neither stops nor has ended.
func (w *worker) live() bool {
	return w.State == api.Starting || w.State == api.Running || w.State == api.Unhealthy
}

// isCandidate reports whether it is the worker of a smoke test, which no request must
// reach.
func (w *worker) isCandidate() bool { return w.slot.number == record.Candidate }

// isFinal reports whether the restart policy wants no other worker after an end
// like this.
func (w *worker) isFinal(clean bool) bool {
	if clean && w.config.Ready.Exit {
		return true
	}
	policy := w.revision.Config.Restart
	return policy == configs.RestartNever || policy == configs.RestartOnFailure && clean || w.isCandidate()
}

// readyFor is how long the worker has been ready.
func (w *worker) readyFor(now time.Time) time.Duration {
	if w.Ready.IsZero() {
		return 0
	}
	return now.Sub(w.Ready)
}

func (w *worker) drainsLong(now time.Time) bool {
	return w.State == api.Stopping && w.Draining && now.Sub(w.stopped) >= drainPatience
}

// drainPatience is how long those that come after a process wait for its old
// workers to end, before they are replaced without it.
const drainPatience = 10 * time.Second

// startTime is how long it may take to be ready, or takes where it has to live.
func startTime(r configs.Ready) time.Duration {
	if r.Uptime > 0 {
		return r.Uptime
	}
	return r.Timeout
}

func (o *Owner) watchdogDeadline(w *worker) time.Time {
	if w.config.Watchdog == 0 {
		return time.Time{}
	}
	return time.Now().Add(w.config.Watchdog)
}

func notReady(w *worker) string {
	if w.config.Ready.Exit {
		return "has not ended within " + w.config.Ready.Timeout.String()
	}
	why := "not ready within " + w.config.Ready.Timeout.String()
	if last := w.observer.Answer(); last != "" {
		return why + ": " + last
	}
	return why
}

func (o *Owner) launchOf(w *worker) Launch {
	p := w.slot.process
	return Launch{worker: w, App: p.app.name, Process: w.config, Release: w.revision.Release, Slot: w.slot.number,
		Generation: w.Generation, Candidate: w.isCandidate(), Heard: p.app.rollout != nil || len(w.slot.waiters) > 0}
}

// record is the worker as the next supd has to know it.
func (w *worker) record() record.Worker {
	return record.Worker{WorkerState: w.WorkerState, Process: w.Process, Key: cmp.Or(w.key, w.revision.Key), Old: w.revision != w.slot.revision,
		Release: w.revision.Release, Log: w.revision.Config.Log.File, Stop: w.revision.Config.Stop}
}
