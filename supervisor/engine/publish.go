package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"supd/supervisor/api"
)

// Publish makes what runs now known to everybody else.
func (o *Owner) Publish(now time.Time) {
	apps := make([]api.AppStatus, 0, len(o.apps))
	for _, a := range o.apps {
		apps = append(apps, a.status(now))
	}
	o.status.Swap(api.NewStatus(apps)).Supersede()
}

func (a *app) status(now time.Time) api.AppStatus {
	s := api.AppStatus{Name: a.name, State: a.worst(now), Processes: make([]api.ProcessStatus, 0, len(a.processes)),
		Release: a.state.Active, Previous: a.state.Previous, Held: a.state.Held, Rollout: a.last, Note: a.note()}
	if a.rollout != nil {
		now := a.rollout.status // what it holds only grows
		s.Rollout = &now
	}
	for _, p := range a.processes {
		s.Processes = append(s.Processes, p.status(now))
	}
	return s
}

// worst is the worst state of an app's workers.
func (a *app) worst(now time.Time) api.State {
	worst := -1
	for _, p := range a.processes {
		for _, s := range p.slots {
			worst = max(worst, slices.Index(severity, s.state(now)))
		}
	}
	if worst < 0 {
		return api.Stopped
	}
	return severity[worst]
}

// severity orders the states from good to bad.
var severity = []api.State{api.Running, api.Starting, api.Stopping, api.Unhealthy, api.Stopped, api.Exited, api.Backoff, api.Failed}

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

func (p *process) status(now time.Time) api.ProcessStatus {
	s := api.ProcessStatus{Name: p.name, Count: p.config.Count, Log: p.config.Log.File, Workers: make([]api.WorkerStatus, 0, len(p.slots))}
	for _, slot := range p.slots {
		s.Workers = append(s.Workers, slot.status(now))
	}
	return s
}

func (s *slot) status(now time.Time) api.WorkerStatus {
	status := api.WorkerStatus{Name: s.name(), Slot: s.number, State: s.state(now), Generation: s.Generation,
		Restarts: s.Restarts, LastExit: s.LastExit, Note: s.note()}
	if status.State == api.Backoff {
		retry := s.Retry
		status.NextStart = &retry
	}
	if w := s.serving(); w != nil {
		launched := w.Launched
		status.Pid, status.Ready, status.Generation = w.Pid, w.State == api.Running, w.Generation
		status.Release = w.revision.version()
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
			notes = append(notes, fmt.Sprintf("pid %d %s", w.Pid, w.State))
		}
	}
	if s.Up && s.Gated && len(s.workers) == 0 {
		if names := s.waitsFor(); len(names) > 0 {
			notes = append(notes, "waits for "+strings.Join(names, ", "))
		}
	}
	return strings.Join(notes, ", ")
}
