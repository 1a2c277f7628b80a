package engine

import (
	"fmt"
	"maps"
	"slices"
	"time"

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
	w := &waiter{request: r, changes: changes, reply: reply, deadline: deadlineOf(r), fates: map[*slot]api.WorkerFate{},
		before: map[*slot]before{}, outcomes: map[*slot]api.Outcome{}, retried: o.retryWaiting(p)}
	if r.Detach {
		for _, s := range w.retried {
			w.said = append(w.said, api.Outcome{Name: s.name(), Message: "is tried at once"})
		}
		reply <- w.result()
		return nil
	}
	for _, c := range changes.Apps {
		if c.Deferred {
			w.deferred = append(w.deferred, c.Name)
		} else {
			o.awaitChange(w, c, slots)
		}
	}
	for _, s := range w.retried {
		if w.fates[s] == "" {
			o.await(w, s, api.FateStart)
		}
	}
	for i := range p.Apps {
		o.awaitUnderWay(w, p.Apps[i].Config.Name)
	}
	o.waiters = append(o.waiters, w)
	return nil
}

// retryWaiting starts at once what waits to be started again, and is as it was: what was in
// its way may be mended, outside of the files. Failures are counted on.
func (o *Owner) retryWaiting(p Prepared) (retried []*slot) {
	now := time.Now()
	for i := range p.Apps {
		a := o.findApp(p.Apps[i].Config.Name)
		if a == nil || a.rollout != nil {
			continue
		}
		for _, process := range a.processes {
			for _, s := range process.slots {
				if !s.removed && s.inBackoff(now) {
					s.Retry = time.Time{}
					o.log.Info("worker is tried at once", "worker", s.name())
					retried = append(retried, s)
					o.touch(s)
				}
			}
		}
	}
	return retried
}

// awaitChange waits for what was begun in an app.
func (o *Owner) awaitChange(w *waiter, c api.AppChange, slots map[string]*slot) {
	for _, one := range c.Workers {
		if s := slots[one.Name]; s != nil && one.What != api.FateKeep && one.What != api.FateStay {
			o.await(w, s, one.What)
		}
	}
}

// awaitUnderWay waits for what somebody else has begun in an app: what runs is not yet
// what the files say. What is held back is said.
func (o *Owner) awaitUnderWay(w *waiter, app string) {
	a := o.findApp(app)
	if a == nil || a.rollout != nil {
		return
	}
	for _, p := range a.processes {
		for _, s := range p.slots {
			if w.fates[s] == "" && s.Up && s.revision != nil && s.hasOlder() {
				o.await(w, s, api.FateReplace)
			}
		}
	}
	o.sayHeld(w, a)
}

// await waits for what is to become of a slot.
func (o *Owner) await(w *waiter, s *slot, fate api.WorkerFate) {
	w.slots = append(w.slots, s)
	w.fates[s], w.before[s] = fate, before{revision: number(s.revision), failures: s.Failures}
	s.waiters = append(s.waiters, w)
	o.touch(s)
}

// deferred is for an app of which somebody waits that it is applied after a rollout. What
// it gives is to be called when that is done: what has begun then is waited for as well.
func (o *Owner) deferred(a *app, one App) (applied func()) {
	var waiting []*waiter
	for _, w := range o.waiters {
		if slices.Contains(w.deferred, a.name) {
			waiting = append(waiting, w)
		}
	}
	if len(waiting) == 0 {
		return func() {}
	}
	c := o.changesOf(a, &one).AppChange
	this := &api.Changes{Apps: []api.AppChange{c}}
	slots := o.slotsOf(this)
	return func() {
		maps.Copy(slots, o.slotsOf(this))
		for _, w := range waiting {
			w.deferred = slices.DeleteFunc(w.deferred, func(name string) bool { return name == a.name })
			i := slices.IndexFunc(w.changes.Apps, func(other api.AppChange) bool { return other.Name == a.name })
			w.changes.Apps[i] = c
			o.awaitChange(w, c, slots)
			o.awaitUnderWay(w, a.name)
		}
	}
}

// isDeferred reports whether an app is still to be applied that the waiter waits for. A
// rollout that is paused may be so for long.
func (o *Owner) isDeferred(w *waiter) bool {
	return slices.ContainsFunc(w.deferred, func(name string) bool {
		a := o.findApp(name)
		return a != nil && !a.removed && !o.quitting && (a.rollout == nil || !a.rollout.isOver())
	})
}

// sayHeld says what keeps an app, or a part of it, from being started, changed or not: what
// runs is not what the files say. A worker that is waited for says it itself.
func (o *Owner) sayHeld(w *waiter, a *app) {
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

// changeOutcome is what has come of an apply for one slot, if that is known.
func (w *waiter) changeOutcome(s *slot, b before, done func(int, string) (api.Outcome, bool)) (api.Outcome, bool) {
	if s.removed {
		if !s.idle() {
			return api.Outcome{}, false
		}
		return done(api.CodeDone, "stopped")
	}
	fate, did := w.fates[s], "started"
	if fate == api.FateReplace {
		did = "replaced"
	}
	goesOn := func(why string) (api.Outcome, bool) {
		return done(api.CodeRolledBack, "not "+did+": "+why+"; the old worker goes on")
	}
	switch {
	case fate == api.FateStop: // it is back in the configuration by now
		return done(api.CodeFailed, "another configuration was applied meanwhile")
	case !s.Up:
		return done(api.CodeFailed, "a stop was asked for meanwhile")
	case s.isHeld():
		return done(api.CodeNotStarted, "not "+did+": "+sentence(s.process.holdup()))
	case s.isBarred() || fate == api.FateReplace && s.process.holdup() != nil:
		return goesOn(sentence(s.process.holdup()))
	case s.revision == nil:
		return done(api.CodeDone, fmt.Sprintf("no release is active; `supctl deploy %s` starts the newest that is registered", s.process.app.name))
	case number(s.revision) < b.revision && s.Failures > b.failures:
		return goesOn(s.Trouble)
	case number(s.revision) < b.revision:
		return goesOn(s.process.failed)
	}
	return s.startOutcome(b, did, true)
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
