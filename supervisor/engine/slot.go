package engine

import (
	"slices"
	"time"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/record"
)

func (s *slot) name() string { return s.label }

// fresh is the live worker of the desired revision, unless it is unhealthy; stale are the
// other live ones.
func (s *slot) fresh() *worker {
	for _, w := range s.workers {
		if w.live() && w.revision == s.revision && w.State != api.Unhealthy {
			return w
		}
	}
	return nil
}

func (s *slot) stale() (stale []*worker) {
	for _, w := range s.workers {
		if w.live() && (w.revision != s.revision || w.State == api.Unhealthy) {
			stale = append(stale, w)
		}
	}
	return stale
}

// runs is the slot's live worker of a revision, or nil.
func (s *slot) runs(e *revision) *worker {
	for _, w := range s.workers {
		if w.live() && w.revision == e {
			return w
		}
	}
	return nil
}

// hasOlder reports whether a worker of another revision than the desired one lives.
func (s *slot) hasOlder() bool {
	return slices.ContainsFunc(s.workers, func(w *worker) bool { return w.live() && w.revision != s.revision })
}

// outlives reports whether w, which has ended, was to take the place of a worker of another
// revision that goes on: what the slot runs has not ended.
func (s *slot) outlives(w *worker) bool {
	return slices.ContainsFunc(s.workers, func(old *worker) bool {
		return old.live() && old.revision != w.revision && old.Generation < w.Generation
	})
}

// serving is the worker that status tells of: the newest ready one, else the
// newest.
func (s *slot) serving() *worker {
	var best *worker
	for _, w := range s.workers {
		if best == nil || w.State == api.Running || best.State == api.Stopping {
			best = w
		}
	}
	return best
}

// idle reports whether nothing of this slot is left running.
func (s *slot) idle() bool { return len(s.workers)+len(s.concluded)+s.sweeps == 0 }

// ready reports whether the slot has a ready worker.
func (s *slot) ready() bool {
	w := s.serving()
	return w != nil && w.State == api.Running
}

// isIll reports whether the slot's worker is to be replaced for its health alone.
func (s *slot) isIll() bool {
	return !s.hasOlder() && slices.ContainsFunc(s.workers, func(w *worker) bool { return w.State == api.Unhealthy })
}

// fulfilled reports whether the slot's worker of the desired revision is ready, or has
// done its work.
func (s *slot) fulfilled() bool {
	if w := s.fresh(); w != nil {
		return w.State == api.Running
	}
	return s.Done && s.LastClean && len(s.workers) == 0
}

// rests reports whether nobody wants the slot to run: it is stopped, or it is started only
// when it is named, and has ended for good since.
func (s *slot) rests() bool {
	return !s.Up || !s.process.config.Autostart && (s.Done || s.GaveUp) && len(s.workers) == 0
}

// alone reports whether the slot's workers must never run side by side.
func (s *slot) alone() bool {
	return s.ends() || s.process.app.config.StrategyOf(s.process.config) == configs.StrategyReplace
}

// mayStart reports whether the slot has no worker, apart from old ones that drain
// after another one had taken over.
func (s *slot) mayStart() bool {
	return !slices.ContainsFunc(s.workers, func(w *worker) bool { return w.live() || !w.Draining })
}

// waitsFor lists the processes that have to be ready before the first start. One
// that nobody wants is not waited for.
func (s *slot) waitsFor() (names []string) {
	for _, p := range s.process.comesAfter() {
		if p.desired > 0 && !p.ready() {
			names = append(names, p.name)
		}
	}
	slices.Sort(names)
	return names
}

// state is the slot's own when no worker has one.
func (s *slot) state(now time.Time) api.State {
	if w := s.serving(); w != nil {
		return w.State
	}
	switch {
	case s.Up && s.isHeld() && !s.process.app.invalid:
		return api.Backoff
	case !s.Up || s.revision == nil || s.revision.Recorded:
		return api.Stopped
	case s.GaveUp:
		return api.Failed
	case s.Done:
		return api.Exited
	case s.Retry.After(now):
		return api.Backoff
	default:
		return api.Starting
	}
}

// inBackoff reports whether the slot waits to be started again, and nothing but its failures
// keeps it from that.
func (s *slot) inBackoff(now time.Time) bool { return s.state(now) == api.Backoff && !s.isHeld() }

// want asks for a worker, whatever has failed before.
func (s *slot) want() {
	s.Up, s.Gated, s.Cause = true, true, ""
	s.retryNow()
}

// wantStarted asks for a worker; a start that is under way goes on.
func (s *slot) wantStarted() {
	if !s.Up {
		s.want()
		return
	}
	s.retryNow()
}

func (s *slot) retryNow() {
	s.Done, s.GaveUp = false, false
	s.Retry = time.Time{}
	s.InARow = 0
}

func (s *slot) failed(why string) {
	s.Failures++
	s.Trouble = why
}

// hear keeps the last lines of a worker that is no good, for those who wait for the slot.
func (s *slot) hear(w *worker) {
	if len(s.waiters) > 0 && w.handle != nil {
		s.words = w.observer.Output()
	}
}

func (s *slot) remove(w *worker) {
	for i, other := range s.workers {
		if other == w {
			s.workers = append(s.workers[:i:i], s.workers[i+1:]...)
			return
		}
	}
}

// record is the slot as the next supd has to know it.
func (s *slot) record() record.Slot {
	r := record.Slot{App: s.process.app.name, Process: s.process.name, Number: s.number, SlotState: s.SlotState}
	r.Up, r.Removed = s.Up || s.leaves, s.removed
	for _, w := range s.workers {
		if w.handle != nil { // else it is found by the note of its launch, if it comes to be
			r.Workers = append(r.Workers, w.record())
		}
	}
	return r
}

// restore puts back what is known of a slot. One that the configuration had no more, and has
// again, is as a new one.
func (s *slot) restore(saved *record.Slot) {
	isBack, isWanted := saved.Removed && !s.removed, s.Up
	s.SlotState = saved.SlotState
	s.Up = saved.Up && !s.removed && s.number != record.Candidate
	s.Gated = saved.Gated && saved.Generation == 0
	if isBack && isWanted {
		s.want()
	}
}

// settleRevision lets a slot that is held back go on with what it has.
func (s *slot) settleRevision() {
	if s.revision == nil && s.process.holdup() != nil && len(s.workers) > 0 {
		s.revision = s.serving().revision
	}
}
