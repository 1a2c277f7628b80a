package engine

import "time"

// again applies the restart policy to the slot of a worker that ended by itself.
func (o *Owner) again(w *worker, why string, clean bool, now time.Time) {
	s, c := w.slot, w.revision.Config
	if w.isFinal(clean) {
		s.Done = true
		o.log.Info("worker is not restarted", "worker", s.name(), "restart", c.Restart)
		return
	}
	wait := nextDelay(&s.InARow, c.Backoff, w.readyFor(now), !w.Ready.IsZero())
	if c.GiveUpAfter > 0 && s.InARow >= c.GiveUpAfter {
		s.GaveUp = true
		o.log.Error("giving up", "worker", s.name(), "failures", s.InARow, "last", why)
		return
	}
	s.Retry = now.Add(wait)
	if wait > 0 {
		o.log.Warn("backoff", "worker", s.name(), "wait", wait.Round(time.Millisecond), "failures", s.InARow, "why", why)
	}
}

// abandon ends the replacement of a process's workers after a new one has
// failed: the old ones are what is desired again.
func (o *Owner) abandon(p *process, why string) {
	o.log.Error("replacement failed, the old workers go on", "process", p.fullName(), "why", why)
	p.failed = why
	for _, s := range p.slots {
		o.changed(s) // why it is behind
		if stale := s.stale(); len(stale) > 0 && s.Up && s.hasOlder() {
			if f := s.fresh(); f != nil {
				o.stop(f, "replacement abandoned", false)
			}
			s.revision = stale[len(stale)-1].revision
			o.touch(s)
		}
	}
}
