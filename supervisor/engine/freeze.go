package engine

import (
	"time"

	"supd/supervisor/api"
)

// Freeze lets nothing new begin, and calls do once nothing is under way that another
// supd could not go on with; again and again, until Thaw.
func (o *Owner) Freeze(do func()) { o.frozen = do }

// Thaw lets all go on as before.
func (o *Owner) Thaw() { o.frozen = nil }

// PutOff ends the launches that have no process yet, where nothing new begins: they begin
// again under another supd, or here after all.
func (o *Owner) PutOff() {
	if o.frozen == nil {
		return
	}
	o.eachSlot(func(s *slot) {
		for _, w := range s.workers {
			if w.State == api.Starting && w.cancel != nil {
				w.isPutOff = true
				w.cancelLaunch()
			}
		}
	})
}

func (w *worker) cancelLaunch() {
	if w.cancel != nil {
		w.cancel()
		w.cancel = nil
	}
}

// IsFrozen reports whether nothing new begins.
func (o *Owner) IsFrozen() bool { return o.frozen != nil }

// Await runs events until something that is waited for is closed: those who close it
// may wait for an event of theirs to be run. It reports whether that was closed in time,
// and before supd was told to stop.
func (o *Owner) Await(closed <-chan struct{}, end time.Time) bool {
	late := time.NewTimer(time.Until(end))
	defer late.Stop()
	for !o.quitting {
		select {
		case <-closed:
			return true
		default:
		}
		select {
		case <-closed:
			return true
		case <-late.C:
			return false
		case e := <-o.events:
			e(o)
		}
	}
	return false
}

// IsQuiet runs the events that wait already, and reports whether nothing is under
// way then.
func (o *Owner) IsQuiet() bool {
	o.drain()
	return o.isQuiet()
}

func (o *Owner) isQuiet() bool {
	if o.quitting { // which must not wait for this
		return true
	}
	if o.launching > 0 || o.saving || len(o.dead) > 0 || o.runsCommands() {
		return false
	}
	swept := true // else the last words of a dead worker would be lost
	o.eachSlot(func(s *slot) { swept = swept && s.sweeps == 0 })
	if !swept {
		return false
	}
	for _, a := range o.apps {
		if r := a.rollout; r != nil && r.pending != "" {
			return false
		}
	}
	return true
}
