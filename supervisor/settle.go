package supervisor

import (
	"slices"
	"time"
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
	}
	o.forget()
}

func (o *owner) settleProcess(p *process, now time.Time) {
	for _, s := range p.slots {
		o.expire(s, now)
	}
	for _, s := range p.slots {
		switch {
		case !s.up:
			o.stopSlot(s)
		case s.mayStart():
			o.start(s, now)
		default:
			o.replace(s, now)
		}
	}
	for _, s := range p.slots {
		for _, w := range s.workers {
			o.wake(w.deadline)
		}
	}
	p.forget()
}

// expire runs the deadlines that have passed.
func (o *owner) expire(s *slot, now time.Time) {
	for _, w := range slices.Clone(s.workers) {
		if !w.deadline.IsZero() && !w.deadline.After(now) {
			o.expired(w)
		}
	}
}

// stopSlot stops what runs in a slot that is not wished for, unless a process
// that comes after this one still has to stop first.
func (o *owner) stopSlot(s *slot) {
	if len(s.workers) == 0 || o.dependentStopping(s.process) {
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
	case s.done || s.gaveUp:
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
	if s.generation > 0 && !s.gated && len(s.stale()) == 0 {
		s.restarts++
	}
	s.gated = false
	s.generation++
	w := &worker{slot: s, config: s.process.config, generation: s.generation, epoch: s.epoch, state: Starting, launched: now}
	s.workers = append(s.workers, w)
	o.kernel.start(o.job(w))
}

// replace moves a slot on to its wished epoch: one worker of it is started beside
// the old ones, and they are stopped when it is ready.
func (o *owner) replace(s *slot, now time.Time) {
	stale := s.stale()
	fresh := s.fresh()
	switch {
	case len(stale) == 0:
	case len(stale) > 1: // a replacement that is out of date before it was done
		for _, w := range stale {
			if w != s.serving() {
				o.stop(w, "out of date", true)
			}
		}
	case fresh == nil:
		if o.maySurge(s.process, now) {
			o.launch(s, now)
		}
	case fresh.state == Running:
		for _, w := range stale {
			o.stop(w, "replaced by "+itoa(fresh.pid()), true)
		}
	}
}

// maySurge tells whether one more worker fits beside those of the process, and
// whether the last replaced one has been ready for min_ready. Old workers that
// still drain count: memory is what the surge bounds.
func (o *owner) maySurge(p *process, now time.Time) bool {
	extra, since := 0, time.Time{}
	for _, s := range p.slots {
		extra += max(0, len(s.workers)-1)
		if f := s.fresh(); f != nil && f.epoch == p.epoch && f.ready.After(since) {
			since = f.ready
		}
	}
	if extra >= p.surge() {
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
	o.apps = slices.DeleteFunc(o.apps, func(a *app) bool { return a.removed && len(a.processes) == 0 })
}
