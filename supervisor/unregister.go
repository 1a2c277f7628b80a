package supervisor

import (
	"context"
	"fmt"
	"time"

	"supd/supervisor/release"
)

// unregister forgets a release. That of the workers is refused, unless it is the
// only one, or the request insists: then the app is stopped first, since its files
// are about to go.
func (s *Supervisor) unregister(ctx context.Context, r Request, f facts) *Result {
	app, version := r.Targets[0], r.Version
	all, err := s.store.Releases(app)
	if err != nil {
		s.log.Error("registry of releases", "app", app, "error", err)
	}
	known, others := false, false // that there is something to go back to
	for _, one := range all {
		known = known || one.Version == version
		others = others || one.Version != version && one.Present()
	}
	active := f.state.Active == version || f.rollout != nil && (f.rollout.From == version || f.rollout.To == version)
	switch {
	case !known && !active:
		return &Result{Outcomes: []Outcome{{app, CodeDone, version + " is not registered"}}}
	case f.rollout != nil && f.rollout.To == version && !r.Force:
		return refuse(CodeFailed, "%s %s is being deployed; wait for the end of that, or `supctl rollback %s` first, or insist with --force, which stops %s", app, version, app, app)
	case active && !r.Force && (others || f.rollout != nil):
		return refuse(CodeFailed, "%s %s is active; `supctl deploy %s VERSION` or `supctl rollback %s` first, or insist with --force, which stops %s", app, version, app, app, app)
	case active:
		result := s.wait(ctx, r, func(o *owner, reply chan<- *Result) { o.retire(r, reply) })
		if result.Code != CodeDone {
			return result
		}
	}
	if err := s.store.Unregister(ctx, app, version); err != nil {
		return refuse(CodeFailed, "%s: %s", app, err)
	}
	if active {
		if err := s.store.SetCurrent(app, ""); err != nil {
			s.log.Error("cannot remove the symlink to the active release", "app", app, "error", err)
		}
	}
	s.log.Info("release unregistered", "app", app, "version", version, "by", r.By)
	return &Result{Outcomes: []Outcome{{app, CodeDone, version + " is forgotten"}}}
}

// retire is the event of the request to stop an app whose release goes.
func (o *owner) retire(r Request, reply chan<- *Result) {
	a := o.findApp(r.Targets[0])
	if a == nil {
		reply <- &Result{}
		return
	}
	o.log.Info("app is stopped, since its release goes", "app", a.name, "version", r.Version, "by", r.By)
	o.abort(a, "the release was unregistered")
	state := a.state.Clone()
	state.Active, state.Place, state.Previous = "", nil, ""
	a.state = state
	o.record(a, state, func(o *owner, err error) {
		if err != nil {
			o.log.Error("that no release is active is not in the journal", "app", a.name, "error", err)
		}
	})
	var slots []*slot
	for _, p := range a.processes {
		slots = append(slots, p.slots...)
	}
	stop := Request{Action: ActionStop, Targets: r.Targets, Timeout: r.Timeout, By: r.By}
	answered := make(chan *Result, 1)
	o.wait(stop, slots, answered)
	w := o.waiters[len(o.waiters)-1]
	w.reply = reply
	w.after = func() {
		for _, s := range slots {
			s.edition = nil
			if s.process.config.Autostart && !s.removed {
				s.wish() // as soon as there is a release again
			}
		}
		for _, p := range a.processes {
			p.edition = nil
		}
	}
}

// Releases lists what is registered of an app, and how its rollouts ended.
func (s *Supervisor) Releases(app string) (*ReleaseList, error) {
	f, err := s.facts(app)
	if err != nil {
		return nil, err
	}
	if !f.found {
		return nil, fmt.Errorf("no app %q", app)
	}
	return ListReleases(s.store, f.state, app)
}

// Audit lists what of the apps' releases is not as it was registered; "" is all
// apps.
func (s *Supervisor) Audit(app string) ([]Finding, error) {
	apps := []string{app}
	if app == "" {
		apps = nil
		for _, a := range s.Status().Apps {
			apps = append(apps, a.Name)
		}
	}
	return AuditReleases(s.store, apps)
}

func held(state release.State) *Held {
	if state.Held == nil {
		return nil
	}
	return &Held{By: state.Held.By, At: state.Held.At.Truncate(time.Second), Reason: state.Held.Reason}
}
