package supervisor

import (
	"fmt"
	"time"

	"supd/configs"
	"supd/supervisor/release"
)

// targets tells whether a worker is of the release that a rollout goes to, and the
// rollout still depends on it.
func (r *rollout) targets(w *worker) bool {
	if r == nil || r.ending || r.failing {
		return false
	}
	switch r.status.Step {
	case StepSmoke, StepReplace, StepBake:
	default:
		return false
	}
	if w.slot == r.candidate {
		return true
	}
	for _, t := range r.turns {
		if t.to != nil && w.edition == t.to {
			return true
		}
	}
	return false
}

// forbids tells whether e is of a release that has failed and is being undone:
// nothing more of it is started.
func (r *rollout) forbids(e *edition) bool {
	if r == nil || !r.failing || r.status.Step == StepPaused {
		return false
	}
	for _, t := range r.turns {
		if t.to != nil && t.to == e && t.from != e {
			return true
		}
	}
	return false
}

// fault ends a rollout that has failed by undoing it, or leaves that to a person.
// w is the worker at fault, nil where there is none.
func (o *owner) fault(r *rollout, w *worker, why string) {
	if w != nil {
		why = w.slot.name() + ": " + why
		o.blame(r, w)
	}
	r.failing = true
	r.status.Reason = why
	r.say(nil, 0, "failed: "+why)
	o.log.Error("rollout failed", "app", r.app.name, "id", r.status.ID, "to", r.status.To, "why", why)
	o.stopCandidate(r)
	if r.app.config.Rollout.OnFailure == configs.OnFailurePause && r.status.From != "" && r.status.Step != StepSmoke {
		o.pause(r)
		return
	}
	o.enter(r, StepUndo)
}

// blame keeps the last lines that the worker has printed. Those of a dead one are
// all read only when what it left behind is swept.
func (o *owner) blame(r *rollout, w *worker) {
	switch {
	case w.handle == nil:
	case w.state == Exited:
		r.blamed = w
	default:
		r.status.Output = w.handle.output()
	}
}

// swept is told of each dead worker whose output is complete.
func (o *owner) swept(d left) {
	r := d.slot.process.app.rollout
	if r != nil && r.blamed != nil && r.blamed.handle == d.handle {
		r.status.Output, r.blamed = d.handle.output(), nil
	}
}

// pause stops what is no good where the old worker is still there, and leaves the
// rest as it is.
func (o *owner) pause(r *rollout) {
	for _, t := range r.turns {
		for _, s := range t.process.slots {
			if old := s.runs(t.from); old != nil && s.edition == t.to && !s.fulfilled() {
				s.edition = t.from
			}
		}
	}
	o.enter(r, StepPaused)
}

// runs is the slot's live worker of an edition, or nil.
func (s *slot) runs(e *edition) *worker {
	for _, w := range s.workers {
		if w.live() && w.edition == e {
			return w
		}
	}
	return nil
}

// startUndo begins to put the old release back.
func (o *owner) startUndo(r *rollout) {
	o.stopCandidate(r)
	if r.status.From != "" {
		r.say(nil, 0, "putting "+r.status.From+" back")
	}
	for _, t := range r.turns {
		t.failures = map[*slot]int{}
		for _, s := range t.process.slots {
			t.failures[s] = s.failures
			switch {
			case t.process.added == r || s.number > t.count: // only the new release has it
				s.up, s.removed = false, true
			case t.from == nil: // the first release
				s.edition = nil
			case s.runs(t.from) != nil:
				s.edition = t.from
			}
		}
		if t.process.edition == t.to {
			t.process.edition = t.from
		}
	}
}

// undo brings slot after slot back, and ends when all run the old release, as far
// as it runs.
func (o *owner) undo(r *rollout, now time.Time) {
	done := r.blamed == nil && (r.candidate == nil || r.candidate.idle())
	for _, t := range r.turns {
		for _, s := range t.process.slots {
			if s.removed {
				done = done && s.idle()
				continue
			}
			if s.edition != t.from && o.mayMove(s, t.from, now) {
				o.moveSlot(s, t.from)
				t.failures[s] = s.failures
			}
			switch {
			case t.from == nil:
				done = done && s.idle()
			case s.edition != t.from:
				done = false
			case !s.up || s.fulfilled():
			case s.failures > t.failures[s]:
				r.broken = s.name() + ": " + s.trouble
			default:
				done = false
			}
		}
	}
	if done {
		o.end(r)
	}
}

