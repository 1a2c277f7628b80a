package supervisor

import (
	"errors"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/engine"
)

// Apply makes c the configuration: it looks everything up, and then workers are
// started, replaced and stopped in the background; those of an app in a rollout
// after that. What cannot be looked up or opened holds back its app, and is tried
// again. After an error nothing has changed. Changes of [daemon], [control]
// and [metrics] need a new start of supd; it says so.
func (s *Supervisor) Apply(c *configs.Config) error {
	s.apply <- struct{}{}
	defer func() { <-s.apply }()
	if c.Daemon != s.daemon || !c.Control.SameSocket(s.control) || c.Metrics != s.metrics {
		s.log.Warn("changes of [daemon], [control] and [metrics] need a new start of supd, and are left out", "config", c.Path)
	}
	for {
		err := s.applyOnce(c)
		if errors.Is(err, engine.ErrChanged) {
			continue
		}
		if err == nil { // what was registered to be deployed before its app was there
			go s.refresh(api.Request{Action: api.ActionRefresh, Targets: namesOf(c)})
		}
		return err
	}
}

func namesOf(c *configs.Config) (names []string) {
	for i := range c.Apps {
		names = append(names, c.Apps[i].Name)
	}
	return names
}

// applyOnce fails with engine.ErrChanged when it has to be tried again.
func (s *Supervisor) applyOnce(c *configs.Config) error {
	defer s.files.Rest() // of what is gone, and of what was looked at in vain
	have, err := engine.Ask(s.owner, (*engine.Owner).Facts)
	if err != nil {
		return err
	}
	p := s.preparer(c, have).all()
	refused, err := engine.Ask(s.owner, func(o *engine.Owner) error { return o.Apply(p.Prepared) })
	if err = errors.Join(err, refused); err != nil {
		p.leave()
		return err
	}
	s.newest.Store(c)
	s.rights.Store(rightsOf(c, s.log))
	s.change(p)
	return nil
}

// change does what follows when a configuration was applied: the logs get their
// options.
func (s *Supervisor) change(p prepared) {
	s.finish(p)
	for log, options := range p.options {
		s.files.Change(log, options)
	}
}

// applyAgain applies the newest configuration once more, after a rollout has kept
// some of it waiting.
func (s *Supervisor) applyAgain() {
	if err := s.Apply(s.newest.Load()); err != nil {
		s.log.Error("configuration not applied after the rollout", "error", err)
	}
}
