package engine

import (
	"fmt"
	"time"

	"supd/supervisor/api"
	"supd/supervisor/measure"
)

// started is the event that ends a launch.
func (o *Owner) started(w *worker, h Handle) {
	o.launchEnds(w)
	w.Process, w.handle, w.observer = h.Record, h.Process, h.Observer
	w.key = h.Key
	w.Launched = time.Now()
	early, died := o.earlyDeaths[w.Pid]
	died = died && !w.handle.Alive()
	o.forgetEarlyDeaths()
	if died {
		o.ended(w, early)
		return
	}
	o.workers[w.Pid] = w
	if w.isUntold {
		o.treat(w, w.revision)
	}
	switch w.State {
	case api.Starting:
		o.log.Info("worker", "worker", w.slot.name(), "pid", w.Pid, "to", api.Starting, "generation", w.Generation)
		o.transit(w, api.Starting, w.Launched.Add(startTime(w.config.Ready)), "")
		o.tell(w, "started "+w.revision.version())
		if w.slot.process.app.rollout.targets(w) && !w.config.Ready.Exit {
			w.observer.Watch(true)
		}
	case api.Stopping: // told so meanwhile
		o.nextStep(w)
	case api.Running, api.Unhealthy, api.Exited: // nobody is before it was started
	}
}

// notStarted is the event of a launch that has come to nothing.
func (o *Owner) notStarted(w *worker, why error) {
	o.launchEnds(w)
	o.forgetEarlyDeaths()
	if w.isPutOff && w.State == api.Starting {
		o.leaveOut(w)
		return
	}
	o.ended(w, Exit{Code: -1, Reason: why.Error()})
}

// leaveOut forgets a launch that was put off: its slot begins another one.
func (o *Owner) leaveOut(w *worker) {
	o.log.Info("launch is put off", "worker", w.slot.name(), "generation", w.Generation)
	w.slot.remove(w)
	w.slot.PutOff = true
	o.part(w)
	o.clearIdle(o.user(w)) // of what its hook has left
	w.set(api.Exited, time.Time{})
	o.touch(w.slot)
}

// becameReady is the event of a worker that answered, or lived long enough.
func (o *Owner) becameReady(w *worker, how string) {
	switch w.State {
	case api.Starting:
		w.Ready = time.Now()
		w.slot.process.newest, w.slot.process.newestOf = w.Ready, w.revision
		w.slot.Starts = w.slot.Starts.With(w.Ready.Sub(w.Launched))
		o.host.Sockets.Relisten(w.slot.process.socketKeys())
		w.observer.BecameReady()
		o.transit(w, api.Running, o.watchdogDeadline(w), how)
		o.tell(w, "ready after "+w.Ready.Sub(w.Launched).Round(time.Millisecond).String())
		w.observer.Watch(w.slot.process.app.rollout.targets(w))
		o.runPostStart(w)
		o.forgive(w.slot.process.app)
	case api.Running, api.Unhealthy: // it says so once more
	case api.Stopping, api.Exited: // too late
	}
}

// pinged is the event of a WATCHDOG=1.
func (o *Owner) pinged(w *worker) {
	switch w.State {
	case api.Running:
		w.set(api.Running, o.watchdogDeadline(w))
	case api.Unhealthy:
		o.recovered(w, "sent WATCHDOG=1")
	case api.Starting: // the watchdog counts from ready on
	case api.Stopping, api.Exited:
	}
}

// expired is the event of a deadline that has passed.
func (o *Owner) expired(w *worker) {
	switch w.State {
	case api.Starting:
		if w.config.Ready.Uptime > 0 {
			o.becameReady(w, "lived for "+w.config.Ready.Uptime.String())
			return
		}
		o.fail(w, notReady(w))
	case api.Running:
		o.ill(w, "no WATCHDOG=1 for "+w.config.Watchdog.String())
		w.slot.Cause = measure.Watchdog
	case api.Stopping:
		o.nextStep(w)
	case api.Unhealthy, api.Exited: // have no deadline
	}
}

// checked is the event of an answer to a health probe; nil is a good one.
func (o *Owner) checked(w *worker, err error) {
	switch w.State {
	case api.Running, api.Unhealthy:
		if err == nil {
			w.unwell = 0
			o.recovered(w, "answers again")
			return
		}
		w.unwell++
		if w.unwell >= w.config.Health.Failures {
			o.ill(w, err.Error())
		}
	case api.Starting, api.Stopping, api.Exited:
	}
}

// churned is the event of a worker whose child processes die young, one after the
// other, while it lives on itself.
func (o *Owner) churned(w *worker, deaths int) {
	why := fmt.Sprintf("%d of its child processes have died young within a minute", deaths)
	switch w.State {
	case api.Starting:
		if !w.config.Ready.Exit { // whose children may come and go
			o.fail(w, why)
		}
	case api.Running:
		o.ill(w, why)
	case api.Unhealthy, api.Stopping, api.Exited:
	}
}

