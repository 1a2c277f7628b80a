package engine

import (
	"slices"
	"time"

	"supd/configs"
	"supd/supervisor/api"
)

// Hooks are commands of the configuration that are run beside a worker. The one before
// a start is a part of the launch, see Program.Start.

// hookSlack is how long after its timeout a hook may take to be killed, before nobody
// waits for it any more.
const hookSlack = 10 * time.Second

// runHooks runs those that there are, and reports whether there are any.
func (o *Owner) runHooks(w *worker, done Event, names ...configs.HookName) bool {
	var there []configs.HookName
	for _, name := range names {
		if w.config.Hooks.Of(name) != nil {
			there = append(there, name)
		}
	}
	if len(there) > 0 {
		o.beginHooks(w, there, done)
	}
	return len(there) > 0
}

// beginHooks waits while strays of the user are killed: a hook would be taken for one.
func (o *Owner) beginHooks(w *worker, names []configs.HookName, done Event) {
	u := o.user(w)
	if u.clearing {
		u.waiting = append(u.waiting, func(o *Owner) { o.beginHooks(w, names, done) })
		return
	}
	u.hooks++
	w.revision.Program.Hooks(o.launchOf(w), w.handle, HookRun{names, w.end, func(o *Owner) { o.hooksEnded(u, done) }})
}

// hooksEnded is the event of the end of hooks of a user's. What they have put into the
// background goes with the last of the user's workers, which may have ended before.
func (o *Owner) hooksEnded(u *user, done Event) {
	u.hooks--
	o.clearIdle(u)
	switch {
	case done == nil:
	case u.clearing:
		u.waiting = append(u.waiting, done)
	default:
		done(o)
	}
}

// runPostStart is for a worker that has become ready. A candidate's comes to nobody.
func (o *Owner) runPostStart(w *worker) {
	if !w.isCandidate() {
		o.runHooks(w, nil, configs.HookPostStart)
	}
}

// runPreStop puts off the first signal of a stop until the hook has ended, or its time is
// over. It is left out where the signal would be KILL: that cannot wait.
func (o *Owner) runPreStop(w *worker) bool {
	h := w.config.Hooks.PreStop
	if h == nil || w.isCandidate() || len(w.Steps) == 0 || w.Steps[0].Signal == configs.Kill {
		return false
	}
	w.preStop = true
	w.set(api.Stopping, time.Now().Add(h.Timeout+hookSlack))
	return o.runHooks(w, func(o *Owner) { o.preStopped(w) }, configs.HookPreStop)
}

// preStopped is the event of the end of that hook.
func (o *Owner) preStopped(w *worker) {
	switch w.State {
	case api.Stopping:
		if w.preStop { // else nobody has waited any more
			o.nextStep(w)
			o.touch(w.slot)
		}
	case api.Starting, api.Running, api.Unhealthy: // it is run for one that stops
	case api.Exited: // by itself
	}
}

// conclude makes the last hooks of a worker those that are to be run. The slot is not
// empty until they are.
func (o *Owner) conclude(w *worker, end *api.Exit, failed bool) {
	if w.handle != nil && w.config.Hooks.PostStop != nil {
		w.last = append(w.last, configs.HookPostStop)
	}
	if (failed || w.Illness != "") && w.config.Hooks.OnFailure != nil {
		w.last = append(w.last, configs.HookOnFailure)
	}
	if len(w.last) == 0 {
		return
	}
	w.end = end
	w.slot.concluded = append(w.slot.concluded, w)
	if w.handle == nil { // nothing is searched for
		o.runLast(w)
	}
}

// runLast runs the last hooks of a worker of which nothing is left.
func (o *Owner) runLast(w *worker) {
	if len(w.last) > 0 {
		o.runHooks(w, func(o *Owner) {
			s := w.slot
			s.concluded = slices.DeleteFunc(s.concluded, func(other *worker) bool { return other == w })
			o.touch(s)
		}, w.last...)
	}
}
