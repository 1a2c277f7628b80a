package engine

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/measure"
)

// Do is the event of a Request that is not about releases.
func (o *Owner) Do(r api.Request, reply chan<- *api.Result) {
	if r.Action == api.ActionShutdown {
		o.log.Info("request", "action", r.Action, "by", r.By)
		o.Quit()
		o.wait(r, named{}, reply)
		return
	}
	if r.Action == api.ActionScale && !o.quitting {
		o.log.Info("request", "action", r.Action, "targets", r.Targets, "count", r.Count, "by", r.By)
		o.scale(r, reply)
		return
	}
	all, err := o.resolve(r.Action, r.Targets)
	if err != nil {
		reply <- &api.Result{Code: api.CodeNoTarget, Error: err.Error()}
		return
	}
	o.log.Info("request", "action", r.Action, "targets", r.Targets, "by", r.By)
	if o.quitting {
		reply <- &api.Result{Code: api.CodeFailed, Error: "supd is stopping"}
		return
	}
	if r.Action == api.ActionSignal {
		reply <- o.signalAll(r, all)
		return
	}
	if r.Action == api.ActionRestart || r.Action == api.ActionReload {
		for _, s := range all.slots {
			if other := s.process.app.rollout; other != nil && (r.Action == api.ActionRestart || s.reloadSignal() == 0) {
				reply <- api.Refuse(api.CodeFailed, "%s", Busy(s.process.app.name, &other.status))
				return
			}
		}
	}
	if r.Persist {
		o.persist(r, all, reply)
		return
	}
	switch r.Action {
	case api.ActionStart, api.ActionRestart:
		o.contradict(all.slots, true)
	case api.ActionStop:
		o.contradict(all.slots, false)
	}
	o.wait(r, all, reply)
}

// wait changes what is desired of the slots, and remembers who waits for that.
func (o *Owner) wait(r api.Request, all named, reply chan<- *api.Result) *waiter {
	w := &waiter{request: r, named: all, before: map[*slot]before{}, outcomes: map[*slot]api.Outcome{}, reply: reply, deadline: deadlineOf(r)}
	made := map[*revision]*revision{}
	for _, s := range all.slots {
		b := before{failures: s.Failures}
		switch r.Action {
		case api.ActionStart:
			o.attemptSoon(s.process.app)
			b.already = s.Up && s.ready()
			if !s.Up || !s.ready() {
				if len(s.workers) == 0 {
					s.revision = s.configured()
				}
				s.wantStarted()
			}
		case api.ActionScale: // was done, as far as it can be at once
			b.already = s.Up && s.ready()
		case api.ActionStop:
			b.already = !s.Up && s.idle()
			s.Up = false
		case api.ActionRestart:
			o.restart(s, made, r.Hard)
		case api.ActionReload:
			if outcome, sent := o.reload(s); sent {
				w.outcomes[s] = outcome
			} else {
				o.restart(s, made, false)
			}
		}
		b.revision = number(s.revision)
		w.before[s] = b
		s.waiters = append(s.waiters, w)
		o.touch(s)
	}
	o.waiters = append(o.waiters, w)
	return w
}

// deadlineOf is when whoever asks wants an answer at the latest; zero is never.
func deadlineOf(r api.Request) time.Time {
	if r.Timeout == 0 {
		return time.Time{}
	}
	return time.Now().Add(r.Timeout)
}

// restart wants a new worker: beside the old one, or after it.
func (o *Owner) restart(s *slot, made map[*revision]*revision, hard bool) {
	if s.isBarred() { // what runs goes on
		s.Up = true
		o.attemptSoon(s.process.app)
		return
	}
	if s.revision != nil {
		s.revision = o.anew(s.process, s.configured(), made)
	}
	if !s.Up {
		s.want()
	}
	s.Cause = measure.Requested
	s.retryNow()
	if !hard {
		return
	}
	for _, w := range s.workers {
		o.stop(w, "hard restart", false)
	}
}

// Retire is the event of the request to stop an app whose release goes.
func (o *Owner) Retire(r api.Request, reply chan<- *api.Result) {
	a := o.findApp(r.Targets[0])
	if a == nil {
		reply <- &api.Result{}
		return
	}
	o.log.Info("app is stopped, since its release goes", "app", a.name, "version", r.Version, "by", r.By)
	o.abort(a, "the release was unregistered")
	state := a.state.Clone()
	state.Active, state.Place, state.Previous = "", nil, ""
	a.state = state
	o.journaled(a, state, func(err error) Event {
		return func(o *Owner) {
			if err != nil {
				o.log.Error("that no release is active is not in the journal", "app", a.name, "error", err)
			}
		}
	})
	var slots []*slot
	for _, p := range a.processes {
		slots = append(slots, p.slots...)
	}
	stop := api.Request{Action: api.ActionStop, Targets: r.Targets, Timeout: r.Timeout, By: r.By}
	o.wait(stop, named{slots: slots}, reply).after = func() {
		for _, s := range slots {
			s.revision = nil
			if s.process.autostarts(s.process.config) && !s.removed {
				s.want() // as soon as there is a release again
			}
			o.touch(s)
		}
		for _, p := range a.processes {
			p.revision = nil
		}
	}
}

// named is what the targets of a request name.
type named struct {
	slots  []*slot
	others []api.Outcome // of what has none that the request is about
	bare   []*app        // that have no process; what comes of them is in others, too
}

