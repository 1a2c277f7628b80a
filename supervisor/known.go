package supervisor

import (
	"errors"
	"fmt"
	"os"

	"supd/configs"
	"supd/supervisor/release"
)

// knowledge is what is known of an app's releases before a configuration is
// prepared.
type knowledge struct {
	state   release.State
	journal journal          // opened just now; nil: the owner has it
	active  *configs.Version // nil: none is
	missing error            // why the active one cannot be found
	trouble bool             // the active one cannot be started already now
}

// have asks the owner what it knows of each app.
func (s *Supervisor) have() (map[string]knowledge, error) {
	reply := make(chan map[string]knowledge, 1)
	s.post(func(o *owner) {
		all := map[string]knowledge{}
		for _, a := range o.apps {
			all[a.name] = knowledge{state: a.state.Clone(), trouble: a.trouble != nil}
		}
		reply <- all
	})
	select {
	case all := <-reply:
		return all, nil
	case <-s.done:
		return nil, errStopped
	}
}

// known finds the active release of each app that has releases. have is what the
// owner knows already; of the others the journals are opened.
func (s *Supervisor) known(c *configs.Config, have map[string]knowledge) (map[string]knowledge, error) {
	all := map[string]knowledge{}
	for i := range c.Apps {
		a := &c.Apps[i]
		if a.Release == nil {
			continue
		}
		k, ok := have[a.Name]
		if !ok {
			j, err := openJournal(s.store, a.Name, s.log)
			if err != nil {
				return nil, fmt.Errorf("%s: release state: %w", a.Name, err)
			}
			k = knowledge{state: j.State(), journal: j}
		}
		k.active, k.missing = s.activeVersion(a.Name, k.state)
		all[a.Name] = k
	}
	return all, nil
}

// activeVersion is the release that the workers run. It is the one that they were
// started from, also where the same version has been registered anew since.
func (s *Supervisor) activeVersion(app string, state release.State) (*configs.Version, error) {
	if state.Active == "" {
		return nil, nil
	}
	v := configs.Version{Name: state.Active}
	if state.Place != nil {
		v.Path, v.Files = state.Place.Path, state.Place.Files
	}
	if !isDirectory(v.Files) {
		r, err := s.store.Get(app, state.Active)
		if errors.Is(err, release.ErrUnknown) {
			return &v, fmt.Errorf("its files are gone from %s; install the package again, or deploy another release", v.Files)
		}
		if err != nil {
			return &v, err
		}
		v = versionOfRelease(r)
	}
	return &v, nil
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
