package engine

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"

	"supd/configs"
)

// Apply makes a prepared configuration what is desired. When a socket cannot be opened
// nothing has changed. Of an app that a rollout is changing nothing is applied
// before that has ended.
func (o *Owner) Apply(p Prepared) error {
	if o.quitting {
		return errors.New("supd is stopping")
	}
	for _, one := range p.Apps {
		if o.isStale(one) {
			return ErrChanged
		}
	}
	if err := o.host.Sockets.Open(o.socketsOf(p)); err != nil {
		return err
	}
	before := o.config
	o.config = p.Config
	o.removeGone(p.Apps)
	for _, one := range p.Apps {
		a := o.app(one.Config.Name)
		if a.rollout != nil {
			a.postponed = true
			o.log.Info("configuration is applied after the rollout", "app", a.name)
			continue
		}
		a.sockets = one.Sockets
		if one.Journal != nil {
			a.state, a.journal = one.State, one.Journal
		}
		o.applyApp(a, one, movedSockets(before, one.Config))
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
		return true // it was there, and was forgotten meanwhile
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

// socketsOf are the sockets that are to be open with p: of an app in a rollout they
// stay as they are.
func (o *Owner) socketsOf(p Prepared) map[string]configs.Socket {
	all := map[string]configs.Socket{}
	for _, one := range p.Apps {
		if a := o.findApp(one.Config.Name); a == nil || a.rollout == nil {
			maps.Copy(all, one.Sockets)
		}
	}
	for _, a := range o.apps {
		if a.rollout != nil {
			maps.Copy(all, a.sockets)
		}
	}
	return all
}

// applyApp makes an app what it is to be with its release.
func (o *Owner) applyApp(a *app, one App, moved map[string]bool) {
	a.config, a.removed, a.postponed, a.trouble = one.Config, false, false, one.Trouble
	for i := range one.Config.Processes {
		pc := &one.Config.Processes[i]
		e, known := one.Revisions[pc.Name]
		if !known {
			o.applyProcess(a.process(pc.Name), pc, nil, moved)
			continue
		}
		o.applyProcess(a.process(pc.Name), pc, &e, moved)
	}
	slices.SortFunc(a.processes, byName)
	a.dependents = nil
	o.touchApp(a)
}

// applyProcess makes r what the process is to run; nil is nothing yet.
func (o *Owner) applyProcess(p *process, c *configs.Process, r *Revision, moved map[string]bool) {
	was, running := p.config, p.revision
	isNew := was == nil || p.removed || len(p.slots) == 0
	up := p.isDesired() || isNew && c.Autostart
	p.config, p.removed = c, false
	p.resize(up)
	if isNew && up {
		p.wantAll()
	}
	switch {
	case r == nil:
	case isNew || running == nil:
		o.renew(p, *r)
	case running.differs(r) || slices.ContainsFunc(c.Sockets, func(name string) bool { return moved[name] }):
		o.log.Info("configuration changed, replacing workers", "process", p.fullName())
		o.renew(p, *r)
		p.retryAll()
	default:
		p.exchange(running, *r)
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

// movedSockets are the app's sockets that listen somewhere else than before.
func movedSockets(before *configs.Config, a *configs.App) map[string]bool {
	moved := map[string]bool{}
	if before == nil {
		return moved
	}
	old := slices.IndexFunc(before.Apps, func(b configs.App) bool { return b.Name == a.Name })
	if old < 0 {
		return moved
	}
	for _, s := range a.Sockets {
		i := slices.IndexFunc(before.Apps[old].Sockets, func(b configs.Socket) bool { return b.Name == s.Name })
		moved[s.Name] = i >= 0 && before.Apps[old].Sockets[i].Listen != s.Listen
	}
	return moved
}

// removeGone stops the processes that the configuration does not have any more.
func (o *Owner) removeGone(apps []App) {
	for _, a := range o.apps {
		i := slices.IndexFunc(apps, func(b App) bool { return b.Config.Name == a.name })
		a.removed = i < 0
		switch {
		case i < 0:
			o.abort(a, "the app was removed from the configuration")
			a.keepOnly(nil)
			o.touchApp(a)
		case a.rollout == nil:
			a.keepOnly(apps[i].Config)
			o.touchApp(a)
		}
	}
}
