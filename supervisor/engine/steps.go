package engine

import (
	"errors"
	"fmt"
	"time"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/record"
	"supd/supervisor/release"
)

// enter journals a step, and begins it then. A step that cannot be journaled ends
// the rollout, which is undone. Another step that was being journaled is left out.
func (o *Owner) enter(r *rollout, to release.Step) {
	state := r.app.state
	state.Rollout, state.Target = r.record(to), placeOf(r.target.Release)
	r.pending = to
	o.journaled(r.app, state, func(err error) Event {
		return func(o *Owner) {
			if r.app.rollout != r || r.pending != to {
				return // it was aborted meanwhile, or is undone
			}
			r.pending = ""
			at := state.Rollout.StepAt
			switch {
			case err == nil:
				r.app.state = state
				o.step(r, to, at)
			case to == release.StepUndo || to == release.StepPaused || r.mustGoOn(): // from memory: the next supd would do the same
				o.log.Error("rollout step is not in the journal", "app", r.app.name, "step", to, "error", err)
				o.step(r, to, at)
			default:
				o.fault(r, nil, fmt.Sprintf("cannot be journaled: %s; %s and deploy again", err, remedy(err)))
			}
		}
	})
}

// errForgotten is why the state of an app without releases is not journaled.
var errForgotten = errors.New("the configuration has the app no more")

// journaled journals the state of an app's releases; written says what to do then.
func (o *Owner) journaled(a *app, s release.State, written func(error) Event) {
	if a.journal == nil {
		written(errForgotten)(o)
		return
	}
	a.journal.Write(s, written)
}

// remedy is what lets a journal be written again.
func remedy(err error) string {
	if release.LacksRoom(err) {
		return "make room"
	}
	return "mend that"
}

// step begins what was journaled.
func (o *Owner) step(r *rollout, to release.Step, at time.Time) {
	o.log.Info("rollout step", "app", r.app.name, "id", r.status.ID, "step", to)
	r.status.Step, r.status.StepAt = to, at
	defer o.touchApp(r.app)
	switch to {
	case release.StepSmoke: // goes on by itself
	case release.StepBake:
		if bake := r.startBake(); bake > 0 {
			r.say(nil, 0, fmt.Sprintf("all workers are replaced, watching them for %s", bake))
		}
	case release.StepUndo:
		o.startUndo(r)
	case release.StepPaused:
		r.say(nil, 0, fmt.Sprintf("paused: `supctl deploy %s --resume` goes on, `supctl rollback %s` undoes it", r.app.name, r.app.name))
	}
}

// startCandidate launches one worker of the new release that no request can
// reach: each of its sockets is a private one in the place of the shared.
func (o *Owner) startCandidate(r *rollout) {
	c := r.target.Config.SmokeProcess()
	for _, t := range r.stages {
		if t.config != c {
			continue
		}
		s := t.process.newSlot(record.Candidate, t.to)
		s.Up = true
		r.candidate, r.trial = s, trialStarts
		o.touch(s)
		r.say(s, 0, "candidate, on private sockets")
		return
	}
}

// stopCandidate ends the smoke test's worker, if there is one.
func (o *Owner) stopCandidate(r *rollout) {
	if r.candidate != nil {
		r.candidate.Up = false
		o.touch(r.candidate)
	}
}

// fault ends a rollout that has failed by undoing it, or leaves that to a person. A
// first release goes on.
// w is the worker at fault, nil where there is none.
func (o *Owner) fault(r *rollout, w *worker, why string) {
	var at *slot
	if w != nil {
		at = w.slot
		if r.isUnwell(at) {
			return // that was said, and it is tried again
		}
		why = at.name() + ": " + why
		o.blame(r, w)
	}
	r.say(nil, 0, "failed: "+why)
	o.log.Error("rollout failed", "app", r.app.name, "id", r.status.ID, "to", r.status.To, "why", why)
	if r.mustGoOn() {
		o.endure(r, at, why)
		return
	}
	r.status.Reason = why
	o.stopCandidate(r)
	o.touchApp(r.app)
	if r.app.config.Rollout.OnFailure == configs.OnFailurePause && r.status.From != "" && r.status.Step != release.StepSmoke {
		o.pause(r)
		return
	}
	o.enter(r, release.StepUndo)
}

// blame keeps the last lines that the worker has printed. Those of a dead one are
// all read only when what it left behind is swept.
func (o *Owner) blame(r *rollout, w *worker) {
	switch {
	case w.handle == nil:
	case w.State == api.Exited:
		r.blamed = w
	default:
		r.status.Output = w.observer.Output()
	}
}

// swept is told of each dead worker whose output is complete.
func (o *Owner) swept(w *worker) {
	w.slot.hear(w)
	if r := w.slot.process.app.rollout; r != nil && r.blamed == w {
		r.status.Output, r.blamed = w.observer.Output(), nil
	}
}

// pause stops what is no good where the old worker is still there, and leaves the
// rest as it is.
func (o *Owner) pause(r *rollout) {
	for _, t := range r.stages {
		for _, s := range t.process.slots {
			if old := s.runs(t.from); old != nil && s.revision == t.to && !s.fulfilled() {
				s.revision = t.from
			}
		}
	}
	o.enter(r, release.StepPaused)
}

// startUndo begins to put the old release back.
func (o *Owner) startUndo(r *rollout) {
	o.stopCandidate(r)
	if r.status.From != "" {
		r.say(nil, 0, "putting "+r.status.From+" back")
	}
	for _, t := range r.stages {
		t.failures = map[*slot]int{}
		for _, s := range t.process.slots {
			t.failures[s] = s.Failures
			switch {
			case t.process.added == r || s.number > t.count: // only the new release has it
				s.Up, s.removed = false, true
			case t.from == nil: // the first release
				s.revision = nil
			case s.runs(t.from) != nil:
				s.revision = t.from
			}
		}
		if t.process.revision == t.to {
			t.process.revision = t.from
		}
	}
}
