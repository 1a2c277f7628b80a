package supervisor

import (
	"slices"
	"time"

	"supd/configs"
)

// maxLaunching bounds the launches that are under way at a time: they share the
// processors, and a launch that hangs (a dead file server) must not leave the
// others without a turn.
const maxLaunching = 16

// settle brings every slot as near to its wish as can be now. It is idempotent,
// and calls o.wake with the next moment at which it would do more.
func (o *owner) settle(now time.Time) {
	for _, a := range o.apps {
		for _, p := range a.processes {
			o.settleProcess(p, now)
		}
		if a.rollout != nil && a.rollout.candidate != nil {
			o.settleSlot(a.rollout.candidate, now)
		}
	}
	for _, s := range o.orphans {
		o.settleSlot(s, now)
	}
	o.orphans = slices.DeleteFunc(o.orphans, (*slot).idle)
	o.forget()
}

func (o *owner) settleProcess(p *process, now time.Time) {
	for _, s := range p.slots {
		o.settleSlot(s, now)
	}
	p.forget()
}

func (o *owner) settleSlot(s *slot, now time.Time) {
	o.expire(s, now)
	switch {
	case !s.up:
		o.stopSlot(s)
	case s.mayStart():
		o.start(s, now)
	default:
		o.replace(s, now)
	}
	for _, w := range s.workers {
		o.wake(w.deadline)
	}
}

// expire runs the deadlines that have passed.
func (o *owner) expire(s *slot, now time.Time) {
	for _, w := range slices.Clone(s.workers) {
		if !w.deadline.IsZero() && !w.deadline.After(now) {
			o.expired(w)
			o.changes++
			o.unsettled = true // a rollout may go on with what has become of it
		}
	}
}

// stopSlot stops what runs in a slot that is not wished for, unless a process
// that comes after this one still has to stop first.
func (o *owner) stopSlot(s *slot) {
	if len(s.workers) == 0 || s.number != candidateSlot && !s.removed && o.dependentStopping(s.process) {
		return
	}
	for _, w := range s.workers {
		o.stop(w, "stop", false)
	}
}

func (o *owner) dependentStopping(p *process) bool {
	return slices.ContainsFunc(p.app.processes, func(d *process) bool {
		return slices.Contains(d.config.After, p.name) && !d.wished() && !d.idle()
	})
}

// mayStart tells that the slot has no worker, apart from old ones that drain
// after another one had taken over.
func (s *slot) mayStart() bool {
	return !slices.ContainsFunc(s.workers, func(w *worker) bool { return w.live() || !w.draining })
}

func (o *owner) start(s *slot, now time.Time) {
	switch {
	case s.done || s.gaveUp || s.edition == nil || s.process.app.rollout.forbids(s.edition):
	case s.retry.After(now):
		o.wake(s.retry)
	case s.gated && len(s.waitsFor()) > 0:
	default:
		o.launch(s, now)
	}
}

// waitsFor lists the processes that have to be ready before the first start. One
// that nobody wishes for is not waited for.
func (s *slot) waitsFor() (names []string) {
	for _, p := range s.process.app.processes {
		if slices.Contains(s.process.config.After, p.name) && p.wished() && !p.ready() {
			names = append(names, p.name)
		}
	}
	return names
}

// launch starts a worker for the slot's wish; its end is the event started.
func (o *owner) launch(s *slot, now time.Time) {
	if o.launching >= maxLaunching {
		return
	}
	o.launching++
	again := s.launched == 0 || s.launched == number(s.edition) // not for a rollout
	if s.generation > 0 && !s.gated && len(s.stale()) == 0 && again {
		s.restarts++
	}
	s.launched = number(s.edition)
	s.gated = false
	s.generation++
	w := &worker{slot: s, config: s.edition.config, generation: s.generation, edition: s.edition, state: Starting, launched: now}
	s.workers = append(s.workers, w)
	o.kernel.start(o.job(w))
}

// replace moves a slot on to its wished edition: one worker of it is started beside
// the old ones, and they are stopped when it is ready. What must never run twice
// is stopped first.
func (o *owner) replace(s *slot, now time.Time) {
	stale := s.stale()
	fresh := s.fresh()
	switch {
	case len(stale) == 0:
		o.stopSurplus(s)
	case s.edition == nil:
		for _, w := range stale {
			o.stop(w, "no release is active", false)
		}
	case s.alone():
		if s.retry.After(now) {
			o.wake(s.retry)
		} else if s.mayStopFirst(s.edition) {
			for _, w := range stale {
				o.stop(w, "another takes its place", false)
			}
		}
	case len(stale) > 1: // a replacement that is out of date before it was done
		for _, w := range stale {
			if w != s.serving() {
				o.stop(w, "out of date", true)
			}
		}
	case fresh == nil && s.process.app.rollout.forbids(s.edition):
	case fresh == nil && s.retry.After(now):
		o.wake(s.retry)
	case fresh == nil:
		if o.maySurge(s, s.edition, now) {
			o.launch(s, now)
		}
	case fresh.state == Running:
		for _, w := range stale {
			o.stop(w, "replaced by "+itoa(fresh.pid()), true)
		}
	}
}

// stopSurplus stops what was started in the place of a worker that has become
// healthy again.
func (o *owner) stopSurplus(s *slot) {
	if w := s.fresh(); w != nil && w.state == Running {
		for _, other := range s.workers {
			if other != w && other.live() {
				o.stop(other, "pid "+itoa(w.pid())+" is healthy again", false)
			}
		}
	}
}

// alone tells that the slot's workers must never run side by side.
func (s *slot) alone() bool { return s.process.app.config.Rollout.Strategy == configs.StrategyReplace }

// mayStopFirst tells that no other slot of the process is between two workers.
func (s *slot) mayStopFirst(to *edition) bool {
	return !slices.ContainsFunc(s.process.slots, func(other *slot) bool {
		return other != s && other.up && other.edition == to && !other.fulfilled() && len(other.stale()) == 0
	})
}

// maySurge tells whether one more worker fits beside those of the process, and
// whether the last replaced one has been ready for min_ready. Old workers that
// still drain count: memory is what the surge bounds.
func (o *owner) maySurge(s *slot, to *edition, now time.Time) bool {
	p := s.process
	extra, since := 0, time.Time{}
	for _, other := range p.slots {
		extra += max(0, len(other.workers)-1)
		f := other.fresh()
		switch {
		case other == s:
		case f != nil && f.edition == to && f.ready.After(since):
			since = f.ready
		}
	}
	if extra >= p.surge() || s.isIll() && p.heals(s) {
		return false
	}
	if at := since.Add(p.app.config.Rollout.MinReady); !since.IsZero() && at.After(now) {
		o.wake(at)
		return false
	}
	return true
}

// forget drops processes and apps that are gone from the configuration and empty.
func (o *owner) forget() {
	for _, a := range o.apps {
		a.processes = slices.DeleteFunc(a.processes, func(p *process) bool { return p.removed && len(p.slots) == 0 })
	}
	o.apps = slices.DeleteFunc(o.apps, func(a *app) bool {
		gone := a.removed && len(a.processes) == 0 && a.rollout == nil
		if gone && a.journaled {
			o.kernel.letGo(a.name)
		}
		return gone
	})
}
