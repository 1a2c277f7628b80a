package engine

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/record"
)

// What keeps an app, or a process of it, from being started is its own: a user that
// does not exist, a port that is taken, a release that cannot be read. All others
// start. What lives of it goes on; it is prepared again with growing delays, and with
// each configuration that is applied.

var heldBackoff = configs.Backoff{Initial: time.Second, Max: 30 * time.Second, Factor: 2, Jitter: 0.1}

// attempts are those to prepare an app that is held back.
type attempts struct {
	at      time.Time // of the next one; zero: none is to come
	pending bool      // one is under way
	inARow  int
	said    string // the reason in the log
}

// holdup is why no worker of the process can be started; nil: it can.
func (p *process) holdup() error {
	a := p.app
	switch {
	case a.trouble != nil:
		return a.trouble
	case p.fault != nil:
		return p.fault
	case p.config == nil:
		return nil
	}
	for _, name := range p.config.Sockets {
		if why := a.closed[SocketKey(a.name, name)]; why != nil {
			return why // it says which socket
		}
	}
	return nil
}

// isHeld reports whether the slot waits for what keeps its process from being started.
func (s *slot) isHeld() bool {
	return s.process.holdup() != nil && (s.revision == nil || s.revision.Recorded || s.isShut())
}

// reasons are why the app, or a part of it, is held back; "" is not at all.
func (a *app) reasons() string {
	if a.trouble != nil {
		return sentence(a.trouble)
	}
	all := slices.Collect(maps.Values(a.closed))
	for _, p := range a.processes {
		if p.fault != nil {
			all = append(all, p.fault)
		}
	}
	return joined(all)
}

// planAttempt plans the next attempt for an app that is held back, and says so once.
func (o *Owner) planAttempt(a *app) {
	why := a.reasons()
	if why != a.tries.said {
		a.isUnshown = true
		switch {
		case why == "":
			o.log.Info("app is not held back any more", "app", a.name)
		default:
			o.log.Error("app is held back, all others go on", "app", a.name, "why", why)
		}
	}
	a.tries.said, a.tries.pending, a.tries.at = why, false, time.Time{}
	switch {
	case why == "":
		a.tries = attempts{}
	case !a.invalid: // else its file has to be mended
		a.tries.at = time.Now().Add(nextDelay(&a.tries.inARow, heldBackoff, 0, false))
	}
	o.heldBack = slices.DeleteFunc(o.heldBack, func(other *app) bool { return other == a })
	if !a.tries.at.IsZero() {
		o.heldBack = append(o.heldBack, a)
	}
	for _, p := range a.processes { // their next start is shown
		for _, s := range p.slots {
			if s.isHeld() {
				o.changed(s)
			}
		}
	}
}

// attempt prepares the apps again whose time has come.
func (o *Owner) attempt(now time.Time) {
	for _, a := range o.heldBack {
		switch {
		case a.tries.pending || o.quitting:
		case a.tries.at.After(now):
			o.wake(a.tries.at)
		default:
			a.tries.pending = true
			o.host.Retry(a.name)
		}
	}
}

// attemptSoon is for somebody who asks for a start.
func (o *Owner) attemptSoon(a *app) {
	if !a.tries.at.IsZero() {
		a.tries.at, a.tries.inARow = time.Now(), 0
	}
}

// BeginAttempt is for somebody who prepares an app at once that is held back, and calls
// Mend then. It reports whether there is such an app.
func (o *Owner) BeginAttempt(app string) bool {
	a := o.findApp(app)
	if a == nil || a.tries.at.IsZero() {
		return false
	}
	a.tries.pending = true
	return true
}

// Mend is the event of an app that was held back and is prepared again, as c says. It
// reports whether that was of use: the configuration may be another by now.
func (o *Owner) Mend(c *configs.Config, one App) bool {
	a := o.findApp(one.Config.Name)
	switch {
	case a == nil || o.config != c || !a.tries.pending:
		return false // whoever has applied another one has seen to it
	case o.quitting || a.rollout != nil || o.isStale(one):
		o.planAttempt(a)
		return false
	}
	apps := []App{one}
	o.open(apps)
	one = apps[0]
	if !a.keepsOn(one) {
		a.keepOnly(one.Config)
	}
	o.applyOne(a, one)
	o.planAttempt(a)
	o.mayGo, o.isUnshown = true, true
	return true
}

// keepsOn reports whether an app goes on as it is, since it cannot be prepared: it has
// workers, or is to have some.
func (a *app) keepsOn(one App) bool {
	return one.Trouble != nil && slices.ContainsFunc(a.processes, func(p *process) bool {
		return slices.ContainsFunc(p.slots, func(s *slot) bool { return s.revision != nil })
	})
}

// rejoin takes the workers of an earlier supd into the revision that their process has
// now, if they were launched from it; the others are replaced like any that are of
// another one.
func (o *Owner) rejoin(p *process) {
	for _, s := range p.slots {
		for _, w := range s.workers {
			if !w.revision.Recorded || s.revision == nil || s.revision.Recorded || !o.belongs(w, s.revision) {
				continue
			}
			o.part(w)
			w.revision, w.config = s.revision, s.revision.Config
			w.key = ""
			o.join(w)
			s.revision.Program.Join(o.launchOf(w), w.handle)
			if w.State == api.Running {
				w.set(api.Running, o.watchdogDeadline(w))
				w.observer.Watch(false)
			}
			o.touch(s)
			o.log.Info("worker is supervised again", "worker", s.name(), "pid", w.Pid)
		}
	}
}

// belongs reports whether a worker was launched from r, and holds its sockets.
func (o *Owner) belongs(w *worker, r *revision) bool {
	key := cmp.Or(w.key, w.revision.Key)
	return w.handle != nil && key != "" && key == r.Key && o.hasSockets(r, w.slot.process.app.name, &record.Worker{Process: w.Process})
}

// asRecorded is how a worker is treated that this supd cannot launch again: it is
// asked nothing, and is stopped as it was to be.
func asRecorded(c *configs.Process, saved *record.Worker) *configs.Process {
	config := *c
	config.Ready, config.Health, config.Watchdog = configs.Ready{}, configs.Health{}, 0
	if c.Log.File == "" && len(saved.Stop) > 0 { // this configuration does not have it
		config.Stop = saved.Stop
		config.Log.File = saved.Log
	}
	return &config
}

// sentence is an error on one line, for a table: each of several that are joined has a line of
// its own in the text.
func sentence(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
