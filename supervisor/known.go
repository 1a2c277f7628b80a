package supervisor

import (
	"errors"
	"fmt"
	"os"
	"time"

	"supd/configs"
	"supd/supervisor/release"
)

// knowledge is what is known of an app's releases before a configuration is
// prepared.
type knowledge struct {
	state   release.State
	journal journal          // opened just now; nil: the owner has it, or there are no releases
	active  *configs.Version // nil: none is
	missing error            // why the active one cannot be found
	trouble bool             // the active one cannot be started already now
	kept    bool             // the owner has the journal
}

// have asks the owner what it knows of each app.
func (s *Supervisor) have() (map[string]knowledge, error) {
	reply := make(chan map[string]knowledge, 1)
	s.post(func(o *owner) {
		all := map[string]knowledge{}
		for _, a := range o.apps {
			all[a.name] = knowledge{state: a.state.Clone(), trouble: a.trouble != nil, kept: a.journaled}
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
		k := have[a.Name]
		if !k.kept {
			j, err := s.openJournal(a.Name)
			if err != nil {
				leave(all)
				return nil, fmt.Errorf("%s: release state: %w", a.Name, err)
			}
			k.state, k.journal = j.State(), j
		}
		k.active, k.missing = s.activeVersion(a.Name, k.state)
		all[a.Name] = k
	}
	return all, nil
}

// leave closes the journals that were opened for a configuration that is not
// applied: the next one opens them again.
func leave(all map[string]knowledge) {
	for _, k := range all {
		if k.journal != nil {
			k.journal.Close()
		}
	}
}

const (
	journalTime     = 5 * time.Second // for what waits to be written
	journalInterval = 5 * time.Millisecond
)

// openJournal waits for the journal of an app that the configuration did not have
// for a while: it is open until its last state is written.
func (s *Supervisor) openJournal(app string) (j journal, err error) {
	for end := time.Now().Add(journalTime); ; time.Sleep(journalInterval) {
		j, err = openJournal(s.store, app, s.log)
		if !errors.Is(err, release.ErrBusy) || time.Now().After(end) {
			return j, err
		}
	}
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
