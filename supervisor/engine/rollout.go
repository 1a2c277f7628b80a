package engine

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/release"
)

// say adds to what is shown of the rollout. s is nil for what concerns all.
func (r *rollout) say(s *slot, pid int, message string) {
	p := api.Progress{At: time.Now(), Step: r.status.Step, Pid: pid, Message: message}
	if s != nil {
		p.Worker = s.name()
	}
	r.status.Progress = append(r.status.Progress, p)
}

// tell adds to what is shown of a rollout under way.
func (o *Owner) tell(w *worker, message string) {
	if r := w.slot.process.app.rollout; r != nil {
		r.say(w.slot, w.Pid, strings.TrimSpace(message))
	}
}

// heads is the step that the rollout is in, or that is being journaled.
func (r *rollout) heads() release.Step { return cmp.Or(r.pending, r.status.Step) }

// isTrial reports whether the new release is still tried in a step.
func isTrial(s release.Step) bool {
	return s == release.StepSmoke || s == release.StepReplace || s == release.StepBake
}

// targets reports whether a worker is of the release that a rollout goes to, and the
// rollout still depends on it.
func (r *rollout) targets(w *worker) bool {
	if r == nil || !isTrial(r.status.Step) || !isTrial(r.heads()) {
		return false
	}
	return w.slot == r.candidate || slices.ContainsFunc(r.stages, func(t *stage) bool {
		return t.to != nil && w.revision == t.to
	})
}

// isUndone reports whether the release has failed, and what there is of it goes.
func (r *rollout) isUndone() bool {
	if r == nil {
		return false
	}
	switch r.status.Step {
	case release.StepUndo:
		return true
	case release.StepPaused: // what runs goes on until a person decides, and the step begins
		return false
	default:
		return r.pending == release.StepUndo || r.pending == release.StepPaused
	}
}

// forbids reports whether e is of a release that is being undone: nothing more of it
// is started.
func (r *rollout) forbids(e *revision) bool {
	return r.isUndone() && slices.ContainsFunc(r.stages, func(t *stage) bool {
		return t.to != nil && t.to == e && t.from != e
	})
}

// mayBegin reports whether the processes that t comes after are replaced, but for
// old workers that still drain.
func (r *rollout) mayBegin(t *stage) bool {
	for _, other := range r.stages {
		if other.to != nil && slices.Contains(t.config.After, other.process.name) && !other.isFar() {
			return false
		}
	}
	return true
}

// isFar reports whether every slot runs the new release, or waits for nothing but
// the end of workers that drain.
func (t *stage) isFar() bool {
	if !t.begun {
		return false
	}
	waiting, drains, now := false, false, time.Now()
	for _, s := range t.process.slots {
		switch {
		case s.rests():
		case s.revision != t.to:
			waiting = true
		case !s.fulfilled():
			return false
		}
		drains = drains || slices.ContainsFunc(s.workers, func(w *worker) bool { return w.drainsLong(now) })
	}
	return !waiting || drains
}

// drainedAt is when the next worker will have drained for long, zero for never.
func (r *rollout) drainedAt(now time.Time) (at time.Time) {
	for _, t := range r.stages {
		for _, s := range t.process.slots {
			for _, w := range s.workers {
				long := w.stopped.Add(drainPatience)
				if w.State == api.Stopping && w.Draining && long.After(now) && (at.IsZero() || long.Before(at)) {
					at = long
				}
			}
		}
	}
	return at
}

// record is the rollout as the journal has it when a step begins; "" is its end.
func (r *rollout) record(step release.Step) *release.Rollout {
	one := r.status.Rollout
	one.Step, one.StepAt = step, time.Now()
	if step == "" {
		one.StepAt = time.Time{}
	}
	return &one
}

func placeOf(v *configs.Version) *release.Place {
	if v == nil {
		return nil
	}
	return &release.Place{Path: v.Path, Files: v.Files}
}

// startBake sets the end of the time in which a failure still undoes it all.
func (r *rollout) startBake() time.Duration {
	bake := r.app.config.Rollout.Bake
	r.deadline = time.Now().Add(bake)
	return bake
}

// result is how the rollout ended, its exit code, and whether the new release is
// active now.
func (r *rollout) result() (result release.Result, code int, ok bool) {
	switch {
	case len(r.faults) > 0:
		return release.Failed, api.CodeNotStarted, true
	case r.status.Step == release.StepBake:
		return release.Done, api.CodeDone, true
	case r.isFirst():
		return release.Failed, api.CodeNotStarted, false
	case r.broken != "":
		return release.Failed, api.CodeFailed, false
	default:
		return release.RolledBack, api.CodeRolledBack, false
	}
}

// ended is the app's state after the rollout.
func (r *rollout) ended(result release.Result, ok bool, now time.Time) release.State {
	state := r.app.state.Clone()
	record := *r.record("")
	record.EndedAt, record.Result = now, result
	state.Rollout, state.Target = nil, nil
	state.NextID = r.status.ID + 1
	state.History = append(state.History, record)
	state.Totals = state.Totals.With(record.Kind, result, now.Sub(record.StartedAt))
	if ok {
		state.Previous, state.Active = r.status.From, r.status.To
		if r.status.From == r.status.To {
			state.Previous = r.app.state.Previous
		}
		state.Place = placeOf(r.target.Release)
		state.Deployed[r.status.To] = now
		delete(state.Failed, r.status.To)
		if record.Kind == release.KindRollback && r.status.From != "" && r.status.From != r.status.To {
			state.Failed[r.status.From] = release.Mark{At: now, Left: true, Reason: "left by the rollback to " + r.status.To + " by " + r.status.By}
			state.Previous = state.Back(func(string) bool { return true })
		}
	}
	if result != release.Done && r.status.To != r.status.From {
		state.Failed[r.status.To] = release.Mark{At: now, Reason: r.status.Reason}
	}
	return state
}

// close says in the status that the rollout has ended.
func (r *rollout) close(result release.Result, code int, now time.Time) {
	message := string(result)
	switch {
	case result == release.RolledBack:
		message = "rolled back, " + r.status.From + " serves"
	case len(r.faults) > 0:
		message = r.status.To + " is active, and not all of it is well"
	}
	r.status.EndedAt, r.status.Result, r.status.Code, r.status.Step = now, result, code, release.StepDone
	r.status.StepAt = time.Time{}
	r.say(nil, 0, message)
}

// isOver reports whether who waits for a rollout can be answered.
func (r *rollout) isOver() bool {
	return r.status.Ended() || r.status.Step == release.StepPaused && r.pending == ""
}
