package engine

import (
	"slices"

	"supd/supervisor/api"
	"supd/supervisor/release"
)

// seeWhetherBroken looks whether any worker serves that is to go. Slots that wait for
// room find it where none does.
func (o *Owner) seeWhetherBroken(t *stage) {
	was := t.broken
	t.broken = t.to != nil && !slices.ContainsFunc(t.process.slots, func(s *slot) bool {
		return slices.ContainsFunc(s.workers, func(w *worker) bool { return w.revision != t.from && w.State == api.Running })
	})
	if t.broken != was {
		o.touchAll(t.process.slots)
	}
}

// isAbandoned reports whether a rollout goes back and has left nothing of the process
// that serves. Then there is nothing to be gone about slowly: the surge bounds the
// memory of a process while it serves, and here the old workers are all that will.
func (p *process) isAbandoned() bool {
	r := p.app.rollout
	if r == nil || r.status.Step != release.StepUndo {
		return false
	}
	i := slices.IndexFunc(r.stages, func(t *stage) bool { return t.process == p })
	return i >= 0 && r.stages[i].broken
}

// dismiss stops what has not become ready in a slot that goes back, and does not wait
// for its end: it holds no request. An unhealthy worker may, and goes when the old one
// is there.
func (o *Owner) dismiss(s *slot, bad *revision) {
	for _, w := range s.workers {
		if w.revision != bad {
			continue
		}
		switch w.State {
		case api.Starting:
			o.stop(w, "the release is undone", true)
		case api.Stopping: // for its failure
			w.Draining = true
		case api.Running, api.Unhealthy, api.Exited:
		}
	}
}
