package engine

import (
	"fmt"
	"slices"

	"supd/supervisor/api"
)

// ApplyFor is Apply for somebody who waits for what it begins: the answer says what has
// changed, and what has become of it. After an error nothing has changed, and there is no
// answer.
func (o *Owner) ApplyFor(r api.Request, p Prepared, reply chan<- *api.Result) error {
	changes := o.Changes(p)
	slots := o.slotsOf(changes) // those that go may be forgotten soon
	if err := o.Apply(p); err != nil {
		return err
	}
	for name, s := range o.slotsOf(changes) {
		slots[name] = s
	}
	o.forgetRefusal(p)
	w := &waiter{request: r, changes: changes, fates: map[*slot]api.WorkerFate{}}
	for _, a := range changes.Apps {
		o.awaitChange(w, a, slots)
	}
	for i := range p.Apps {
		o.sayHeld(w, p.Apps[i].Config.Name)
	}
	if r.Detach {
		reply <- &api.Result{Changes: changes}
		return nil
	}
	o.await(w, reply)
	return nil
}

// awaitChange adds what is to be waited for in an app.
func (o *Owner) awaitChange(w *waiter, c api.AppChange, slots map[string]*slot) {
	a := o.findApp(c.Name)
	if a == nil {
		return
	}
	if c.Deferred {
		w.said = append(w.said, api.Outcome{Name: a.name, Code: api.CodeTimeout, Message: "is applied after the rollout that is under way; `supctl status " + a.name + "` shows how it goes"})
		return
	}
	for _, one := range c.Workers {
		if s := slots[one.Name]; s != nil && one.What != api.FateKeep {
			w.slots = append(w.slots, s)
			w.fates[s] = one.What
		}
	}
}

// sayHeld says what keeps an app, or a part of it, from being started, changed or not: what
// runs is not what the files say. A worker that is waited for says it itself.
func (o *Owner) sayHeld(w *waiter, name string) {
	a := o.findApp(name)
	if a == nil || a.rollout != nil {
		return
	}
	why := a.reasons()
	if why == "" || slices.ContainsFunc(w.slots, func(s *slot) bool { return s.process.app == a && s.process.holdup() != nil }) {
		return
	}
	w.said = append(w.said, api.Outcome{Name: a.name, Code: api.CodeNotStarted, Message: "held back: " + why})
}

// slotsOf finds the slots of workers that are to change, by name.
func (o *Owner) slotsOf(c *api.Changes) map[string]*slot {
	all := map[string]*slot{}
	for i := range c.Apps {
		a := o.findApp(c.Apps[i].Name)
		if a == nil {
			continue
		}
		for _, p := range a.processes {
			for _, s := range p.slots {
				all[s.name()] = s
			}
		}
	}
	return all
}

// await answers when what is to become of the slots is known.
func (o *Owner) await(w *waiter, reply chan<- *api.Result) {
	w.before, w.outcomes, w.reply, w.deadline = map[*slot]before{}, map[*slot]api.Outcome{}, reply, deadlineOf(w.request)
	for _, s := range w.slots {
		w.before[s] = before{revision: number(s.revision), failures: s.Failures}
		s.waiters = append(s.waiters, w)
		o.touch(s)
	}
	o.waiters = append(o.waiters, w)
}

// changeOutcome is what has come of an apply for one slot, if that is known.
func (w *waiter) changeOutcome(s *slot, b before, done func(int, string) (api.Outcome, bool)) (api.Outcome, bool) {
	if s.removed {
		if !s.idle() {
			return api.Outcome{}, false
		}
		return done(api.CodeDone, "stopped")
	}
	fate := w.fates[s]
	switch {
	case fate == api.FateStop: // it is back in the configuration by now
		return done(api.CodeFailed, "another configuration was applied meanwhile")
	case !s.Up:
		return done(api.CodeFailed, "a stop was asked for meanwhile")
	case s.isHeld():
		return done(api.CodeNotStarted, s.process.holdup().Error())
	case s.isBarred() || fate == api.FateReplace && s.process.holdup() != nil:
		return done(api.CodeRolledBack, s.process.holdup().Error()+"; the old worker goes on")
	case s.revision == nil:
		return done(api.CodeDone, fmt.Sprintf("no release is active; `supctl deploy %s` starts the newest that is registered", s.process.app.name))
	case number(s.revision) < b.revision:
		why := s.process.failed
		if s.Failures > b.failures {
			why = s.Trouble
		}
		return done(api.CodeRolledBack, why+"; the old worker goes on")
	case fate == api.FateReplace:
		return s.startOutcome(b, "replaced", true)
	}
	return s.startOutcome(b, "started", true)
}

// failBlocked decides the slots that wait for a process of which a worker did not start:
// nobody knows when they will be started.
func (w *waiter) failBlocked() {
	for again := true; again; {
		again = false
		for _, s := range w.slots {
			if _, done := w.outcomes[s]; done || !s.Gated || len(s.workers) > 0 {
				continue
			}
			if name := w.blocks(s); name != "" {
				w.outcomes[s] = api.Outcome{Name: s.name(), Code: api.CodeNotStarted, Message: "waits for " + name + ", which did not start"}
				again = true
			}
		}
	}
}

// blocks is a process that a slot waits for, and of which a worker did not start.
func (w *waiter) blocks(s *slot) string {
	for _, p := range s.process.comesAfter() {
		for _, other := range p.slots {
			if outcome, done := w.outcomes[other]; done && outcome.Code != api.CodeDone && !p.ready() {
				return p.name
			}
		}
	}
	return ""
}

// Refused is the event of an apply that was refused; nil says that what was refused last
// is mended. It is shown until then.
func (o *Owner) Refused(r *api.Refusal) { o.refused, o.isUnshown = r, true }

// forgetRefusal takes what was refused away, where all that it was about is applied.
func (o *Owner) forgetRefusal(p Prepared) {
	r := o.refused
	if r == nil || p.Only != nil && (len(r.Apps) == 0 || slices.ContainsFunc(r.Apps, func(name string) bool { return !p.Concerns(name) })) {
		return
	}
	o.Refused(nil)
}
