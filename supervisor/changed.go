package supervisor

import (
	"context"
	"time"

	"supd/supervisor/engine"
)

// changed does what follows from a change of an app's releases: the symlink for
// people and cron jobs leads to the active one, what nobody needs any more goes,
// and what had to wait goes on. It is called by the owner, and does not block.
func (s *Supervisor) changed(c engine.Change) {
	if c.Active != nil {
		go s.followActive(c)
	}
	go func() {
		if c.Postponed {
			s.applyAgain()
		}
		s.deployRegistered(c.App)
	}()
}

// pruneTime is how long old snapshots wait for whoever changes the registry: who copies a
// big release takes minutes. What stays goes after the next change.
const pruneTime = 10 * time.Minute

func (s *Supervisor) followActive(c engine.Change) {
	if err := s.store.SetCurrent(c.App, c.Active.Release.Files); err != nil {
		s.log.Error("cannot switch the symlink to the active release", "app", c.App, "error", err)
	}
	protected := func(_, version string) bool { return version == c.State.Active || version == c.State.Previous }
	ctx, cancel := context.WithTimeout(context.Background(), pruneTime)
	defer cancel()
	removed, err := s.store.Prune(ctx, c.App, c.Active.Config.Release.Keep, protected)
	if len(removed) > 0 {
		s.log.Info("old snapshots removed", "app", c.App, "removed", removed)
	}
	if err != nil {
		s.log.Error("cannot remove old snapshots", "app", c.App, "error", err)
	}
}
