package supervisor

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// publish makes what runs now known to everybody else.
func (o *owner) publish(now time.Time) {
	s := &Status{Apps: make([]AppStatus, 0, len(o.apps)), next: make(chan struct{})}
	for _, a := range o.apps {
		s.Apps = append(s.Apps, a.status(now))
	}
	if old := o.status.Swap(s); old != nil {
		close(old.next)
	}
}

func (a *app) status(now time.Time) AppStatus {
	s := AppStatus{Name: a.name, State: Stopped, Processes: make([]ProcessStatus, 0, len(a.processes)),
		Release: a.state.Active, Previous: a.state.Previous, Held: held(a.state), Rollout: a.last, Note: a.note()}
	if a.rollout != nil {
		now := a.rollout.status // what it holds only grows
		s.Rollout = &now
	}
	worst := -1
	for _, p := range a.processes {
		ps := p.status(now)
		for _, w := range ps.Workers {
			worst = max(worst, slices.Index(severity, w.State))
		}
		s.Processes = append(s.Processes, ps)
	}
	if worst >= 0 {
		s.State = severity[worst]
	}
	return s
}

// severity orders the states from good to bad.
var severity = []State{Running, Starting, Stopping, Unhealthy, Stopped, Exited, Backoff, Failed}

// note tells what keeps an app from running its release.
func (a *app) note() string {
	switch {
	case a.trouble != nil:
		return "release " + a.state.Active + " cannot be started: " + a.trouble.Error()
	case a.config != nil && a.config.Release != nil && a.state.Active == "" && a.rollout == nil:
		return "no release is active; `supctl deploy " + a.name + "` starts the newest that is registered"
	}
	return ""
}

func (p *process) status(now time.Time) ProcessStatus {
	s := ProcessStatus{Name: p.name, Count: p.config.Count, Log: p.config.Log.File, Workers: make([]WorkerStatus, 0, len(p.slots))}
	for _, slot := range p.slots {
		s.Workers = append(s.Workers, slot.status(now))
	}
	return s
}

func (s *slot) status(now time.Time) WorkerStatus {
	status := WorkerStatus{Name: s.name(), Slot: s.number, State: s.state(now), Generation: s.generation,
		Restarts: s.restarts, LastExit: s.lastExit, Note: s.note()}
	if status.State == Backoff {
		retry := s.retry
		status.NextStart = &retry
	}
	if w := s.serving(); w != nil {
		launched := w.launched
		status.Pid, status.Ready, status.Generation = w.pid(), w.state == Running, w.generation
		status.Release = w.edition.version()
		status.StartedAt, status.UptimeSeconds = &launched, now.Sub(launched).Seconds()
	}
	return status
}

// note tells of the other workers of the slot, and of what it waits for.
func (s *slot) note() string {
	var notes []string
	serving := s.serving()
	for _, w := range s.workers {
		if w != serving {
			notes = append(notes, fmt.Sprintf("pid %d %s", w.pid(), w.state))
		}
	}
	if s.up && s.gated && len(s.workers) == 0 {
		if names := s.waitsFor(); len(names) > 0 {
			notes = append(notes, "waits for "+strings.Join(names, ", "))
		}
	}
	return strings.Join(notes, ", ")
}
