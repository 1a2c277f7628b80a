package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"supd/privdrop"
	"supd/supervisor/api"
	"supd/supervisor/engine"
	"supd/supervisor/release"
)

// refresh takes up the releases that were registered to be deployed: of each app
// the newest. The rollouts go on in the background; what one has to wait for is
// taken up at its end.
func (s *Supervisor) refresh(r api.Request) *api.Result {
	apps := r.Targets
	if len(apps) == 0 {
		for _, a := range s.Status().Apps {
			apps = append(apps, a.Name)
		}
	}
	result := &api.Result{}
	for _, app := range apps {
		one := s.deployRegistered(app)
		result.Add(one.Outcomes[0])
		if len(r.Targets) > 0 {
			result.Rollout, result.Warnings = one.Rollout, one.Warnings
		}
	}
	return result
}

// takeUp registers what packages have put into the drop-in directory while no
// supd was there, and begins what was to be deployed.
func (s *Supervisor) takeUp() {
	s.pointToActive()
	taken, gone, err := s.store.Import(context.Background(), s.began.Daemon.DropIns, s.isInPlace, os.Geteuid())
	for _, r := range taken {
		s.log.Info("release registered", "app", r.App, "version", r.Version, "by", r.Origin)
	}
	for _, r := range gone {
		if r.Present() {
			continue // its snapshot is what a rollback goes to
		}
		s.log.Warn("the file that registered a release is gone; `supctl unregister` forgets it", "app", r.App, "version", r.Version, "file", r.Origin)
	}
	if err != nil {
		s.log.Error("releases in the drop-in directory", "error", err)
	}
	s.refresh(api.Request{Action: api.ActionRefresh})
}

// pointToActive lets each app's symlink lead to its active release: a supd that was
// killed may not have come to that.
func (s *Supervisor) pointToActive() {
	all, err := engine.Ask(s.owner, (*engine.Owner).Facts)
	if err != nil {
		return // it has stopped
	}
	for app, f := range all {
		if f.State.Place == nil {
			continue
		}
		if err := s.store.SetCurrent(app, f.State.Place.Files); err != nil {
			s.log.Error("cannot switch the symlink to the active release", "app", app, "error", err)
		}
	}
}

// isInPlace reports whether the next version of an app will be installed at the same
// path.
func (s *Supervisor) isInPlace(app, path string) bool {
	c := s.newest.Load()
	if a := c.App(app); a != nil && a.Release != nil {
		return a.Release.InPlace() && a.Release.Path == path
	}
	return true // a snapshot is never wrong
}

// deployRegistered begins the rollout that was asked for while registering.
func (s *Supervisor) deployRegistered(app string) *api.Result {
	say := func(code int, message string) *api.Result {
		return &api.Result{Outcomes: []api.Outcome{{Name: app, Code: code, Message: message}}}
	}
	all, err := s.store.Releases(app)
	if err != nil {
		s.log.Error("registry of releases", "app", app, "error", err)
	}
	i := slices.IndexFunc(all, func(r release.Release) bool { return r.Deploy })
	if i < 0 {
		return say(api.CodeDone, "nothing to deploy")
	}
	for k := range all {
		if all[k].Deploy {
			i = k // the newest
		}
	}
	f, err := s.facts(app)
	if err == nil && f.Invalid != nil {
		return say(api.CodeDone, "is left out, for its file is invalid: "+all[i].Version+" is deployed once that is mended")
	}
	if err != nil || f.App == nil || f.App.Release == nil {
		return say(api.CodeFailed, "no such app with releases")
	}
	if f, err = s.withState(context.Background(), app, f); err != nil { // it is taken up when that is mended
		return say(api.CodeFailed, err.Error())
	}
	if f.Rollout != nil && f.Rollout.To != all[i].Version {
		return say(api.CodeDone, "queued behind the rollout to "+f.Rollout.To)
	}
	if f.State.Held != nil && f.Rollout == nil {
		return say(api.CodeDone, "is held: "+all[i].Version+" is deployed after `supctl unhold "+app+"`")
	}
	by := fmt.Sprintf("%s, when it was registered", privdrop.UserTitle(all[i].By))
	result := s.deploy(context.Background(), api.Request{Action: api.ActionDeploy, Targets: []string{app}, Version: all[i].Version, Detach: true, By: by}, f)
	for _, one := range all[:i+1] {
		if one.Deploy {
			if err := s.store.ClearDeploy(context.Background(), app, one.Version); err != nil && !errors.Is(err, fs.ErrNotExist) {
				s.log.Error("registry of releases", "app", app, "error", err)
			}
		}
	}
	if result.Error != "" {
		s.log.Error("registered release is not deployed", "app", app, "version", all[i].Version, "why", result.Error)
		return say(result.Code, result.Error)
	}
	if result.Rollout == nil { // it is active already
		return result
	}
	result.Outcomes = say(api.CodeDone, "deploying "+all[i].Version).Outcomes
	return result
}
