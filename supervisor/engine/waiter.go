package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"supd/supervisor/api"
	"supd/supervisor/release"
)

// answer replies to the waiters whose slots are all decided, or whose time is up.
func (o *Owner) answer(now time.Time) {
	waiting := o.waiters[:0]
	for _, w := range o.waiters {
		if o.decided(w, now) {
			if w.after != nil {
				w.after()
			}
			w.reply <- w.result()
			w.forget()
			continue
		}
		o.wake(w.deadline)
		waiting = append(waiting, w)
	}
	clear(o.waiters[len(waiting):])
	o.waiters = waiting
}

func (o *Owner) decided(w *waiter, now time.Time) bool {
	late := !w.deadline.IsZero() && !w.deadline.After(now)
	if w.request.Action == api.ActionShutdown {
		return o.idle() || late
	}
	if w.rollout != nil {
		return w.rollout.isOver() || late || o.quitting
	}
	look := w.changed
	if late {
		look = w.slots
	}
	w.changed = nil
	failed := false
	for _, s := range look {
		if _, done := w.outcomes[s]; done {
			continue
		}
		outcome, done := w.outcome(s, w.before[s])
		switch {
		case !done && late:
			outcome, done = w.unfinished(s, now), true
		case done && isFailedStart(outcome) && s.sweeps > 0 && !late:
			done = false // its last words are still to come
		case done && isFailedStart(outcome) && s.Failures > w.before[s].failures:
			outcome.Output = s.words
		}
		if done {
			w.outcomes[s] = outcome
			failed = failed || outcome.Code != api.CodeDone
		}
	}
	if failed {
		w.failBlocked()
	}
	return len(w.outcomes) == len(w.slots) && (len(w.deferred) == 0 || late || !o.isDeferred(w))
}

// isFailedStart reports whether a worker did not start, be there an old one or not.
func isFailedStart(o api.Outcome) bool {
	return o.Code == api.CodeNotStarted || o.Code == api.CodeRolledBack
}

// unfinished is what has come of the request for a slot when its time is up.
func (w *waiter) unfinished(s *slot, now time.Time) api.Outcome {
	outcome := api.Outcome{Name: s.name(), Code: api.CodeTimeout, Message: "still " + string(s.state(now))}
	if f := s.fresh(); f != nil && f.handle != nil && w.request.Action != api.ActionStop {
		outcome.Output = f.observer.Output()
	}
	return outcome
}

// forget takes a waiter from its slots: it has its answer.
func (w *waiter) forget() {
	for _, s := range w.slots {
		s.waiters = slices.DeleteFunc(s.waiters, func(other *waiter) bool { return other == w })
		if len(s.waiters) == 0 {
			s.unheard()
		}
	}
}

// unheard is told that nobody waits for the slot any more.
func (s *slot) unheard() {
	s.words = nil
	if s.process.app.rollout != nil {
		return // which may ask
	}
	for _, w := range s.workers {
		if w.handle != nil {
			w.observer.StopTail()
		}
	}
}

// outcome is what has come of the request for one slot, if that is known.
func (w *waiter) outcome(s *slot, b before) (api.Outcome, bool) {
	done := func(code int, message string) (api.Outcome, bool) {
		return api.Outcome{Name: s.name(), Code: code, Message: message}, true
	}
	switch {
	case w.request.Action == api.ActionApply:
		outcome, known := w.changeOutcome(s, b, done)
		if slices.Contains(w.retried, s) {
			outcome.Message = "tried at once: " + outcome.Message
		}
		return outcome, known
	case w.request.Action == api.ActionStop || w.request.Action == api.ActionScale && s.removed:
		return w.stopOutcome(s, b, done)
	}
	did := "started"
	if w.restarts() {
		did = "restarted"
	}
	failed := func(why string) (api.Outcome, bool) { return done(api.CodeNotStarted, "not "+did+": "+why) }
	switch {
	case !s.Up:
		return done(api.CodeFailed, "a stop was asked for meanwhile")
	case b.already:
		return done(api.CodeDone, "already running")
	case s.isHeld():
		return failed(sentence(s.process.holdup()))
	case w.restarts() && s.isBarred():
		return failed(sentence(s.process.holdup()) + "; the old worker goes on")
	case s.revision == nil:
		return done(api.CodeFailed, fmt.Sprintf("no release is active; `supctl deploy %s` comes first", s.process.app.name))
	case number(s.revision) < b.revision:
		why := "another worker of the process was not started"
		if s.Failures > b.failures {
			why = s.Trouble
		}
		return failed(why + "; the old worker goes on")
	}
	return s.startOutcome(b, did, w.restarts())
}

