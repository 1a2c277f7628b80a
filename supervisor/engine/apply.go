package engine

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"

	"supd/configs"
)

// Apply makes a prepared configuration what is desired. Of an app that a rollout is
// changing nothing is applied before that has ended, and one that cannot be prepared
// goes on as it is.
func (o *Owner) Apply(p Prepared) error {
	if o.quitting {
		return errStopping
	}
	for _, one := range p.Apps {
		if o.isStale(one) {
			return ErrChanged
		}
	}
	o.config = p.Config
	o.removeGone(p)
	o.open(p.Apps)
	for _, one := range p.Apps {
		a := o.app(one.Config.Name)
		if a.rollout != nil {
			a.postponed = true
			o.log.Info("configuration is applied after the rollout", "app", a.name)
			continue
		}
		applied := o.deferred(a, one)
		o.applyOne(a, one)
		o.tryAgain(a)
		applied()
		a.tries.inARow = 0
		o.planAttempt(a)
	}
	o.mayGo, o.isUnshown = true, true
	slices.SortFunc(o.apps, func(a, b *app) int { return strings.Compare(a.name, b.name) })
	return nil
}

// ErrChanged says that the active release of an app is another by now than the one
// that a configuration was prepared with: it has to be prepared again.
var ErrChanged = errors.New("the active release has changed meanwhile")

// isStale reports whether an app was prepared with a release that is not the active
// one any more.
func (o *Owner) isStale(one App) bool {
	a := o.findApp(one.Config.Name)
	switch {
	case one.Config.Release == nil || one.Journal != nil:
		return false
	case a == nil || a.journal == nil:
		return one.Trouble == nil // it was there, and was forgotten meanwhile
	}
	return a.rollout == nil && a.state.Active != versionOf(one.Release)
}

// versionOf is "" for no release.
func versionOf(v *configs.Version) string {
	if v == nil {
		return ""
	}
	return v.Name
}

// open opens the sockets of apps, and leaves those of all others as they are. What
// cannot be opened is in the apps' Closed then.
func (o *Owner) open(apps []App) (failed map[string]error) {
	all, more := map[string]configs.Socket{}, false
	for _, a := range o.apps {
		if !a.removed {
			maps.Copy(all, a.sockets)
			more = more || a.tries.said != ""
		}
	}
	for i := range apps {
		one := &apps[i]
		a := o.findApp(one.Config.Name)
		more = more || one.isHeld()
		if a != nil && (a.rollout != nil || a.keepsOn(*one)) {
			continue
		}
		if a != nil {
			for key := range a.sockets {
				if one.Closed[key] == nil { // else it stays as it is
					delete(all, key)
				}
			}
		}
		maps.Copy(all, one.Sockets)
	}
	shut := o.leaveShut(all)
	failed = o.host.Sockets.Open(all, more)
	o.noteShut(shut, failed)
	for i := range apps {
		for key := range apps[i].Sockets {
			if why := failed[key]; why != nil {
				apps[i].Closed = with(apps[i].Closed, key, unbound(key, why))
			}
		}
	}
	return failed
}

func with(m map[string]error, key string, why error) map[string]error {
	all := maps.Clone(m)
	if all == nil {
		all = map[string]error{}
	}
	all[key] = why
	return all
}

// isHeld reports whether the host keeps the app, or a part of it, from being started.
func (one *App) isHeld() bool {
	return one.Trouble != nil || len(one.Faults) > 0 || len(one.Closed) > 0
}

// applyOne makes an app what it is to be, as far as it could be prepared. Its sockets
// were opened.
func (o *Owner) applyOne(a *app, one App) {
	if one.Journal != nil {
		a.state, a.journal = one.State, one.Journal
	}
	if a.keepsOn(one) {
		a.trouble, a.isUnshown = one.Trouble, true
		return
	}
	now := map[string]configs.Socket{}
	for key, s := range one.Sockets {
		now[key] = s
	}
	for key := range one.Closed {
		delete(now, key)
		if before, is := a.sockets[key]; is {
			now[key] = before
		}
	}
	a.sockets, a.closed, a.closes = now, one.Closed, closes(now)
	o.stir(a)
	o.applyApp(a, one)
}

// Abandoned is the event of an app that was not there when supd was started, and whose
// journal says that a rollout was under way.
func (o *Owner) Abandoned(app string, target App, why error) {
	if a := o.findApp(app); a != nil && a.rollout == nil && a.state.Rollout != nil {
		o.Unfinished(app, false, target, why)
		o.touchApp(a)
	}
}

// applyApp makes an app what it is to be with its release.
func (o *Owner) applyApp(a *app, one App) {
	a.config, a.removed, a.postponed, a.trouble, a.invalid = one.Config, false, false, one.Trouble, one.Invalid
	for i := range one.Config.Processes {
		pc := &one.Config.Processes[i]
		p := a.process(pc.Name)
		p.fault = one.Faults[pc.Name]
		e, known := one.Revisions[pc.Name]
		if !known {
			o.applyProcess(p, pc, nil)
			continue
		}
		o.applyProcess(p, pc, &e)
	}
	slices.SortFunc(a.processes, byName)
	a.dependents = nil
	o.touchApp(a)
}

// applyProcess makes r what the process is to run; nil is nothing yet. While it cannot
// be started, what runs goes on.
func (o *Owner) applyProcess(p *process, c *configs.Process, r *Revision) {
	was, running := p.config, p.revision
	isNew := was == nil || p.removed || len(p.slots) == 0
	up := p.isDesired() || isNew && p.autostarts(c)
	p.config, p.removed = c, false
	p.unscale()
	p.resize(up)
	if isNew && up {
		p.wantAll()
	}
	switch {
	case r == nil || p.holdup() != nil:
	case isNew || running == nil:
		o.renew(p, *r)
		o.rejoin(p)
	case running.differs(r) || running.addresses != p.app.addresses(c.Sockets):
		o.log.Info("configuration changed, replacing workers", "process", p.fullName())
		o.renew(p, *r)
		p.retryAll()
	default:
		o.exchange(p, *r)
		if !reflect.DeepEqual(withoutLine(was), withoutLine(c)) {
			p.retryAll()
		}
	}
}

func withoutLine(p *configs.Process) configs.Process {
	c := *p
	c.Line = 0
	return c
}

// removeGone stops the processes that the configuration does not have any more.
func (o *Owner) removeGone(p Prepared) {
	for _, a := range o.apps {
		i := slices.IndexFunc(p.Apps, func(b App) bool { return b.Config.Name == a.name })
		switch {
		case p.drops(a.name):
			a.removed = true
			o.dropLasting(a)
			o.abort(a, "the app was removed from the configuration")
			o.heldBack = slices.DeleteFunc(o.heldBack, func(other *app) bool { return other == a })
			a.keepOnly(nil)
			o.touchApp(a)
		case i < 0: // it is not touched
		case a.rollout == nil && !a.keepsOn(p.Apps[i]):
			a.removed = false
			a.keepOnly(p.Apps[i].Config)
			o.touchApp(a)
		default:
			a.removed = false
		}
	}
}
