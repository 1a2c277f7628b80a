package supervisor

import (
	"context"
	"errors"

	"supd/supervisor/api"
	"supd/supervisor/engine"
)

// retry prepares an app once more that is held back. It is called by the owner, and
// does not block.
func (s *Supervisor) retry(app string) {
	go func() {
		s.apply <- struct{}{}
		defer func() { <-s.apply }()
		if trouble := s.mend(app); trouble == nil { // what was registered meanwhile
			go s.refresh(api.Request{Action: api.ActionRefresh, Targets: []string{app}})
		}
	}()
}

// mend is called by who has the token, while the owner counts the attempt as one that is
// under way. The error is why the app is still held back.
func (s *Supervisor) mend(app string) error {
	c := s.newest.Load()
	a := c.App(app)
	have, err := engine.Ask(s.owner, (*engine.Owner).Facts)
	if a == nil || err != nil {
		return errOutdated
	}
	preparer := s.preparer(c, have)
	one := preparer.whole(a)
	p := prepared{engine.Prepared{Config: c, Apps: []engine.App{one}}, preparer.options}
	p.change(s.files)
	if ok, err := engine.Ask(s.owner, func(o *engine.Owner) bool { return o.Mend(c, one) }); !ok || err != nil {
		p.leave()
		return errOutdated
	}
	s.finish(p)
	return one.Trouble
}

// errOutdated is of what was asked of an app that is another by now, or is gone.
var errOutdated = errors.New("the configuration has changed meanwhile; ask again")

// withState are the facts of an app whose release state is open. Where it could not be
// opened, it is tried at once; the error is why it still cannot.
func (s *Supervisor) withState(ctx context.Context, app string, f engine.Facts) (engine.Facts, error) {
	if f.Journaled {
		return f, nil
	}
	select {
	case s.apply <- struct{}{}:
		defer func() { <-s.apply }()
	case <-ctx.Done():
		return f, errors.New("an apply is under way")
	}
	begun, err := engine.Ask(s.owner, func(o *engine.Owner) bool { return o.BeginAttempt(app) })
	if err != nil {
		return f, err
	}
	why := errOutdated
	if begun { // else somebody has mended it while this one waited, or it is gone
		why = s.mend(app)
	}
	f, err = s.facts(app)
	switch {
	case err != nil:
		return f, err
	case f.Journaled: // whatever else is wrong with the app is said where it matters
		return f, nil
	}
	return f, why
}
