package engine

import (
	"errors"
	"maps"
	"slices"
	"time"

	"supd/supervisor/api"
	"supd/supervisor/record"
)

// Run is the loop. It returns when supd was told to quit and nothing is left, and is
// called once.
func (o *Owner) Run() {
	defer close(o.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		o.timer = time.Time{}
		now := time.Now()
		if o.frozen == nil {
			o.checkExitOn()
			o.touchDue(now)
			o.roll(now)
			o.attempt(now)
			o.settle(now)
		} else if o.isQuiet() {
			o.frozen()
			continue
		}
		o.repair(now)
		o.answer(now)
		o.show(now)
		if o.isTime(now) {
			o.sweep()
			if o.frozen == nil { // else it is done at the end
				o.save(now)
			}
		}
		if o.finished() {
			o.Publish(now)
			return
		}
		if o.isUnsettled() {
			o.drain()
			continue
		}
		if o.timer.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(o.timer))
		}
		o.isTurning.Store(false)
		select {
		case e := <-o.events:
			o.isTurning.Store(true)
			e(o)
			o.drain()
		case <-timer.C:
			o.isTurning.Store(true)
		}
	}
}

// isUnsettled reports whether something was changed in this turn that settle, or a
// rollout, still has to see.
func (o *Owner) isUnsettled() bool {
	return o.frozen == nil && (len(o.queue) > 0 || slices.ContainsFunc(o.apps, func(a *app) bool {
		return a.isUnrolled && a.rollout != nil && a.rollout.pending == "" && !o.quitting
	}))
}

// launchesFirst is how long a search for what dead workers have left, and the record,
// wait for launches that are under way: all need the same processors, and the record
// would be out of date at once.
const launchesFirst = 50 * time.Millisecond

// isTime reports whether what waits for launches is to be done now.
func (o *Owner) isTime(now time.Time) bool {
	if o.launching > 0 && o.tidies.IsZero() {
		o.tidies = now.Add(launchesFirst)
	}
	if o.launching > 0 && now.Before(o.tidies) {
		o.wake(o.tidies)
		return false
	}
	o.tidies = time.Time{}
	return true
}

// drain runs the events that are waiting already, so that a storm of them is
// settled at once.
func (o *Owner) drain() {
	for {
		select {
		case e := <-o.events:
			e(o)
		default:
			return
		}
	}
}

func (o *Owner) finished() bool {
	return o.quitting && len(o.waiters) == 0 && o.idle() && !o.runsCommands() && !o.saving
}

// ErrStopped is the answer of an owner that has ended.
var ErrStopped = errors.New("supd has stopped")

// Post hands an event to the owner; after the end it is dropped.
func (o *Owner) Post(e Event) {
	select {
	case o.events <- e:
	case <-o.done:
	}
}

// statusTime is how long a reader waits for the owner before it gets what was
// published last.
const statusTime = time.Second

// Status is what runs now. It is made when somebody reads it. Whoever had an answer of the
// owner's sees what it tells of.
func (o *Owner) Status() *api.Status {
	rests := !o.isTurning.Load() // asked first: at the end of a turn what it has changed is superseded
	last := o.status.Load()
	select {
	case <-last.Next():
	default:
		if rests {
			return last
		}
	}
	fresh := make(chan *api.Status, 1)
	late := time.NewTimer(statusTime)
	defer late.Stop()
	select {
	case o.events <- func(o *Owner) { o.readers = append(o.readers, fresh) }:
	case <-o.done:
		return o.status.Load()
	case <-late.C:
		return last
	}
	select {
	case now := <-fresh:
		return now
	case <-o.done:
		return o.status.Load()
	case <-late.C:
		return last
	}
}

// Done is closed when the owner has stopped everything.
func (o *Owner) Done() <-chan struct{} { return o.done }

// Ask gives what f answers in the owner's goroutine, or ErrStopped.
func Ask[T any](o *Owner, f func(*Owner) T) (answer T, err error) {
	answers := make(chan T, 1)
	o.Post(func(o *Owner) { answers <- f(o) })
	select {
	case answer = <-answers:
		return answer, nil
	case <-o.done:
	}
	select {
	case answer = <-answers: // its last event
		return answer, nil
	default:
		return answer, ErrStopped
	}
}

// Quit stops everything, in the reverse of the order of `after`.
func (o *Owner) Quit() {
	if !o.quitting {
		o.log.Info("stopping all workers")
		o.stopCommands()
	}
	o.quitting = true
	for _, a := range o.apps {
		if a.rollout != nil {
			o.stopCandidate(a.rollout)
		}
	}
	o.eachSlot(func(s *slot) {
		s.leaves, s.Up = s.leaves || s.Up, false
		o.touch(s)
	})
}

