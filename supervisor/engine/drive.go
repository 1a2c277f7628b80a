package engine

import (
	"slices"
	"time"

	"supd/supervisor/api"
	"supd/supervisor/measure"
	"supd/supervisor/record"
	"supd/supervisor/release"
)

// roll brings the rollout of each app as far as it goes now.
func (o *Owner) roll(now time.Time) {
	for _, a := range o.apps {
		r := a.rollout
		if r == nil || r.pending != "" || o.quitting {
			continue
		}
		if !a.isUnrolled && (r.wakes.IsZero() || r.wakes.After(now)) {
			o.wake(r.wakes)
			continue
		}
		a.isUnrolled, a.isUnshown, r.wakes = false, true, time.Time{}
		switch r.status.Step {
		case release.StepSmoke:
			o.smoke(r, now)
		case release.StepReplace:
			o.replaceAll(r, now)
		case release.StepBake:
			o.bake(r, now)
		case release.StepUndo:
			o.undo(r, now)
		}
	}
}

// wakeRollout lets a rollout go on at t at the latest.
func (o *Owner) wakeRollout(r *rollout, t time.Time) {
	if !t.IsZero() && (r.wakes.IsZero() || t.Before(r.wakes)) {
		r.wakes = t
	}
	o.wake(t)
}

// replaceAll moves slot after slot to the new release.
func (o *Owner) replaceAll(r *rollout, now time.Time) {
	if !o.passes(r, now) {
		return
	}
	done := true
	for _, t := range r.stages {
		if t.to == nil {
			continue // it goes when all is well
		}
		if !t.begun && !r.mayBegin(t) {
			done = done && len(r.faults) > 0   // it waits for what is tried again
			o.wakeRollout(r, r.drainedAt(now)) // or as soon as something happens
			continue
		}
		done = o.move(r, t, now) && done
	}
	switch {
	case !done:
	case len(r.faults) > 0:
		o.keep(r)
	default:
		o.enter(r, release.StepBake)
	}
}

// move brings the slots of one process on, and reports whether all have arrived and
// have been ready for min_ready. Of a first release those that have failed are not
// waited for.
func (o *Owner) move(r *rollout, t *stage, now time.Time) (arrived bool) {
	p := t.process
	if !t.begun {
		o.startStage(r, t)
	}
	arrived = true
	for _, s := range p.slots {
		if s.revision != t.to && o.mayMove(s, t.to, now) {
			if s.rests() {
				r.say(s, 0, "is stopped, and stays so")
			}
			o.moveSlot(s, t.to)
		}
		switch w := s.fresh(); {
		case s.rests() && s.revision == t.to:
		case s.revision != t.to || !s.fulfilled():
			arrived = arrived && r.isUnwell(s)
		case w != nil:
			if at := w.Ready.Add(r.app.config.Rollout.MinReady); at.After(now) {
				o.wakeRollout(r, at)
				arrived = false
			}
		}
	}
	return arrived
}

// mayMove reports whether the slot's turn has come.
func (o *Owner) mayMove(s *slot, to *revision, now time.Time) bool {
	live := slices.ContainsFunc(s.workers, (*worker).live)
	if s.Up && live && s.alone() {
		return s.mayStopFirst(to)
	}
	return !s.Up || !live || to == nil || s.process.isAbandoned() || s.process.moving[to] == 0 && o.maySurge(s, to, now)
}

// moveSlot makes another revision the desired one of a slot. What had ended there
// for good runs once more, unless it rests: it is another program.
func (o *Owner) moveSlot(s *slot, to *revision) {
	s.revision, s.Cause = to, measure.Release
	switch r := s.process.app.rollout; {
	case s.rests():
	case r.isPrepared(s, to):
		s.restWell()
	default:
		s.retryNow()
	}
	o.touch(s)
	o.count(s) // the next slot asks whether this one has a new worker yet
}

// bake waits, and makes the new release the active one.
func (o *Owner) bake(r *rollout, now time.Time) {
	switch {
	case len(r.faults) > 0:
		o.keep(r)
	case !o.passes(r, now):
	case r.deadline.After(now):
		o.wakeRollout(r, r.deadline)
	case o.isClear(r):
		o.end(r)
	}
}

// smoke brings the test on: what has to end first does, the candidate gets ready, is asked,
// and is stopped.
func (o *Owner) smoke(r *rollout, now time.Time) {
	if r.candidate == nil && o.prepares(r, now) {
		return
	}
	if r.candidate == nil {
		o.startCandidate(r)
	}
	s := r.candidate
	switch {
	case s == nil: // after a takeover: the process to be asked is in the configuration no more
		o.enter(r, release.StepReplace)
		return
	case !s.Up:
		o.afterCandidate(r)
		return
	}
	w := s.fresh()
	switch {
	case s.Done:
		o.fault(r, nil, s.name()+": "+s.LastExit.Reason+" before it was asked")
	case r.trial == trialStarts && w != nil && w.State == api.Running:
		r.trial = trialAsks
		w.observer.Smoke(r.app.config.Rollout.Smoke)
	}
}

// afterCandidate goes on when nothing of a candidate that was stopped is left.
func (o *Owner) afterCandidate(r *rollout) {
	s := r.candidate
	if !s.idle() {
		return
	}
	s.process.launched[record.Candidate] = s.Generation
	switch r.trial {
	case trialPassed:
		o.forgetSlot(s)
		r.candidate = nil
		o.enter(r, release.StepReplace)
	case trialStarts, trialAsks: // it is an earlier supd's
		o.forgetSlot(s)
		r.candidate = nil
		if o.startCandidate(r); r.candidate == nil {
			o.enter(r, release.StepReplace)
		}
	}
}

// undo brings slot after slot back, and ends when all run the old release, as far
// as it runs. Those of a process whose new workers are all broken come back at once.
func (o *Owner) undo(r *rollout, now time.Time) {
	done := r.blamed == nil && (r.candidate == nil || r.candidate.idle())
	for _, t := range r.stages {
		o.seeWhetherBroken(t)
		for _, s := range t.process.slots {
			if s.removed {
				done = done && s.idle()
				continue
			}
			if s.revision != t.from && o.mayMove(s, t.from, now) {
				o.moveSlot(s, t.from)
				t.failures[s] = s.Failures
				if t.broken && !s.alone() {
					o.dismiss(s, t.to)
				}
			}
			switch {
			case t.from == nil:
				done = done && s.idle()
			case s.revision != t.from:
				done = false
			case s.rests() || s.fulfilled():
			case s.Failures > t.failures[s]:
				r.broken = s.name() + ": " + s.Trouble
			default:
				done = false
			}
		}
	}
	if done {
		o.end(r)
	}
}
