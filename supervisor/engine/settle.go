package engine

import (
	"slices"
	"strconv"
	"time"

	"supd/supervisor/api"
	"supd/supervisor/record"
)

// maxLaunching bounds the launches that are under way at a time: they share the
// processors, and a launch that hangs (a dead file server) must not leave the
// others without a turn.
const maxLaunching = 16

// settle brings every slot as near to what is desired as can be now. It is idempotent,
// and calls o.wake with the next moment at which it would do more.
func (o *Owner) settle(now time.Time) {
	for _, a := range o.apps {
		for _, p := range a.processes {
			o.settleProcess(p, now)
		}
		if a.rollout != nil && a.rollout.candidate != nil {
			o.settleSlot(a.rollout.candidate, now)
		}
	}
	for _, s := range o.lateCandidates {
		o.settleSlot(s, now)
	}
	o.lateCandidates = slices.DeleteFunc(o.lateCandidates, (*slot).idle)
	o.forget()
}

// wake makes the timer fire at t at the latest; the zero time is never.
func (o *Owner) wake(t time.Time) {
	if !t.IsZero() && (o.timer.IsZero() || t.Before(o.timer)) {
		o.timer = t
	}
}

func (o *Owner) idle() bool {
	idle := o.launching == 0
	o.eachSlot(func(s *slot) { idle = idle && s.idle() })
	return idle
}

func (o *Owner) settleProcess(p *process, now time.Time) {
	for _, s := range p.slots {
		o.settleSlot(s, now)
	}
	p.forget()
}

func (o *Owner) settleSlot(s *slot, now time.Time) {
	o.expire(s, now)
	switch {
	case !s.Up:
		o.stopSlot(s)
	case s.mayStart():
		o.start(s, now)
	default:
		o.replace(s, now)
	}
	for _, w := range s.workers {
		o.wake(w.Deadline)
	}
}

// expire runs the deadlines that have passed.
func (o *Owner) expire(s *slot, now time.Time) {
	for _, w := range slices.Clone(s.workers) {
		if !w.Deadline.IsZero() && !w.Deadline.After(now) {
			o.expired(w)
			o.changes++
			o.unsettled = true // a rollout may go on with what has become of it
		}
	}
}

// stopSlot stops what runs in a slot that is not desired, unless a process
// that comes after this one still has to stop first.
func (o *Owner) stopSlot(s *slot) {
	if len(s.workers) == 0 || s.number != record.Candidate && !s.removed && o.dependentStopping(s.process) {
		return
	}
	for _, w := range s.workers {
		o.stop(w, "stop", false)
	}
}

func (o *Owner) start(s *slot, now time.Time) {
	switch {
	case s.Done || s.GaveUp || s.revision == nil || s.process.app.rollout.forbids(s.revision):
	case s.Retry.After(now):
		o.wake(s.Retry)
	case s.Gated && len(s.waitsFor()) > 0:
	default:
		o.launch(s, now)
	}
}

// launch starts the worker that the slot is to have; Started or Failed ends that.
func (o *Owner) launch(s *slot, now time.Time) {
	if o.launching >= maxLaunching {
		return
	}
	o.launching++
	again := s.launched == 0 || s.launched == number(s.revision) // not for a rollout
	if s.Generation > 0 && !s.Gated && len(s.stale()) == 0 && again {
		s.Restarts++
	}
	s.launched = number(s.revision)
	s.Gated = false
	s.Generation++
	w := &worker{slot: s, config: s.revision.Config, revision: s.revision,
		WorkerState: record.WorkerState{State: api.Starting, Generation: s.Generation, Launched: now}}
	s.workers = append(s.workers, w)
	s.revision.Program.Start(o.launchOf(w))
}

// replace moves a slot on to its desired revision: one worker of it is started beside
// the old ones, and they are stopped when it is ready. What must never run twice
// is stopped first.
func (o *Owner) replace(s *slot, now time.Time) {
	stale := s.stale()
	fresh := s.fresh()
	switch {
	case len(stale) == 0:
		o.stopSurplus(s)
	case s.revision == nil:
		for _, w := range stale {
			o.stop(w, "no release is active", false)
		}
	case s.alone():
		if s.Retry.After(now) {
			o.wake(s.Retry)
		} else if s.mayStopFirst(s.revision) {
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
	case fresh == nil && s.process.app.rollout.forbids(s.revision):
	case fresh == nil && s.Retry.After(now):
		o.wake(s.Retry)
	case fresh == nil:
		if o.maySurge(s, s.revision, now) {
			o.launch(s, now)
		}
	case fresh.State == api.Running:
		for _, w := range stale {
			o.stop(w, "replaced by "+strconv.Itoa(fresh.Pid), true)
		}
	}
}

// stopSurplus stops what was started in the place of a worker that has become
// healthy again.
func (o *Owner) stopSurplus(s *slot) {
	if w := s.fresh(); w != nil && w.State == api.Running {
		for _, other := range s.workers {
			if other != w && other.live() {
				o.stop(other, "pid "+strconv.Itoa(w.Pid)+" is healthy again", false)
			}
		}
	}
}

// maySurge reports whether one more worker fits beside those of the process, and
// whether the last replaced one has been ready for min_ready. Old workers that
// still drain count: memory is what the surge bounds.
func (o *Owner) maySurge(s *slot, to *revision, now time.Time) bool {
	p := s.process
	extra, since := 0, time.Time{}
	for _, other := range p.slots {
		extra += max(0, len(other.workers)-1)
		f := other.fresh()
		switch {
		case other == s:
		case f != nil && f.revision == to && f.Ready.After(since):
			since = f.Ready
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
func (o *Owner) forget() {
	for _, a := range o.apps {
		a.processes = slices.DeleteFunc(a.processes, func(p *process) bool { return p.removed && len(p.slots) == 0 })
	}
	o.apps = slices.DeleteFunc(o.apps, func(a *app) bool {
		gone := a.removed && len(a.processes) == 0 && a.rollout == nil
		if gone && a.journal != nil {
			a.journal.Close()
		}
		return gone
	})
}
