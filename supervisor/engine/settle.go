package engine

import (
	"slices"
	"strconv"
	"time"

	"supd/supervisor/api"
	"supd/supervisor/record"
)

// idle reports whether nothing runs, and nothing is being launched.
func (o *Owner) idle() bool { return o.launching == 0 && o.busy == 0 }

// settle brings every slot that was touched as near to what is desired as can be
// now. It is idempotent, and sets alarms for the next moment at which it would do
// more.
func (o *Owner) settle(now time.Time) {
	o.leavePlaces(now)

	o.offerLaunches()
	for len(o.queue) > 0 {
		touched := o.queue
		o.queue = nil
		for _, s := range touched { // before one decides by what has become of another
			o.count(s)
		}
		o.tend()
		for _, s := range touched {
			s.queued = false
			o.settleSlot(s, now)
			o.count(s)
		}
		o.offerLaunches()
		if len(o.queue) == 0 {
			o.offerRoom()
		}
	}
	o.tend()
	o.wakeForPlaces()
	if o.mayGo {
		o.mayGo = false
		o.forget()
	}
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
		o.wakeAt(s, w.Deadline)
	}
	o.mayGo = o.mayGo || s.idle() && (s.removed || s.number == record.Candidate)
}

// expire runs the deadlines that have passed.
func (o *Owner) expire(s *slot, now time.Time) {
	for _, w := range slices.Clone(s.workers) {
		if !w.Deadline.IsZero() && !w.Deadline.After(now) {
			o.expired(w)
			o.touch(s)
		}
	}
}

// stopSlot stops what runs in a slot that is not desired, unless a process
// that comes after this one still has to stop first.
func (o *Owner) stopSlot(s *slot) {
	if len(s.workers) == 0 {
		return
	}
	if s.number != record.Candidate && !s.removed && s.process.dependentsStop() {
		park(&s.process.stopping, s, parkedForStop)
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
		o.wakeAt(s, s.Retry)
	case len(s.concluded) > 0 && s.alone(): // the one before has not ended altogether
	case s.Gated && len(s.waitsFor()) > 0:
		park(&s.process.gated, s, parkedForStart)
	default:
		o.launch(s, now)
	}
}

// launch starts the worker that the slot is to have; Started or Failed ends that.
func (o *Owner) launch(s *slot, now time.Time) {
	if s.revision.Recorded {
		return // the app is prepared again, and this slot with it
	}
	if s.isShut() && s.process.app.rollout == nil {
		return // all of the app are touched when it is open; a rollout has to fail by it
	}
	if u := o.users[s.revision.UID]; u != nil && u.clearing {
		park(&u.parked, s, parkedForStrays)
		return
	}
	if len(o.places) >= maxLaunching {
		park(&o.crowded, s, parkedForLaunch)
		return
	}
	a := s.process.app
	if a.launching >= maxOfApp {
		park(&a.crowded, s, parkedForLaunch)
		if !slices.Contains(o.crowdedApps, a) {
			o.crowdedApps = append(o.crowdedApps, a)
		}
		return
	}
	again := s.launched == 0 || s.launched == number(s.revision) // not for a rollout
	isNext := s.Generation > 0 && !s.PutOff
	if isNext && !s.Gated && !s.hasOlder() && again {
		s.Restarts++
	}
	s.launched = number(s.revision)
	if isNext {
		s.Relaunched(now)
	}
	s.Cause = ""
	s.Gated, s.PutOff = false, false
	s.Generation++
	w := &worker{slot: s, config: s.revision.Config, revision: s.revision,
		WorkerState: record.WorkerState{State: api.Starting, Generation: s.Generation, Launched: now, Applied: s.revision.applied}}
	s.workers = append(s.workers, w)
	o.join(w)
	o.launchBegins(w)
	w.cancel = s.revision.Program.Start(o.launchOf(w))
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
	case s.revision.Recorded && fresh == nil: // none can be started in the place of what runs
	case s.alone():
		if s.Retry.After(now) {
			o.wakeAt(s, s.Retry)
		} else if s.mayStopFirst(s.revision) {
			for _, w := range stale {
				o.stop(w, "another takes its place", false)
			}
		} else {
			s.waitForRoom()
		}
	case len(stale) > 1: // a replacement that is out of date before it was done
		for _, w := range stale {
			if w != s.serving() {
				o.stop(w, "out of date", true)
			}
		}
	case fresh == nil && s.process.app.rollout.forbids(s.revision):
	case fresh == nil && s.Retry.After(now):
		o.wakeAt(s, s.Retry)
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
// still drain count: memory is what the surge bounds. A slot for which there is no
// room is parked.
func (o *Owner) maySurge(s *slot, to *revision, now time.Time) bool {
	p := s.process
	if p.isAbandoned() {
		return true
	}
	if p.surplus >= p.surge() || s.isIll() && p.healing > 0 {
		s.waitForRoom()
		return false
	}
	if p.newestOf != to || p.app.rollout.isUndone() { // it has been good for long, and is wanted soon
		return true
	}
	if at := p.newest.Add(p.app.config.Rollout.MinReady); at.After(now) {
		o.wakeAt(s, at)
		return false
	}
	return true
}

// mayStopFirst reports whether no slot of the process is between two workers, or none
// of those that are to be stopped is of use.
func (s *slot) mayStopFirst(to *revision) bool {
	return s.process.between[to] == 0 || s.process.isAbandoned()
}

// dependentsStop reports whether a process that comes after p still has to stop.
func (p *process) dependentsStop() bool {
	return slices.ContainsFunc(p.dependents(), func(d *process) bool { return d.desired == 0 && d.counts.busy > 0 })
}

// forget drops processes and apps that are gone from the configuration and empty.
func (o *Owner) forget() {
	o.lateCandidates = slices.DeleteFunc(o.lateCandidates, func(s *slot) bool {
		if s.idle() {
			o.forgetSlot(s)
		}
		return s.idle()
	})
	for _, a := range o.apps {
		o.forgetProcesses(a)
	}
	o.apps = slices.DeleteFunc(o.apps, func(a *app) bool {
		gone := a.removed && len(a.processes) == 0 && a.rollout == nil
		o.isUnshown = o.isUnshown || gone
		if gone && a.journal != nil {
			a.journal.Close()
		}
		return gone
	})
}

// forgetSlot says to the record that a slot is no more.
func (o *Owner) forgetSlot(s *slot) {
	p := s.process
	p.launched[s.number] = s.Generation
	o.gone, s.isGone = append(o.gone, s.name()), true
	if s.number == record.Candidate { // another one may have the same name
		o.wholes = 0
	}
}

// forgetProcesses drops empty slots that are gone from the configuration, and
// processes without any.
func (o *Owner) forgetProcesses(a *app) {
	a.processes = slices.DeleteFunc(a.processes, func(p *process) bool {
		for n := len(p.slots); n > 0 && p.slots[n-1].removed && p.slots[n-1].idle(); n-- {
			o.forgetSlot(p.slots[n-1])
			if n > 1 { // else there is none that could have them
				p.slots[0].Starts = p.slots[0].Starts.Plus(p.slots[n-1].Starts)
				o.changed(p.slots[0])
			}
			p.slots, a.isUnshown = p.slots[:n-1], true
		}
		gone := p.removed && len(p.slots) == 0
		if gone {
			delete(a.named, p.name)
			a.dependents, a.isUnshown = nil, true
		}
		return gone
	})
}
