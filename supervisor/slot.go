package supervisor

import (
	"fmt"
	"slices"
	"time"

	"supd/configs"
)

// slot is the stable place of a worker: whois/web.1. Its wish is up and edition;
// while its worker is replaced it has two workers, and while an old one drains
// for long even more.
type slot struct {
	process *process
	number  int

	up      bool     // wished for
	leaves  bool     // it was, before supd was told to quit: it is again if that is not finished
	edition *edition // of the worker that is wished for; nil: there is none to start
	removed bool     // gone from the configuration: forgotten once it is empty

	gated  bool      // waits for the processes it comes after, once
	done   bool      // ended by itself, and the restart policy wants no more
	gaveUp bool      // give_up_after
	retry  time.Time // no start before

	limiter    limiter
	generation int    // launches
	restarts   int    // launches that nobody asked for
	launched   int    // number of the edition that was launched last; 0: an earlier supd's
	failures   int    // of all time
	trouble    string // the last of them
	lastExit   *Exit
	lastClean  bool
	workers    []*worker // oldest first
	sweeps     int       // searches for left-over processes under way
}

func (s *slot) name() string {
	return fmt.Sprintf("%s/%s.%d", s.process.app.name, s.process.name, s.number)
}

// fresh is the live worker of the wished edition, unless it is unhealthy; stale are the
// other live ones.
func (s *slot) fresh() *worker {
	for _, w := range s.workers {
		if w.live() && w.edition == s.edition && w.state != Unhealthy {
			return w
		}
	}
	return nil
}

func (s *slot) stale() (stale []*worker) {
	for _, w := range s.workers {
		if w.live() && (w.edition != s.edition || w.state == Unhealthy) {
			stale = append(stale, w)
		}
	}
	return stale
}

// serving is the worker that status tells of: the newest ready one, else the
// newest.
func (s *slot) serving() *worker {
	var best *worker
	for _, w := range s.workers {
		if best == nil || w.state == Running || best.state == Stopping {
			best = w
		}
	}
	return best
}

// idle tells that nothing of this slot is left running.
func (s *slot) idle() bool { return len(s.workers) == 0 && s.sweeps == 0 }

// ready tells whether the slot does what it is wished to do.
func (s *slot) ready() bool {
	w := s.serving()
	return w != nil && w.state == Running
}

// state is the slot's own when no worker has one.
func (s *slot) state(now time.Time) State {
	if w := s.serving(); w != nil {
		return w.state
	}
	switch {
	case !s.up || s.edition == nil:
		return Stopped
	case s.gaveUp:
		return Failed
	case s.done:
		return Exited
	case s.retry.After(now):
		return Backoff
	default:
		return Starting
	}
}

// wish asks for a worker, from a clean sheet.
func (s *slot) wish() {
	s.up, s.gated = true, true
	s.retryNow()
}

func (s *slot) retryNow() {
	s.done, s.gaveUp = false, false
	s.retry = time.Time{}
	s.limiter.reset()
}

// ended is the event of a worker's death: it leaves its slot, what it left
// behind is searched for, and the slot's policy decides what follows.
func (o *owner) ended(w *worker, d death) {
	s, now := w.slot, time.Now()
	if o.workers[d.pid] == w {
		delete(o.workers, d.pid)
	}
	s.remove(w)
	if w.handle != nil {
		s.sweeps++
		o.dead = append(o.dead, left{s, w.handle, w.left()})
	}
	was := w.state
	w.state = Exited // whatever is still reported of it comes too late
	asked := was == Stopping && w.failure == ""
	clean := d.clean(w.config.SuccessExit, w.sent) && w.failure == ""
	if !asked || s.lastExit == nil || len(s.workers) == 0 {
		s.lastExit, s.lastClean = d.exit(w, now), clean
	}
	if asked && w.edition != s.edition {
		o.tell(w, "stopped "+w.edition.version())
	}
	o.log.Info("worker ended", "worker", s.name(), "pid", w.pid(), "from", was, "generation", w.generation,
		"why", d.exit(w, now).Reason, "asked", asked)
	if asked || !s.up {
		return
	}
	if w.edition == s.edition && (w.ready.IsZero() || !clean) {
		s.failed(s.lastExit.Reason)
	}
	r := s.process.app.rollout
	switch {
	case r.targets(w) && !(clean && w.isFinal(clean)):
		o.again(s, w, clean, now)
		o.fault(r, w, s.lastExit.Reason)
	case r == nil && s.hasOlder() && w.edition == s.edition:
		o.abandon(s.process, s.lastExit.Reason)
	case s.fresh() == nil:
		o.again(s, w, clean, now)
	}
}

// isFinal tells whether the restart policy wants no other worker after an end
// like this.
func (w *worker) isFinal(clean bool) bool {
	policy := w.edition.config.Restart
	return policy == configs.RestartNever || policy == configs.RestartOnFailure && clean || w.private()
}

// hasOlder tells whether a worker of another edition than the wished one lives.
func (s *slot) hasOlder() bool {
	return slices.ContainsFunc(s.workers, func(w *worker) bool { return w.live() && w.edition != s.edition })
}

func (s *slot) failed(why string) {
	s.failures++
	s.trouble = why
}

func (s *slot) remove(w *worker) {
	for i, other := range s.workers {
		if other == w {
			s.workers = append(s.workers[:i:i], s.workers[i+1:]...)
			return
		}
	}
}

// again applies the restart policy to a slot whose worker ended by itself.
func (o *owner) again(s *slot, w *worker, clean bool, now time.Time) {
	c := w.edition.config
	if w.isFinal(clean) {
		s.done = true
		o.log.Info("worker is not restarted", "worker", s.name(), "restart", c.Restart)
		return
	}
	wait := s.limiter.next(c.Backoff, w.readyFor(now), !w.ready.IsZero())
	if c.GiveUpAfter > 0 && s.limiter.failures >= c.GiveUpAfter {
		s.gaveUp = true
		o.log.Error("giving up", "worker", s.name(), "failures", s.limiter.failures, "last", s.lastExit.Reason)
		return
	}
	s.retry = now.Add(wait)
	if wait > 0 {
		o.log.Warn("backoff", "worker", s.name(), "wait", wait.Round(time.Millisecond), "failures", s.limiter.failures)
	}
}

// abandon ends the replacement of a process's workers after a new one has
// failed: the old ones are what is wished for again.
func (o *owner) abandon(p *process, why string) {
	o.log.Error("replacement failed, the old workers go on", "process", p.fullName(), "why", why)
	for _, s := range p.slots {
		if stale := s.stale(); len(stale) > 0 && s.up && s.hasOlder() {
			if f := s.fresh(); f != nil {
				o.stop(f, "replacement abandoned", false)
			}
			s.edition = stale[len(stale)-1].edition
		}
	}
}
