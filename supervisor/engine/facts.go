package engine

import (
	"fmt"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/release"
)

// Facts is what those who prepare a request or a configuration have to know of an
// app.
type Facts struct {
	Config    *configs.Config // that is applied
	App       *configs.App    // as its file says; nil: the configuration does not have it
	State     release.State
	Invalid   error              // what is wrong with its file
	Rollout   *api.RolloutStatus // under way
	Journaled bool               // the owner has its journal
}

// Facts gives what is known of each app.
func (o *Owner) Facts() map[string]Facts {
	all := map[string]Facts{}
	for _, a := range o.apps {
		f := Facts{Config: o.config, State: a.state.Clone(), Journaled: a.journal != nil}
		if o.config != nil && !a.removed {
			f.App = o.config.App(a.name)
		}
		if a.invalid {
			f.Invalid = a.trouble
		}
		if a.rollout != nil {
			status := a.rollout.status
			f.Rollout = &status
		}
		all[a.name] = f
	}
	return all
}

// Launches gives how the workers that a target names would be launched now.
func (o *Owner) Launches(target string) (all []Launch, err error) {
	named, err := o.resolve("", []string{target})
	if err != nil {
		return nil, err
	}
	if len(named.slots) == 0 && len(named.bare) > 0 {
		no := named.bare[0].cannot("")
		return nil, fmt.Errorf("%s %s", no.Name, no.Message)
	}
	slots := named.slots
	t, _ := api.ParseTarget(target) // resolve has read it
	for _, p := range o.withoutSlots(t) {
		slots = append(slots, p.newSlot(1, p.revision)) // as it would be
	}
	for _, s := range slots {
		if s.isHeld() {
			return nil, fmt.Errorf("%s: %w", s.name(), s.process.holdup())
		}
		if s.revision == nil {
			return nil, fmt.Errorf("%s: no release is active; `supctl deploy %s` comes first", s.name(), s.process.app.name)
		}
		w := &worker{slot: s, config: s.revision.Config, revision: s.revision}
		w.Generation = s.Generation + 1
		all = append(all, o.launchOf(w))
	}
	return all, nil
}
