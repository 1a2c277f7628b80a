package supervisor

import (
	"fmt"
	"slices"
	"time"
)

// checked is the event of an answer to the question whether a worker is healthy;
// nil is a good one.
func (o *owner) checked(w *worker, err error) {
	switch {
	case w.state != Running && w.state != Unhealthy:
	case err == nil:
		w.unwell = 0
		o.recovered(w, "answers again")
	default:
		w.unwell++
		if w.unwell >= w.config.Health.Failures {
			o.ill(w, err.Error())
		}
	}
}

// churned is the event of a worker whose child processes die young, one after the
// other, while it lives on itself.
func (o *owner) churned(w *worker, deaths int) {
	why := fmt.Sprintf("%d of its child processes have died young within a minute", deaths)
	if w.state == Starting {
		o.fail(w, why)
		return
	}
	o.ill(w, why)
}

// ill marks a worker that was ready and is no good any more. It goes on, and settle
// starts another one in its place, which may not come at once: what all workers
// depend on may be away, and a new one would be no better.
func (o *owner) ill(w *worker, why string) {
	if w.state != Running {
		return
	}
	s, now := w.slot, time.Now()
	r := s.process.app.rollout
	targeted := r.targets(w)
	w.set(o.log, Unhealthy, time.Time{}, why)
	if w.edition == s.edition {
		s.failed(why)
	}
	if targeted {
		o.fault(r, w, "unhealthy: "+why)
		return
	}
	s.retry = now.Add(s.limiter.next(w.edition.config.Backoff, w.readyFor(now), true))
}

// recovered is for a worker that is well after all.
func (o *owner) recovered(w *worker, how string) {
	if w.state == Unhealthy {
		w.unwell = 0
		w.set(o.log, Running, o.watchdogDeadline(w), how)
	}
}

// isIll tells whether the slot's worker is to be replaced for its health alone.
func (s *slot) isIll() bool {
	return !s.hasOlder() && slices.ContainsFunc(s.workers, func(w *worker) bool { return w.state == Unhealthy })
}

// heals tells whether another slot of the process is getting a new worker in the
// place of an unhealthy one: one at a time does.
func (p *process) heals(besides *slot) bool {
	return slices.ContainsFunc(p.slots, func(s *slot) bool {
		return s != besides && s.isIll() && s.fresh() != nil
	})
}
