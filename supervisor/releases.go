package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"supd/supervisor/api"
	"supd/supervisor/engine"
	"supd/supervisor/release"
)

// facts asks the owner about one app.
func (s *Supervisor) facts(app string) (engine.Facts, error) {
	all, err := engine.Ask(s.owner, (*engine.Owner).Facts)
	return all[app], err
}

// ofRelease carries out a request about an app's releases. What may block is done
// here, in the goroutine of whoever asks.
func (s *Supervisor) ofRelease(ctx context.Context, r api.Request) *api.Result {
	name := r.Targets[0]
	f, err := s.facts(name)
	switch {
	case err != nil:
		return api.Refuse(api.CodeFailed, "%s", err)
	case f.Invalid != nil:
		return api.Refuse(api.CodeInvalid, "%s is left out: %s", name, f.Invalid)
	case f.App == nil:
		return api.Refuse(api.CodeNoTarget, "no app %q", name)
	case f.App.Release == nil:
		return api.Refuse(api.CodeFailed, "%s has no [release] in %s; `supctl restart %s` replaces its workers", name, f.App.File, name)
	}
	f, err = s.withState(ctx, name, f)
	if err != nil && !(r.Action == api.ActionUnregister && r.Force) { // else its files go, whatever is known of it
		return api.Refuse(api.CodeFailed, "%s: %s", name, err)
	}
	switch r.Action {
	case api.ActionHold, api.ActionUnhold:
		return s.wait(ctx, func(o *engine.Owner, reply chan<- *api.Result) { o.Hold(r, reply) })
	case api.ActionResume:
		return s.wait(ctx, func(o *engine.Owner, reply chan<- *api.Result) { o.Resume(r, reply) })
	case api.ActionUnregister:
		return s.unregister(ctx, r, f)
	default:
		return s.deploy(ctx, r, f)
	}
}

// deploy begins a rollout to a release, and waits for its end unless told not to.
func (s *Supervisor) deploy(ctx context.Context, r api.Request, f engine.Facts) *api.Result {
	name := r.Targets[0]
	if u := f.Rollout; r.Action == api.ActionRollback && u != nil && u.From != "" && (r.Version == "" || r.Version == u.From) {
		return s.wait(ctx, func(o *engine.Owner, reply chan<- *api.Result) { o.Undo(r, reply) })
	}
	all, err := s.store.Releases(name)
	if err != nil {
		s.log.Error("registry of releases", "app", name, "error", err)
	}
	to, err := chosen(r, f.State, all)
	if err != nil {
		var wrong *choiceError
		errors.As(err, &wrong)
		return api.Refuse(wrong.code, "%s: %s", name, wrong.why)
	}
	if f.Rollout != nil && (f.Rollout.To != to.Version || f.Rollout.Step == release.StepPaused) && r.Action == api.ActionDeploy {
		return api.Refuse(api.CodeFailed, "%s", engine.Busy(name, f.Rollout))
	}
	warnings := s.changedFiles(to)
	target, why := s.prepareRelease(f.Config, name, to)
	if unfit, is := errors.AsType[*unfitError](why); is { // the release is not to blame
		return api.Refuse(api.CodeFailed, "%s", unfit)
	}
	begin := func(o *engine.Owner, reply chan<- *api.Result) { o.Deploy(r, f.Config, to, target, why, reply) }
	result := s.wait(ctx, begin)
	result.Warnings = warnings
	return result
}

// changedFiles says what of a release is no longer what was registered.
func (s *Supervisor) changedFiles(r release.Release) (warnings []string) {
	changes, err := s.store.Changed(r)
	if err != nil {
		return nil // that it is missing is said when it is prepared
	}
	const most = 5
	for i, c := range changes {
		if i == most {
			warnings = append(warnings, fmt.Sprintf("%s %s: and %d more; `supctl audit %s` shows all", r.App, r.Version, len(changes)-most, r.App))
			break
		}
		warnings = append(warnings, fmt.Sprintf("%s %s has changed since it was registered: %s", r.App, r.Version, c))
	}
	return warnings
}

// choiceError says why there is no release to deploy.
type choiceError struct {
	code int
	why  string
}

func (e *choiceError) Error() string { return e.why }

