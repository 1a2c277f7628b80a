package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"supd/configs"
	"supd/supervisor/api"
)

// show says that what is published is out of date, and makes it anew for those who
// read it.
func (o *Owner) show(now time.Time) {
	if o.isUnshown || len(o.unsaved) > 0 || slices.ContainsFunc(o.apps, func(a *app) bool { return a.isUnshown }) {
		o.supersede()
	}
	if len(o.readers) == 0 {
		return
	}
	fresh := o.Publish(now)
	for _, r := range o.readers {
		r <- fresh
	}
	o.readers = nil
}

// supersede says once that what is published is out of date.
func (o *Owner) supersede() {
	last := o.status.Load()
	select {
	case <-last.Next():
	default:
		last.Supersede()
	}
}

// Publish makes what runs now known to everybody else. What has not changed is
// shared with what was published before.
func (o *Owner) Publish(now time.Time) *api.Status {
	apps := make([]api.AppStatus, 0, len(o.apps))
	for _, a := range o.apps {
		if a.isUnshown {
			a.isUnshown = false
			a.shown = a.status(now)
		}
		apps = append(apps, a.shown)
	}
	o.isUnshown = false
	o.supersede()
	fresh := api.NewStatus(apps)
	fresh.Refused = o.refused
	o.status.Store(fresh)
	return fresh
}

func (a *app) status(now time.Time) api.AppStatus {
	worst, processes := -1, make([]api.ProcessStatus, 0, len(a.processes))
	for _, p := range a.processes {
		p.show(now)
		worst = max(worst, p.worst)
		processes = append(processes, p.shown)
	}
	rollout := a.last
	if a.rollout != nil {
		now := a.rollout.status // what it holds only grows
		rollout = &now
	}
	state := stateOf(worst)
	if a.invalid {
		state = api.Invalid
	}
	return api.AppStatus{Name: a.name, State: state, Processes: processes, Release: a.state.Active, Previous: a.state.Previous,
		Held: a.state.Held, Rollout: rollout, Note: a.note(), Totals: a.state.Totals, Last: a.state.Last()}
}

func stateOf(worst int) api.State {
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
	case a.invalid:
		return sentence(a.trouble)
	case a.trouble != nil && a.state.Active == "":
		return "cannot be started: " + sentence(a.trouble)
	case a.trouble != nil:
		return "release " + a.state.Active + " cannot be started: " + sentence(a.trouble)
	case a.tries.said != "":
		return a.tries.said
	case a.config != nil && a.config.Release != nil && a.state.Active == "" && a.rollout == nil:
		return "no release is active; `supctl deploy " + a.name + "` starts the newest that is registered"
	}
	return ""
}

// show makes what is shown of a process anew, where slots of it have changed.
func (p *process) show(now time.Time) {
	same := p.shown.Workers != nil && len(p.shown.Workers) == len(p.slots) && p.shown.Count == p.config.Count && p.shown.Autostart == p.config.Autostart && p.shown.Scaled == p.scaled && isSameLasting(p.shown.Lasting, p.lasts()) && p.shown.Log == p.config.Log.File &&
		slices.Equal(p.shown.Sockets, p.config.Sockets)
	if same && len(p.unshown) == 0 {
		return
	}
	workers := make([]api.WorkerStatus, len(p.slots)) // others still read what was shown before
	kept := copy(workers, p.shown.Workers)
	for _, s := range p.slots {
		if s.unshown || s.number > kept {
			workers[s.number-1] = s.status(now)
		}
	}
	for _, s := range p.unshown {
		s.unshown = false
	}
	p.unshown, p.worst = nil, -1
	for i := range workers {
		p.worst = max(p.worst, slices.Index(severity, workers[i].State))
	}
	p.shown = api.ProcessStatus{Name: p.name, Count: p.config.Count, Autostart: p.config.Autostart, Scaled: p.scaled, Lasting: p.lasts(), Log: p.config.Log.File, LogPrefix: p.config.Log.Prefix, Workers: workers, Sockets: p.config.Sockets}
}

