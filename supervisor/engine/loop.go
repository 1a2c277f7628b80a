package engine

import (
	"errors"
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
		o.timer, o.unsettled = time.Time{}, false
		now := time.Now()
		if o.frozen == nil {
			o.checkExitOn()
			o.roll(now)
			o.settle(now)
		} else if o.isQuiet() {
			o.frozen()
			continue
		}
		o.sweep()
		o.repair(now)
		o.answer(now)
		o.Publish(now)
		if o.frozen == nil { // else it is done at the end
			o.save()
		}
		if o.finished() {
			return
		}
		if o.unsettled {
			o.changes++
			o.drain()
			continue
		}
		if o.timer.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(o.timer))
		}
		select {
		case e := <-o.events:
			o.happen(e)
			o.drain()
		case <-timer.C:
			o.changes++
		}
	}
}

// drain runs the events that are waiting already, so that a storm of them is
// settled at once.
func (o *Owner) drain() {
	for {
		select {
		case e := <-o.events:
			o.happen(e)
		default:
			return
		}
	}
}

func (o *Owner) happen(e Event) {
	o.changes++
	e(o)
}

func (o *Owner) finished() bool {
	return o.quitting && len(o.waiters) == 0 && o.idle() && !o.saving
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

// Status is what runs now.
func (o *Owner) Status() *api.Status { return o.status.Load() }

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
	}
	o.quitting = true
	for _, a := range o.apps {
		if a.rollout != nil {
			o.stopCandidate(a.rollout)
		}
	}
	o.eachSlot(func(s *slot) { s.leaves, s.Up = s.leaves || s.Up, false })
}

// Quits reports whether supd was told to stop.
func (o *Owner) Quits() bool { return o.quitting }

// Verdict is, after the end, why exit_on has ended supd because workers have failed;
// nil when it was told to end, and when all workers have done their work.
func (o *Owner) Verdict() error { return o.verdict }

// ChildDied is the event of SIGCHLD. The owner is the only one that reaps: a pid
// in o.workers is that of its worker for as long as it is there.
func (o *Owner) ChildDied() {
	for _, e := range o.host.Reaper.Reap(func(pid int) bool { return o.workers[pid] != nil }) {
		switch w, task := o.workers[e.Pid], o.tasks[e.Pid]; {
		case w != nil:
			o.ended(w, e)
		case task != nil:
			delete(o.tasks, e.Pid)
			task <- e
		case o.launching > 0:
			o.earlyDeaths[e.Pid] = e
		}
	}
}

// sweep kills the processes that dead workers left behind, all in one search.
func (o *Owner) sweep() {
	if len(o.dead) == 0 {
		return
	}
	alive := make([]int, 0, len(o.workers))
	for pid := range o.workers {
		alive = append(alive, pid)
	}
	dead := o.dead
	o.dead = nil
	o.host.Reaper.Sweep(alive, func(o *Owner) {
		for _, w := range dead {
			w.slot.sweeps--
			o.swept(w)
		}
	})
}

// save begins to write what runs, if that may have changed; while it is being done
// the next time comes afterwards.
func (o *Owner) save() {
	if o.saving || o.changes == o.recorded {
		return
	}
	o.recorded, o.saving = o.changes, true
	o.host.Save(o.Record(), func(o *Owner) {
		o.saving = false
		o.changes-- // this event changes nothing
	})
}

// Record describes all that runs.
func (o *Owner) Record() *record.Record {
	r := &record.Record{Format: record.Format}
	o.eachSlot(func(s *slot) { r.Slots = append(r.Slots, s.record()) })
	return r
}