// smoked is the event of the answer that a candidate has given.
func (o *Owner) smoked(w *worker, err error) {
	r := w.slot.process.app.rollout
	if !r.targets(w) {
		return
	}
	path := r.app.config.Rollout.Smoke
	if err != nil {
		o.fault(r, w, fmt.Sprintf("GET %s: %s", path, err))
		return
	}
	r.trial = trialPassed
	r.say(w.slot, w.Pid, "GET "+path+" is well")
	o.stopCandidate(r)
}

// ill is the event of a worker that was ready and is no good any more. It goes on,
// and settle starts another one in its place, which may not come at once: what all
// workers depend on may be away, and a new one would be no better.
func (o *Owner) ill(w *worker, why string) {
	switch w.State {
	case api.Running:
	case api.Starting, api.Unhealthy, api.Stopping, api.Exited:
		return
	}
	s, now := w.slot, time.Now()
	r := s.process.app.rollout
	targeted := r.targets(w)
	s.Cause = measure.Unhealthy
	w.Illness = why
	o.transit(w, api.Unhealthy, time.Time{}, why)
	if w.revision == s.revision {
		s.failed(why)
	}
	s.Retry = now.Add(nextDelay(&s.InARow, w.revision.Config.Backoff, w.readyFor(now), true))
	if targeted {
		o.fault(r, w, "unhealthy: "+why)
	}
}

// recovered is the event of a worker that is well after all.
func (o *Owner) recovered(w *worker, how string) {
	switch w.State {
	case api.Unhealthy:
		w.unwell, w.Illness = 0, ""
		o.transit(w, api.Running, o.watchdogDeadline(w), how)
	case api.Starting, api.Running, api.Stopping, api.Exited:
	}
}

// fail stops a worker that is desired but no good.
func (o *Owner) fail(w *worker, why string) {
	switch w.State {
	case api.Starting, api.Running, api.Unhealthy:
	case api.Stopping, api.Exited: // what was said of it comes too late
		return
	}
	s := w.slot
	r := s.process.app.rollout
	targeted := r.targets(w)
	w.Failure = why
	s.hear(w)
	o.stop(w, why, false)
	switch {
	case targeted:
		o.fault(r, w, why)
	case r == nil && s.hasOlder() && w.revision == s.revision:
		s.failed(why)
		o.abandon(s.process, why)
	}
}

// ended is the event of a worker's death: it leaves its slot, what it left
// behind is searched for, and the slot's policy decides what follows.
func (o *Owner) ended(w *worker, e Exit) {
	s, now := w.slot, time.Now()
	o.touch(s)
	if o.workers[e.Pid] == w {
		delete(o.workers, e.Pid)
	}
	o.account(w, e)
	s.remove(w)
	o.part(w)
	if w.handle == nil && w.config.Hooks.PreStart != nil { // what that has left no search looks for
		o.clearIdle(o.user(w))
	}
	if w.handle != nil {
		s.sweeps++
		w.handle.Left()
		o.dead = append(o.dead, w)
	}
	was := w.State
	w.set(api.Exited, time.Time{}) // whatever is still reported of it comes too late
	asked := was == api.Stopping && w.Failure == ""
	sent := w.Sent
	if w.config.Ready.Exit {
		sent = nil // it has not done its work, whoever has told it to end
	}
	clean := e.isClean(w.config.SuccessExit, sent) && w.Failure == ""
	isPast := s.Done && s.ends() // the release is another again, for which it has ended well
	exit := e.of(w, now)
	if !isPast && !asked {
		w.exit, w.finished = exit, e.finished()
	}
	if !isPast && !s.outlives(w) && (!asked || w.Illness != "" || s.LastExit == nil || len(s.workers) == 0) {
		s.LastExit, s.LastClean = exit, clean
	}
	if asked && w.revision != s.revision {
		o.tell(w, "stopped "+w.revision.version())
	}
	o.conclude(w, exit, !asked && !clean)
	o.log.Info("worker ended", "worker", s.name(), "pid", w.Pid, "from", was, "generation", w.Generation,
		"why", exit.Reason, "asked", asked)
	if asked || isPast || !s.Up {
		return
	}
	if clean && w.config.Ready.Exit {
		o.endedWell(w, now)
	}
	if s.fresh() == nil {
		s.Cause = e.reason(w)
	}
	if w.revision == s.revision && (w.Ready.IsZero() || !clean) {
		s.failed(exit.Reason)
	}
	r := s.process.app.rollout
	switch {
	case r.targets(w) && !(clean && w.isFinal(clean)):
		o.again(w, exit.Reason, clean, now)
		o.fault(r, w, exit.Reason)
	case r == nil && s.hasOlder() && w.revision == s.revision:
		o.abandon(s.process, exit.Reason)
	case s.fresh() == nil:
		o.again(w, exit.Reason, clean, now)
	}
	if clean && w.config.Ready.Exit {
		o.forgive(s.process.app)
	}
}

// What happens to a worker, each event with every state that it may come in.