// result is how the rollout ended, its exit code, and whether the new release is
// active now.
func (r *rollout) result() (result string, code int, ok bool) {
	switch {
	case r.status.Step == StepBake:
		return "done", CodeDone, true
	case r.status.From == "":
		return "failed", CodeNotStarted, false
	case r.broken != "":
		return "failed", CodeFailed, false
	default:
		return "rolled back", CodeRolledBack, false
	}
}

// end journals how the rollout ended, and makes it so.
func (o *owner) end(r *rollout) {
	result, code, ok := r.result()
	if r.broken != "" {
		r.status.Reason += "; and " + r.status.From + " does not come back: " + r.broken
	}
	now := time.Now()
	state := r.ended(result, ok, now)
	r.ending = true
	o.record(r.app, state, func(o *owner, err error) {
		if r.app.rollout != r {
			return
		}
		r.ending = false
		if err != nil && ok {
			o.fault(r, nil, fmt.Sprintf("its end cannot be journaled: %s; make room and deploy again", err))
			return
		}
		if err != nil {
			o.log.Error("the end of the rollout is not in the journal", "app", r.app.name, "error", err)
		}
		r.app.state = state
		r.status.EndedAt, r.status.Code = &now, code
		if ok {
			o.commit(r)
		}
		o.close(r, result)
	})
}

// ended is the app's state after the rollout.
func (r *rollout) ended(result string, ok bool, now time.Time) release.State {
	state := r.app.state.Clone()
	record := *r.record(r.status.Step)
	record.EndedAt, record.Result = now, result
	state.Rollout = nil
	state.NextID = r.status.ID + 1
	state.History = append(state.History, record)
	if ok {
		state.Previous, state.Active = r.status.From, r.status.To
		if r.status.From == r.status.To {
			state.Previous = r.app.state.Previous
		}
		state.Place = placeOf(r.target.release)
		state.Deployed[r.status.To] = now
		delete(state.Failed, r.status.To)
	} else if r.status.To != r.status.From {
		state.Failed[r.status.To] = release.Mark{At: now, Reason: r.status.Reason}
	}
	return state
}

// commit makes the new release what the app is.
func (o *owner) commit(r *rollout) {
	a := r.app
	a.config, a.trouble = r.target.config, nil
	for _, t := range r.turns {
		p := t.process
		p.added = nil
		if t.to == nil {
			p.removed = true
			p.resize(false)
			continue
		}
		p.config, p.edition = t.config, t.to
		p.resize(p.wished())
	}
	o.kernel.committed(a.name, a.state, r.target)
}

// close takes the rollout away.
func (o *owner) close(r *rollout, result string) {
	a := r.app
	message := result
	if result == "rolled back" {
		message = "rolled back, " + r.status.From + " serves"
	}
	r.status.Step = StepDone
	r.say(nil, 0, message)
	o.log.Info("rollout ended", "app", a.name, "id", r.status.ID, "to", r.status.To, "result", result, "reason", r.status.Reason,
		"took", r.status.EndedAt.Sub(r.status.StartedAt).Round(time.Millisecond))
	for _, p := range a.processes {
		if p.added == r { // only the new release had it
			p.removed = true
			p.resize(false)
		}
	}
	o.eachSlot(func(s *slot) {
		for _, w := range s.workers {
			if s.process.app == a && w.handle != nil && w.state != Stopping {
				w.handle.forget()
				o.kernel.watch(w, false)
			}
		}
	})
	last := r.status
	a.last, a.rollout = &last, nil
	o.kernel.afterRollout(a.name, a.postponed)
	o.unsettled = true
}

// abort ends a rollout at once, with what runs left as it is.
func (o *owner) abort(a *app, why string) {
	r := a.rollout
	if r == nil {
		return
	}
	o.stopCandidate(r)
	now := time.Now()
	r.status.Reason = why
	a.state = r.ended("failed", false, now)
	o.record(a, a.state, func(*owner, error) {})
	r.status.EndedAt, r.status.Code = &now, CodeFailed
	o.close(r, "failed")
}