// startOutcome is what has come of a start, if that is known; did is what that is called.
// alone says that the old worker has to be gone.
func (s *slot) startOutcome(b before, did string, alone bool) (api.Outcome, bool) {
	done := func(code int, message string) (api.Outcome, bool) {
		return api.Outcome{Name: s.name(), Code: code, Message: message}, true
	}
	switch {
	case s.Done && s.LastClean && len(s.workers) == 0:
		return done(api.CodeDone, "finished: "+s.LastExit.Reason)
	case s.Failures > b.failures:
		return done(api.CodeNotStarted, "not "+did+": "+s.Trouble)
	case s.Done && len(s.workers) == 0:
		return done(api.CodeNotStarted, "not "+did+": "+s.LastExit.Reason)
	case !s.ready() || s.fresh() == nil || alone && len(s.workers) > 1:
		return api.Outcome{}, false
	}
	return done(api.CodeDone, fmt.Sprintf("%s, pid %d", did, s.fresh().Pid))
}

// restarts reports whether workers are to be replaced by others.
func (w *waiter) restarts() bool {
	return w.request.Action == api.ActionRestart || w.request.Action == api.ActionReload
}

func (w *waiter) stopOutcome(s *slot, b before, done func(int, string) (api.Outcome, bool)) (api.Outcome, bool) {
	switch {
	case s.Up:
		return done(api.CodeFailed, "a start was asked for meanwhile")
	case !s.idle():
		return api.Outcome{}, false
	case b.already:
		return done(api.CodeDone, "already stopped")
	case s.LastExit == nil:
		return done(api.CodeDone, "stopped")
	default:
		return done(api.CodeDone, "stopped, "+s.LastExit.Reason)
	}
}

func (w *waiter) result() *api.Result {
	if w.rollout != nil {
		return w.outcomeOf()
	}
	r := &api.Result{Changes: w.changes}
	for _, app := range w.deferred {
		r.Add(api.Outcome{Name: app, Code: api.CodeTimeout, Message: "is applied after the rollout that is under way; `supctl status " + app + "` shows how it goes"})
	}
	for _, said := range w.said {
		r.Add(said)
	}
	for _, s := range w.slots {
		r.Add(w.outcomes[s])
	}
	for _, other := range w.others {
		r.Add(other)
	}
	return r
}

// outcomeOf is what has come of a rollout that is waited for.
func (w *waiter) outcomeOf() *api.Result {
	r := w.rollout
	status := r.status
	result := &api.Result{Code: api.CodeTimeout, Rollout: &status}
	message := "still in progress: " + string(status.Step)
	if status.Step == release.StepPaused && !status.Ended() {
		result.Code, message = api.CodeFailed, "paused: "+status.Reason
	}
	if status.Ended() {
		result.Code = status.Code
		message = status.To + " is active"
		if status.Code != api.CodeDone {
			message = status.Reason
		}
		if status.Code == api.CodeRolledBack && w.request.Action == api.ActionRollback && strings.HasPrefix(status.Reason, "undone by") {
			result.Code, message = api.CodeDone, status.From+" serves again"
		}
	}
	result.Outcomes = []api.Outcome{{Name: r.app.name, Code: result.Code, Message: message}}
	return result
}
