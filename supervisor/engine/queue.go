package engine

import (
	"container/heap"
	"time"
)

// What an event costs must not grow with the number of workers. So nothing here
// walks over all slots because something happened to one: a slot is settled when it
// was touched, or when a moment has come that it waits for.

// touch lets a slot be settled, shown and recorded anew.
func (o *Owner) touch(s *slot) {
	if !s.queued {
		s.queued = true
		o.queue = append(o.queue, s)
	}
	o.changed(s)
}

// changed lets a slot be shown and recorded anew.
func (o *Owner) changed(s *slot) {
	p := s.process
	if !s.unshown {
		s.unshown = true
		p.unshown = append(p.unshown, s)
	}
	if !s.unsaved {
		s.unsaved = true
		o.unsaved = append(o.unsaved, s)
	}
	p.app.isUnshown, p.app.isUnrolled = true, true
	for _, w := range s.waiters {
		w.changed = append(w.changed, s)
	}
}

func (o *Owner) touchAll(slots []*slot) {
	for _, s := range slots {
		o.touch(s)
	}
}

// touchApp is for what concerns all slots of an app.
func (o *Owner) touchApp(a *app) {
	a.isUnshown, a.isUnrolled = true, true
	for _, p := range a.processes {
		o.touchAll(p.slots)
	}
	if a.rollout != nil && a.rollout.candidate != nil {
		o.touch(a.rollout.candidate)
	}
}

// wakeAt lets a slot be settled at t at the latest; the zero time is never.
func (o *Owner) wakeAt(s *slot, t time.Time) {
	if t.IsZero() || !s.wakes.IsZero() && !t.Before(s.wakes) {
		return
	}
	s.wakes = t
	heap.Push(&o.alarms, alarm{t, s})
}

// wake makes the timer fire at t at the latest; the zero time is never.
func (o *Owner) wake(t time.Time) {
	if !t.IsZero() && (o.timer.IsZero() || t.Before(o.timer)) {
		o.timer = t
	}
}

// touchDue touches the slots whose time has come, and wakes the owner for the next.
func (o *Owner) touchDue(now time.Time) {
	for len(o.alarms) > 0 {
		next := o.alarms[0]
		if next.slot.wakes.Equal(next.at) && next.at.After(now) {
			o.wake(next.at)
			return
		}
		heap.Pop(&o.alarms)
		if next.slot.wakes.Equal(next.at) { // else an earlier one was set since
			next.slot.wakes = time.Time{}
			o.touch(next.slot)
		}
	}
}

// alarm is a moment at which a slot is to be settled.
type alarm struct {
	at   time.Time
	slot *slot
}

// alarms is a heap with the nearest moment first.
type alarms []alarm

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a alarms) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *alarms) Push(x any)        { *a = append(*a, x.(alarm)) }
func (a *alarms) Pop() any {
	last := (*a)[len(*a)-1]
	(*a)[len(*a)-1] = alarm{}
	*a = (*a)[:len(*a)-1]
	return last
}

// A slot that has to wait for others is parked until something has changed there.
const (
	parkedForLaunch = 1 << iota // a launch under way has to end
	parkedForRoom               // in its process
	parkedForStart              // of the processes it comes after
	parkedForStop               // of the processes that come after it
	parkedForStrays             // of its user have to be killed
)

// park puts a slot into a list of those that wait; why says which list that is.
func park(list *[]*slot, s *slot, why uint8) {
	if s.parked&why == 0 {
		s.parked |= why
		*list = append(*list, s)
	}
}

// unpark touches the first slots of a list, so many of them, and takes them out.
func (o *Owner) unpark(list *[]*slot, why uint8, most int) {
	n := max(0, min(most, len(*list)))
	for _, s := range (*list)[:n] {
		s.parked &^= why
		o.touch(s)
	}
	if *list = (*list)[n:]; len(*list) == 0 {
		*list = nil
	}
}
