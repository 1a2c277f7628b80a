package engine

import (
	"errors"
	"slices"

	"supd/configs"
)

// What supd ends with when exit_on ends it for workers that have failed.
var (
	errOneFailed = errors.New("a worker has failed, and exit_on = \"any-failed\"; the log says which, and why")
	errAllFailed = errors.New("no worker does any more work, and at least one has failed; the log says which, and why")
)

// outlook is what may still come of a slot.
type outlook int

const (
	unwanted outlook = iota // stopped by somebody, or never started
	working                 // it runs, or will
	finished                // it has done its work
	hopeless                // it has failed, and is not started again
	stuck                   // it waits for a process with a hopeless slot
)

// checkExitOn ends supd when what exit_on waits for has come about. A rollout is
// waited for: what fails in it is put back.
func (o *Owner) checkExitOn() {
	if o.quitting || o.exitOn == "" || o.exitOn == configs.ExitNever || len(o.queue) == 0 {
		return
	}
	count := map[outlook]int{}
	for _, a := range o.apps {
		if a.rollout != nil {
			return
		}
		for _, p := range a.processes {
			for _, s := range p.slots {
				count[s.outlook()]++
			}
		}
	}
	switch over := count[working] == 0; {
	case o.exitOn == configs.ExitAnyFailed && count[hopeless] > 0:
		o.verdict = errOneFailed
	case o.exitOn == configs.ExitAnyFailed || !over:
		return
	case count[hopeless] > 0:
		o.verdict = errAllFailed
	case o.exitOn == configs.ExitAllFailed || count[finished] == 0:
		return
	}
	o.log.Warn("supd ends", "exit_on", o.exitOn, "failed", count[hopeless], "finished", count[finished], "waiting", count[stuck])
	o.Quit()
}

func (s *slot) outlook() outlook {
	switch {
	case !s.Up:
		return unwanted
	case len(s.workers) > 0:
		return working
	case s.GaveUp, s.Done && !s.LastClean:
		return hopeless
	case s.Done:
		return finished
	case s.Gated && s.process.awaitsHopeless():
		return stuck
	default:
		return working
	}
}

// awaitsHopeless reports whether the process comes after one that will not be ready.
func (p *process) awaitsHopeless() bool {
	return slices.ContainsFunc(p.app.processes, func(before *process) bool {
		return slices.Contains(p.config.After, before.name) && slices.ContainsFunc(before.slots, func(s *slot) bool {
			return s.outlook() >= hopeless
		})
	})
}