func (s *slot) status(now time.Time) api.WorkerStatus {
	status := api.WorkerStatus{Name: s.name(), Slot: s.number, State: s.state(now), Generation: s.Generation,
		Restarts: s.Restarts, Try: s.try(), LastExit: s.LastExit, Note: s.note(), Behind: s.behind(), Desired: s.Up && (s.revision != nil || s.isHeld()), Done: s.Done && s.LastClean, Tally: s.Tally, Runs: s.processes()}
	if status.State == api.Backoff {
		retry := s.Retry
		if s.isHeld() {
			retry = s.process.app.tries.at
		}
		status.NextStart = &retry
	}
	status.AsWished = status.Behind == nil && s.isAsWished(status.State)
	if w := s.serving(); w != nil {
		launched := w.Launched
		status.Pid, status.Ready, status.Generation = w.Pid, w.State == api.Running, w.Generation
		status.Release = w.revision.version()
		status.StartedAt, status.UptimeSeconds = &launched, now.Sub(launched).Seconds()
	}
	return status
}

// try counts the starts since the last failure that was followed by a long life: it is
// the number of the one under way, or of the next.
func (s *slot) try() int {
	if s.isHeld() {
		return s.process.app.tries.inARow + 1
	}
	return s.InARow + 1
}

// isAsWished reports whether nobody would want a slot in this state to be otherwise. One
// that is started only when it is named may rest.
func (s *slot) isAsWished(state api.State) bool {
	isWell := s.LastExit == nil || s.LastClean
	switch state {
	case api.Running:
		return true
	case api.Exited:
		return isWell
	case api.Stopped:
		return !s.Up && !s.process.autostarts(s.process.config) && isWell
	default:
		return false
	}
}

// note tells of the other workers of the slot, and of what it waits for.
func (s *slot) note() string {
	var notes []string
	serving := s.serving()
	if serving != nil && serving.State == api.Unhealthy {
		notes = append(notes, serving.Illness)
	}
	if serving != nil && serving.State == api.Stopping { // not for anybody who asked
		if why := cmp.Or(serving.Failure, serving.Illness); why != "" {
			notes = append(notes, why)
		}
	}
	for _, w := range s.workers {
		why := w.waitsFor()
		switch {
		case w != serving && why != "":
			notes = append(notes, fmt.Sprintf("pid %d %s, %s", w.Pid, w.State, why))
		case w != serving:
			notes = append(notes, fmt.Sprintf("pid %d %s", w.Pid, w.State))
		case why != "":
			notes = append(notes, why)
		}
	}
	for _, w := range s.concluded {
		notes = append(notes, runs(w.last))
	}
	if why := s.process.holdup(); s.Up && s.isHeld() && !s.process.app.invalid {
		notes = append(notes, sentence(why))
	}
	if s.Up && s.Gated && len(s.workers) == 0 {
		if names := s.waitsFor(); len(names) > 0 {
			notes = append(notes, "waits for "+strings.Join(names, ", "))
		}
	}
	if note := s.strays.note(); note != "" {
		notes = append(notes, note)
	}
	return strings.Join(notes, ", ")
}

// waitsFor says what a worker waits for that starts or stops; "" is for nothing but its
// process.
func (w *worker) waitsFor() string {
	switch {
	case w.State == api.Starting && w.handle == nil && w.config.Hooks.PreStart != nil:
		return "waits for its pre_start hook"
	case w.State != api.Stopping:
		return ""
	case w.preStop:
		return "waits for its pre_stop hook"
	case w.main == nil:
		return ""
	case w.others == 1:
		return "waits for 1 process of its group"
	case w.others > 1:
		return fmt.Sprintf("waits for %d processes of its group", w.others)
	}
	return "waits for the others of its group"
}

// runs says of hooks that they are run, or are about to be.
func runs(hooks []configs.HookName) string {
	names := make([]string, len(hooks))
	for i, name := range hooks {
		names[i] = string(name)
	}
	if len(names) == 1 {
		return "its " + names[0] + " hook runs"
	}
	return "its hooks run: " + strings.Join(names, ", ")
}

// processes are the living ones of the slot's workers.
func (s *slot) processes() (all []api.Run) {
	for _, w := range s.workers {
		if w.Pid > 0 {
			all = append(all, api.Run{Pid: w.Pid, Start: w.Identity.Start, Generation: w.Generation, Release: w.revision.version(),
				Launched: w.Launched, Ready: w.Ready, Used: w.Used, Cgroup: w.Belongings.Cgroup})
		}
	}
	return all
}
