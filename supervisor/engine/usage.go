package engine

import "supd/supervisor/measure"

// What a slot's workers have used is s.Past, of those that have ended, and what /proc
// says of the others, which is read when somebody asks: then it is noted in Used. So
// the sum of s.Past and of each Used never goes back.

// RunID tells the process of a worker from all others.
type RunID struct {
	Pid   int
	Start uint64 // clock ticks after boot
}

// Seen notes what workers and their descendants have used by now. It is for the
// record: of a worker that ends while no supd is there nobody else knows. logs says that
// a log has grown. written is closed when all that has happened until now is recorded,
// or cannot be.
func (o *Owner) Seen(used map[RunID]measure.Usage, logs bool, written chan<- struct{}) {
	for id, u := range used {
		if w := o.workers[id.Pid]; w != nil && w.Identity.Start == id.Start {
			if most := w.Used.Most(u); most != w.Used {
				w.Used = most
				o.changed(w.slot)
			}
		} else if w := o.left[id.Pid]; w != nil && w.Identity.Start == id.Start { // it has ended while that was read
			w.Used = w.Used.Plus(o.more(w, u))
		}
	}
	o.isRecorded = o.isRecorded && !logs
	o.unwritten = append(o.unwritten, written)
}

// account adds what a worker has used, with the children that it has waited for. Of
// other children Used has more: they are reaped next, see accountOrphan.
func (o *Owner) account(w *worker, e Exit) {
	w.counted = e.Used.Most(w.Used)
	w.slot.Past = w.slot.Past.Plus(w.counted)
	w.Used = w.Used.Less(e.Used)
	if w.Pid > 0 {
		o.left[w.Pid] = w
	}
}

// more adds what a dead worker has used beyond what was counted, and gives that.
func (o *Owner) more(w *worker, used measure.Usage) measure.Usage {
	more := used.Less(w.counted)
	if more != (measure.Usage{}) {
		w.counted, w.slot.Past = w.counted.Plus(more), w.slot.Past.Plus(more)
		o.changed(w.slot)
	}
	return more
}

// forgetLeft is told of each dead worker that was swept.
func (o *Owner) forgetLeft(w *worker) {
	if o.left[w.Pid] == w {
		delete(o.left, w.Pid)
	}
}

// accountOrphan adds what a descendant of a worker has used that was reaped by supd,
// since its parent is dead. It is known by its session, which the worker leads.
func (o *Owner) accountOrphan(e Exit) {
	if w := o.workers[e.Session]; w != nil {
		w.slot.Past = w.slot.Past.Plus(e.Used)
		w.Used = w.Used.Less(e.Used) // what was seen of it is in Past now
		o.changed(w.slot)
	} else if w := o.left[e.Session]; w != nil {
		more := e.Used.Less(w.Used) // account has added Used
		w.counted, w.slot.Past = w.counted.Plus(more), w.slot.Past.Plus(more)
		w.Used = w.Used.Less(e.Used)
		o.changed(w.slot)
	}
}

// reason is why another worker is launched after this end.
func (e Exit) reason(w *worker) measure.Reason {
	switch {
	case w.handle == nil:
		return measure.NotStarted
	case w.Failure != "":
		return measure.NotReady
	case e.Signal != 0:
		return measure.Signaled
	default:
		return measure.Exited
	}
}