// Quits reports whether supd was told to stop.
func (o *Owner) Quits() bool { return o.quitting }

// Verdict is, after the end, why exit_on has ended supd because workers have failed;
// nil when it was told to end, and when all workers have done their work.
func (o *Owner) Verdict() error { return o.verdict }

// ChildDied is the event of SIGCHLD. The owner is the only one that reaps: a pid
// in o.workers is that of its worker for as long as it is there.
func (o *Owner) ChildDied() {
	for _, e := range o.host.Reaper.Reap(o.killsGroup) {
		switch w, task := o.workers[e.Pid], o.tasks[e.Pid]; {
		case w != nil:
			o.mainEnded(w, e)
		case task != nil:
			delete(o.tasks, e.Pid)
			task <- e
		default:
			if o.launching > 0 {
				o.earlyDeaths[e.Pid] = e
			}
			o.accountOrphan(e)
			o.forgetStray(e.Pid)
		}
	}
}

// sweep kills the processes that dead workers left behind, all in one search.
func (o *Owner) sweep() {
	if len(o.dead) == 0 {
		return
	}
	dead := o.dead
	o.dead = nil
	o.host.Reaper.Sweep(o.pids(), slices.Collect(maps.Keys(o.tasks)), func(found Swept) Event {
		return func(o *Owner) { o.searched(dead, found) }
	})
}

// recordPause is between two records, for each slot in them: to write down a thousand
// workers for each one that starts would cost more than to start them.
const recordPause = 50 * time.Microsecond

// save begins to write what has changed, if anything has; while it is being done the
// next time comes afterwards.
func (o *Owner) save(now time.Time) {
	isSaved := o.isRecorded && len(o.unsaved)+len(o.gone) == 0
	if isSaved && !o.saveAgain.IsZero() { // the last record has failed
		if isSaved = o.saveAgain.After(now); isSaved {
			o.wake(o.saveAgain)
		}
	}
	switch {
	case o.saving:
		return
	case !isSaved && now.Before(o.nextSave):
		o.wake(o.nextSave)
		return
	}
	told := o.unwritten
	o.unwritten = nil
	written := func() {
		for _, one := range told {
			close(one)
		}
	}
	if isSaved {
		written()
		return
	}
	o.saving, o.isRecorded = true, true
	r := o.unsavedRecord()
	pause := time.Duration(len(r.Slots)) * recordPause
	o.host.Save(r, written, func(ok bool) Event {
		return func(o *Owner) {
			now := time.Now()
			o.saving, o.nextSave = false, now.Add(pause)
			if ok {
				o.saveAgain, o.saveTries = time.Time{}, 0
				return
			}
			o.wholes = 0 // the next time the whole is tried
			o.saveAgain = now.Add(nextDelay(&o.saveTries, heldBackoff, 0, false))
		}
	})
}

// RecordAgain records all that runs, since somebody has removed the record. written is
// closed when that is done, or cannot be.
func (o *Owner) RecordAgain(written chan<- struct{}) {
	o.wholes, o.isRecorded = 0, false
	o.unwritten = append(o.unwritten, written)
}

// unsavedRecord is what has changed since the last record: all of it, where a short
// one would not be much shorter than what was written since the last whole one.
func (o *Owner) unsavedRecord() *record.Record {
	o.written += max(1, len(o.unsaved)) // a part may be of logs alone
	if o.wholes == 0 || o.written > max(2*o.wholes, 64) || len(o.lateCandidates) > 0 {
		return o.Record()
	}
	r := &record.Record{Part: true, Gone: o.gone, Slots: make([]record.Slot, 0, len(o.unsaved))}
	o.gone = nil
	for _, s := range o.unsaved {
		s.unsaved = false
		if !s.isGone { // else it would be there again
			r.Slots = append(r.Slots, s.record())
		}
	}
	o.unsaved = o.unsaved[:0]
	return r
}

// Record describes all that runs.
func (o *Owner) Record() *record.Record {
	r := &record.Record{Format: record.Format}
	for _, s := range o.unsaved {
		s.unsaved = false
	}
	o.unsaved = o.unsaved[:0]
	o.eachSlot(func(s *slot) { r.Slots = append(r.Slots, s.record()) })
	o.wholes, o.written, o.gone = len(r.Slots), 0, nil
	return r
}
