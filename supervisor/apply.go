package supervisor

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/engine"
	"supd/supervisor/output"
)

// Apply makes what the files say now what is configured: it reads them and looks
// everything up, and then workers are started, replaced and stopped; those of an app in
// a rollout after that. It waits for what it has begun unless r says otherwise. Where
// r names apps, those are applied alone, and all others stay as they are, whatever their
// files say. What cannot be looked up or opened holds back its app, and is tried again.
// What is invalid refuses it all, and nothing has changed. Changes of [daemon], [control]
// and [metrics] need a new start of supd; it says so.
func (s *Supervisor) Apply(ctx context.Context, r api.Request) *api.Result {
	reply := make(chan *api.Result, 1)
	next, err := s.applyFiles(ctx, r, reply)
	if err != nil {
		return s.refuse(r, err)
	}
	result := s.answer(ctx, reply)
	if result.Changes != nil {
		result.Changes.Daemon = configs.CompareDaemon(s.began, next)
	}
	return result
}

// Diff says what Apply would change now, and changes nothing.
func (s *Supervisor) Diff(apps []string) (*api.Changes, error) {
	next, err := s.read(apps)
	if err != nil {
		return nil, err
	}
	have, err := engine.Ask(s.owner, (*engine.Owner).Facts)
	if err != nil {
		return nil, err
	}
	p := s.looker(next, have).all(apps)
	changes, err := engine.Ask(s.owner, func(o *engine.Owner) *api.Changes { return o.Changes(p.Prepared) })
	if err == nil {
		changes.Daemon = configs.CompareDaemon(s.began, next)
	}
	return changes, err
}

// read reads the files, or those of some apps, the others being as they were applied.
func (s *Supervisor) read(apps []string) (*configs.Config, error) {
	now := s.newest.Load()
	if len(apps) == 0 {
		return configs.Load(now.Path)
	}
	next, err := configs.Load(now.Path, configs.Only(apps...))
	if err != nil {
		return nil, err
	}
	for _, name := range apps {
		if !now.Has(name) && !next.Has(name) {
			return nil, &noAppError{name, filepath.Join(next.Daemon.Apps, name+".toml")}
		}
	}
	return now.Take(next, apps...)
}

// noAppError is of an app that neither runs nor has a file.
type noAppError struct{ app, file string }

func (e *noAppError) Error() string { return fmt.Sprintf("no app %q, and no %s", e.app, e.file) }

// Code is the exit code that an error of Diff and Apply leads to.
func Code(err error) int {
	var wrong *configs.Errors
	var unknown *noAppError
	switch {
	case errors.As(err, &wrong):
		return api.CodeInvalid
	case errors.As(err, &unknown):
		return api.CodeNoTarget
	}
	return api.CodeFailed
}

// refuse makes the answer to an apply that has come to nothing. What is wrong in the
// files is shown until it is mended.
func (s *Supervisor) refuse(r api.Request, err error) *api.Result {
	s.log.Error("configuration not applied, nothing has changed", "by", r.By, "apps", r.Targets, "error", err)
	code := Code(err)
	if code == api.CodeInvalid {
		refusal := &api.Refusal{By: r.By, At: time.Now().Truncate(time.Second), Why: err.Error(), Apps: r.Targets}
		s.owner.Post(func(o *engine.Owner) { o.Refused(refusal) })
	}
	return api.Refuse(code, "%s", err)
}

// applyFiles reads the files and applies them; reply is told what becomes of it.
func (s *Supervisor) applyFiles(ctx context.Context, r api.Request, reply chan<- *api.Result) (*configs.Config, error) {
	select {
	case s.apply <- struct{}{}:
		defer func() { <-s.apply }()
	case <-ctx.Done():
		return nil, errors.New("another apply is under way")
	}
	next, err := s.read(r.Targets)
	if err != nil {
		return nil, err
	}
	if next.Daemon != s.began.Daemon || !next.Control.SameSocket(s.began.Control) || next.Metrics != s.began.Metrics {
		s.log.Warn("changes of [daemon], [control] and [metrics] need a new start of supd, and are left out", "config", next.Path)
	}
	err = s.applyConfig(next, r.Targets, func(o *engine.Owner, p engine.Prepared) error { return o.ApplyFor(r, p, reply) })
	if err != nil {
		return nil, err
	}
	s.log.Info("configuration applied", "config", next.Path, "apps", r.Targets, "by", r.By)
	if left, err := next.Unapplied(); err == nil && len(left) == 0 { // also of a part: it was the last
		s.owner.Post(func(o *engine.Owner) { o.Refused(nil) })
	}
	return next, nil
}

// applyConfig makes c the configuration, of some apps or of all. It is called by who has
// the token.
func (s *Supervisor) applyConfig(c *configs.Config, apps []string, apply func(*engine.Owner, engine.Prepared) error) error {
	for {
		err := s.applyOnce(c, apps, apply)
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
func (s *Supervisor) applyOnce(c *configs.Config, apps []string, apply func(*engine.Owner, engine.Prepared) error) error {
	defer s.files.Rest() // of what is gone, and of what was looked at in vain
	have, err := engine.Ask(s.owner, (*engine.Owner).Facts)
	if err != nil {
		return err
	}
	p := s.preparer(c, have).all(apps)
	p.change(s.files)
	refused, err := engine.Ask(s.owner, func(o *engine.Owner) error { return apply(o, p.Prepared) })
	if err = errors.Join(err, refused); err != nil {
		p.leave()
		return err
	}
	s.newest.Store(c)
	s.rights.Store(rightsOf(c, s.log))
	s.host.launcher.Rooms.Keep(namesOf(c))
	s.finish(p)
	return nil
}

// change gives the logs their options, before the output of a worker goes to one of them.
// If the configuration is not applied then, supd ends, or prepares the same once more.
func (p prepared) change(files *output.Files) {
	for log, options := range p.options {
		files.Change(log, options)
	}
}

// applyAgain applies the newest configuration once more, after a rollout has kept
// some of it waiting.
func (s *Supervisor) applyAgain() {
	s.apply <- struct{}{}
	defer func() { <-s.apply }()
	if err := s.applyConfig(s.newest.Load(), nil, (*engine.Owner).Apply); err != nil {
		s.log.Error("configuration not applied after the rollout", "error", err)
	}
}
