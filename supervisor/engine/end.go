package engine

import (
	"fmt"
	"time"

	"supd/supervisor/api"
	"supd/supervisor/release"
)

// end journals how the rollout ended, and makes it so. A first release is active also
// where that cannot be journaled: it serves, and the next supd goes on with it.
func (o *Owner) end(r *rollout) {
	result, code, ok := r.result()
	if r.broken != "" {
		r.status.Reason += "; and " + r.status.From + " does not come back: " + r.broken
	}
	now := time.Now()
	state := r.ended(result, ok, now)
	r.pending = release.StepDone
	o.journaled(r.app, state, func(err error) Event {
		return func(o *Owner) {
			if r.app.rollout != r {
				return
			}
			r.pending = ""
			if err != nil && ok && !r.isFirst() {
				o.fault(r, nil, fmt.Sprintf("its end cannot be journaled: %s; %s and deploy again", err, remedy(err)))
				return
			}
			if err != nil {
				o.log.Error("the end of the rollout is not in the journal", "app", r.app.name, "error", err)
			}
			r.app.state = state
			r.close(result, code, now)
			var active *App
			if ok && r.target.Config != nil { // else it cannot be prepared
				o.commit(r)
				active = &r.target
			}
			o.forgetRollout(r, active)
		}
	})
}

// commit makes the new release what the app is.
func (o *Owner) commit(r *rollout) {
	a := r.app
	a.config, a.trouble = r.target.Config, nil
	for _, p := range a.processes {
		p.fault = nil // it was prepared
	}
	for _, t := range r.stages {
		p := t.process
		p.added = nil
		if t.to == nil {
			p.removed = true
			p.resize(false)
			continue
		}
		p.config, p.revision = t.config, t.to
		p.resize(p.isDesired())
	}
}

// forgetRollout takes a rollout that has ended away; active is what has become the
// active release by it, or nil.
func (o *Owner) forgetRollout(r *rollout, active *App) {
	a := r.app
	o.log.Info("rollout ended", "app", a.name, "id", r.status.ID, "to", r.status.To, "result", r.status.Result, "reason", r.status.Reason,
		"took", r.status.EndedAt.Sub(r.status.StartedAt).Round(time.Millisecond))
	for _, p := range a.processes {
		if p.added == r { // only the new release had it
			p.removed = true
			p.resize(false)
		}
	}
	o.eachSlot(func(s *slot) {
		for _, w := range s.workers {
			if s.process.app == a && w.handle != nil && w.State != api.Stopping {
				w.observer.StopTail()
				w.observer.Watch(false)
			}
		}
	})
	last := r.status
	a.last, a.rollout = &last, nil
	o.host.Changed(Change{App: a.name, State: a.state, Active: active, Postponed: a.postponed})
	if r.candidate != nil {
		o.lateCandidates = append(o.lateCandidates, r.candidate)
		o.touch(r.candidate)
	}
	o.planAttempt(a)
	o.mayGo = true
	o.touchApp(a)
}

// abort ends a rollout at once, with what runs left as it is.
func (o *Owner) abort(a *app, why string) {
	r := a.rollout
	if r == nil {
		return
	}
	o.stopCandidate(r)
	now := time.Now()
	r.status.Reason = why
	a.state = r.ended(release.Failed, false, now)
	o.journaled(a, a.state, func(error) Event { return func(*Owner) {} })
	r.close(release.Failed, api.CodeFailed, now)
	o.forgetRollout(r, nil)
}