// chosen is the release that a request names or means. What comes with an error
// is a *choiceError.
func chosen(r api.Request, state release.State, all []release.Release) (release.Release, error) {
	version := r.Version
	switch {
	case version != "":
	case r.Action == api.ActionRollback:
		known := func(version string) bool {
			return slices.ContainsFunc(all, func(one release.Release) bool { return one.Version == version && one.Present() })
		}
		if version = state.Back(known); version == "" {
			return release.Release{}, &choiceError{api.CodeFailed, nothingBehind(state, known)}
		}
	default:
		for _, candidate := range slices.Backward(all) {
			if _, failed := state.Failed[candidate.Version]; !failed || candidate.Version == state.Active {
				return candidate, nil
			}
		}
		if len(all) > 0 {
			return release.Release{}, &choiceError{api.CodeFailed, fmt.Sprintf("every registered release has failed, or was left by a rollback; name the one to try again, such as %s", all[len(all)-1].Version)}
		}
		return release.Release{}, &choiceError{api.CodeFailed, "no release is registered; `supctl register` makes one known"}
	}
	var known []string
	for _, one := range all {
		if one.Version == version {
			return one, nil
		}
		known = append(known, one.Version)
	}
	if len(known) == 0 {
		known = []string{"none"}
	}
	return release.Release{}, &choiceError{api.CodeNoTarget, fmt.Sprintf("no release %s is registered; known: %s", version, strings.Join(known, ", "))}
}

// nothingBehind says why there is nothing to go back to.
func nothingBehind(state release.State, known func(string) bool) string {
	var marked []string
	for _, version := range slices.Sorted(maps.Keys(state.Failed)) {
		if known(version) && version != state.Active {
			marked = append(marked, version)
		}
	}
	if len(marked) == 0 {
		return "there is no previous release; name the one to go back to"
	}
	return "there is no previous release but what has failed or was left by a rollback (" + strings.Join(marked, ", ") + "); name the one to go to all the same"
}

// unregister forgets a release. That of the workers is refused, unless it is the
// only one, or the request insists: then the app is stopped first, since its files
// are about to go.
func (s *Supervisor) unregister(ctx context.Context, r api.Request, f engine.Facts) *api.Result {
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
	active := f.State.Active == version || f.Rollout != nil && (f.Rollout.From == version || f.Rollout.To == version)
	switch {
	case !known && !active:
		return &api.Result{Outcomes: []api.Outcome{{Name: app, Code: api.CodeDone, Message: version + " is not registered"}}}
	case f.Rollout != nil && f.Rollout.To == version && !r.Force:
		return api.Refuse(api.CodeFailed, "%s %s is being deployed; wait for the end of that, or `supctl rollback %s` first, or insist with --force, which stops %s", app, version, app, app)
	case active && !r.Force && (others || f.Rollout != nil):
		return api.Refuse(api.CodeFailed, "%s %s is active; `supctl deploy %s VERSION` or `supctl rollback %s` first, or insist with --force, which stops %s", app, version, app, app, app)
	case active:
		result := s.wait(ctx, func(o *engine.Owner, reply chan<- *api.Result) { o.Retire(r, reply) })
		if result.Code != api.CodeDone {
			return result
		}
	}
	if err := s.store.Unregister(ctx, app, version); err != nil {
		return api.Refuse(api.CodeFailed, "%s: %s", app, err)
	}
	if active {
		if err := s.store.SetCurrent(app, ""); err != nil {
			s.log.Error("cannot remove the symlink to the active release", "app", app, "error", err)
		}
	}
	s.log.Info("release unregistered", "app", app, "version", version, "by", r.By)
	return &api.Result{Outcomes: []api.Outcome{{Name: app, Code: api.CodeDone, Message: version + " is forgotten"}}}
}

// Releases lists what is registered of an app, and how its rollouts ended.
func (s *Supervisor) Releases(app string) (*api.ReleaseList, error) {
	f, err := s.facts(app)
	switch {
	case err != nil:
		return nil, err
	case f.Invalid != nil: // nobody has its journal
		if f.State, err = release.ReadState(s.store.StatePath(app)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	case f.App == nil:
		return nil, fmt.Errorf("no app %q", app)
	}
	return api.ListReleases(s.store, f.State, app)
}

// Audit lists what of the apps' releases is not as it was registered; "" is all
// apps.
func (s *Supervisor) Audit(app string) ([]api.Finding, error) {
	apps := []string{app}
	if app == "" {
		apps = nil
		for _, a := range s.Status().Apps {
			apps = append(apps, a.Name)
		}
	}
	return api.AuditReleases(s.store, apps)
}
