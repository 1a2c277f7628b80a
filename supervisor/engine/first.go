package engine

import (
	"slices"
	"strconv"
	"strings"

	"supd/supervisor/release"
)

// A first release has nothing to go back to. To undo it would take what serves off
// the air, and what does not serve yet may only wait for a database. So it becomes
// active in any case once its workers were started: what is ready serves, and the
// others are tried again by the ordinary rules. The rollout has failed all the same,
// and says what is not well.

// isFirst reports whether there is no release to go back to.
func (r *rollout) isFirst() bool { return r.status.From == "" }

// mustGoOn reports whether a failure of the rollout is no reason to undo it. Before its
// first step nothing of it was started, and it can as well be refused.
func (r *rollout) mustGoOn() bool { return r.isFirst() && r.status.Step != release.StepCheck }

// mostFaults is how many failures the reason of a rollout tells.
const mostFaults = 5

// endure notes a failure of a first release, which goes on.
func (o *Owner) endure(r *rollout, s *slot, why string) {
	r.faults = append(r.faults, why)
	if s != nil {
		r.unwell = append(r.unwell, s)
	}
	r.status.Reason = strings.Join(r.faults[:min(len(r.faults), mostFaults)], "; ")
	if more := len(r.faults) - mostFaults; more > 0 {
		r.status.Reason += "; and " + strconv.Itoa(more) + " more"
	}
	r.say(s, 0, "it is tried again: there is no release to go back to")
	o.touchApp(r.app)
	if r.status.Step == release.StepSmoke && r.pending == "" {
		o.stopCandidate(r)
		o.enter(r, release.StepReplace)
	}
}

// isUnwell reports whether a slot of a first release has failed.
func (r *rollout) isUnwell(s *slot) bool { return slices.Contains(r.unwell, s) }

// keep ends the rollout of a first release that is not all well: it is active. What
// has to wait for a process that is not ready is started when that is, by `after`.
func (o *Owner) keep(r *rollout) {
	if r.blamed != nil {
		return // its last words are still to come
	}
	for _, t := range r.stages {
		if t.to == nil {
			continue
		}
		if !t.begun {
			o.startStage(r, t)
		}
		for _, s := range t.process.slots {
			if s.revision != t.to {
				o.moveSlot(s, t.to)
			}
		}
	}
	r.status.Reason += "; " + r.status.To + " is active all the same, as the first release: what is ready serves, the rest is tried again"
	o.end(r)
}

// forgive takes the mark off an active release once all its workers are ready.
func (o *Owner) forgive(a *app) {
	active := a.state.Active
	if _, isMarked := a.state.Failed[active]; !isMarked || a.rollout != nil || a.trouble != nil || !a.isReady() {
		return
	}
	state := a.state.Clone()
	delete(state.Failed, active)
	o.journaled(a, state, func(err error) Event {
		return func(o *Owner) {
			if err == nil && a.state.Active == active { // else it is tried when a worker is ready again
				o.log.Info("the release is well now", "app", a.name, "release", active)
				delete(a.state.Failed, active)
			}
		}
	})
}

// isReady reports whether every worker that is desired is ready, or has done its work.
func (a *app) isReady() bool {
	for _, p := range a.processes {
		for _, s := range p.slots {
			if s.Up && !s.ready() && !(s.Done && s.LastClean) {
				return false
			}
		}
	}
	return true
}