// resolve finds what targets name for an action; each has to name a slot or a process at
// least.
func (o *Owner) resolve(action api.Action, targets []string) (all named, err error) {
	seen := map[*slot]bool{}
	for _, text := range targets {
		t, err := api.ParseTarget(text)
		if err != nil {
			return named{}, err
		}
		found, leftOut := false, false
		o.eachSlot(func(s *slot) {
			switch {
			case s.removed || !t.Matches(s.process.app.name, s.process.name, s.number):
			case !t.NamesProcess() && s.isOnlyNamed(action):
				leftOut = true
			default:
				found = true
				if !seen[s] {
					seen[s] = true
					all.slots = append(all.slots, s)
				}
			}
		})
		empty, bare := o.withoutSlots(t), o.bare(t)
		for _, a := range bare {
			if !slices.Contains(all.bare, a) {
				all.bare = append(all.bare, a)
				all.others = append(all.others, a.cannot(action))
			}
		}
		switch {
		case found:
		case leftOut:
			all.others = append(all.others, onlyNamed(action, text))
		case len(empty) == 0 && len(bare) == 0:
			return named{}, fmt.Errorf("no worker matches %q", text)
		}
		for _, p := range empty {
			if t.NamesProcess() || !found && !leftOut {
				all.others = append(all.others, api.Outcome{Name: p.fullName(), Message: "has no workers: count = 0"})
			}
		}
	}
	return all, nil
}

// withoutSlots are the processes that a target names and that are to have no worker.
func (o *Owner) withoutSlots(t api.Target) (all []*process) {
	for _, a := range o.apps {
		for _, p := range a.processes {
			stays := func(s *slot) bool { return !s.removed }
			if !p.removed && t.MatchesProcess(a.name, p.name) && !slices.ContainsFunc(p.slots, stays) {
				all = append(all, p)
			}
		}
	}
	return all
}

// bare are the apps that a target names and that have no process: nothing is known of
// one but its name, or no release has brought it any yet.
func (o *Owner) bare(t api.Target) (all []*app) {
	for _, a := range o.apps {
		stays := func(p *process) bool { return !p.removed }
		if !a.removed && t.Matches(a.name, "", 0) && !slices.ContainsFunc(a.processes, stays) {
			all = append(all, a)
		}
	}
	return all
}

// cannot is what comes of an action for an app that has no process.
func (a *app) cannot(action api.Action) api.Outcome {
	outcome := api.Outcome{Name: a.name, Code: api.CodeFailed, Message: "has no process: " + cmp.Or(a.note(), "its release is being deployed")}
	if a.invalid {
		outcome.Code = api.CodeInvalid
	}
	if action == api.ActionStop { // already so
		outcome.Code = api.CodeDone
	}
	return outcome
}

// isOnlyNamed reports whether an action is for the slot only where its process is named:
// APP and all mean what autostart means, and a job must not run twice.
func (s *slot) isOnlyNamed(action api.Action) bool {
	c := s.process.config
	switch {
	case s.ends() && s.Up && (s.fulfilled() || s.fresh() != nil && action != api.ActionStart):
		return action == api.ActionStart || action == api.ActionRestart || action == api.ActionReload
	case c.Autostart:
		return false
	case action == api.ActionRestart || action == api.ActionReload:
		return s.rests() || c.Restart != configs.RestartAlways
	case action == api.ActionSignal:
		return s.rests()
	}
	return action == api.ActionStart
}

// onlyNamed is what comes of an action for a target that it leaves out.
func onlyNamed(action api.Action, target string) api.Outcome {
	outcome := api.Outcome{Name: target, Message: fmt.Sprintf("nothing to %s: what it has runs only when it is named, as APP/PROCESS (autostart = false, or ready = { exit = true })", action)}
	if action == api.ActionRestart || action == api.ActionReload {
		outcome.Code = api.CodeFailed
	}
	return outcome
}

// reload sends a worker the signal by which it reads its configuration anew. It reports
// whether there is such a signal, and somebody to get it: one that only starts may not
// expect it yet.
func (o *Owner) reload(s *slot) (outcome api.Outcome, sent bool) {
	sig := s.reloadSignal()
	if w := s.serving(); sig == 0 || w == nil || w.State != api.Running && w.State != api.Unhealthy {
		return api.Outcome{}, false
	}
	return o.signal(s, sig), true
}

// reloadSignal is 0 where a reload is a restart.
func (s *slot) reloadSignal() configs.Signal {
	if s.process.config == nil {
		return 0
	}
	return s.process.config.ReloadSignal
}

// signalAll sends the signal to the main process of each worker that has one.
func (o *Owner) signalAll(r api.Request, all named) *api.Result {
	sig, err := configs.ParseSignal(r.Signal)
	if err != nil {
		return &api.Result{Code: api.CodeUsage, Error: err.Error()}
	}
	result := &api.Result{}
	for _, s := range all.slots {
		result.Add(o.signal(s, sig))
	}
	for _, other := range all.others {
		other.Code = api.CodeNotRunning
		result.Add(other)
	}
	return result
}

func (o *Owner) signal(s *slot, sig configs.Signal) api.Outcome {
	w := s.serving()
	if w == nil || w.handle == nil {
		return api.Outcome{Name: s.name(), Code: api.CodeNotRunning, Message: "not running"}
	}
	if err := o.send(w, sig); err != nil {
		return api.Outcome{Name: s.name(), Code: api.CodeFailed, Message: err.Error()}
	}
	return api.Outcome{Name: s.name(), Code: api.CodeDone, Message: fmt.Sprintf("sent %s to pid %d", configs.SignalName(sig), w.Pid)}
}
