package engine

import (
	"maps"
	"slices"

	"supd/supervisor/api"
)

// A step of a stop may be for all that the worker has started: a shell or npm ends at
// once, and what it has started has the whole time of the step. So the end of the main
// process is not that of the worker then, and nothing is killed before the time is over.

// lingers reports whether the worker goes on for as long as anything of it lives.
func (w *worker) lingers() bool { return w.State == api.Stopping && w.Group && !w.Killed }

// killsGroup reports whether pid is that of a worker whose process group does not
// outlive it.
func (o *Owner) killsGroup(pid int) bool { return o.workers[pid] != nil && !o.workers[pid].lingers() }

// pids are those of the workers that live.
func (o *Owner) pids() []int { return slices.Collect(maps.Keys(o.workers)) }

// mainEnded is the event of the end of a worker's main process.
func (o *Owner) mainEnded(w *worker, e Exit) {
	if !w.lingers() {
		o.ended(w, e)
		return
	}
	if o.workers[e.Pid] == w {
		delete(o.workers, e.Pid)
	}
	w.main = &e
	o.touch(w.slot)
	o.log.Info("main process of a worker ended, waiting for the others", "worker", w.slot.name(), "pid", w.Pid, "why", e.String())
	w.handle.AwaitRest(o.pids())
}

// emptied is the event of a worker of which nothing is left.
func (o *Owner) emptied(w *worker) {
	switch w.State {
	case api.Stopping:
		if w.main != nil {
			o.ended(w, *w.main)
		}
	case api.Starting, api.Running, api.Unhealthy: // none is waited for
	case api.Exited:
	}
}
