package engine

import (
	"slices"
	"time"

	"supd/configs"
	"supd/supervisor/record"
	"supd/supervisor/release"
)

// A process with ready = { exit = true } is ready when it has ended with success. It runs
// once when its app starts, and once for each release, before what comes after it. The way
// back to a release is none of those: that has had its own.

// ends reports whether the worker that is desired is ready when it has ended.
func (s *slot) ends() bool { return s.revision.ends() }

func (e *revision) ends() bool { return e != nil && e.Config.Ready.Exit }

// files tells the release from all others, also from one of the same version.
func (e *revision) files() string {
	if e.Release == nil {
		return ""
	}
	return e.Release.Files
}

// endedWell notes that a worker has done its work.
func (o *Owner) endedWell(w *worker, now time.Time) {
	s := w.slot
	s.Well = &record.Well{Files: w.revision.files(), Exit: s.LastExit}
	if w.Ready.IsZero() {
		w.Ready = now
		s.Starts = s.Starts.With(now.Sub(w.Launched))
	}
	o.tell(w, "has ended well after "+now.Sub(w.Launched).Round(time.Millisecond).String())
}

// isPrepared reports whether the slot has nothing to do for the release that a rollout
// moves it to: that is what it goes back to, or it has ended well already, under the supd
// before this one.
func (r *rollout) isPrepared(s *slot, to *revision) bool {
	if !to.ends() || s.Well == nil {
		return false
	}
	isBack := r.status.Kind == release.KindRollback || r.heads() == release.StepUndo
	return isBack || s.Well.Files == to.files() && !s.Well.Exit.At.Before(r.status.StartedAt)
}

// restWell makes the slot one that has ended well, and runs no more.
func (s *slot) restWell() {
	s.retryNow()
	s.Done, s.LastExit, s.LastClean = true, s.Well.Exit, true
}

// prepares brings on what has to end before the candidate of the smoke test is started, and
// reports whether that is not done yet.
func (o *Owner) prepares(r *rollout, now time.Time) (pending bool) {
	for _, t := range r.preparing() {
		if !t.begun && !r.mayBegin(t) || !o.move(r, t, now) {
			pending = true
		}
	}
	return pending
}

// preparing are the stages of processes that end and that the candidate's comes after, in
// their order. One that itself comes after what serves has to wait for the rollout.
func (r *rollout) preparing() (all []*stage) {
	c := r.target.Config.SmokeProcess()
	if c == nil {
		return nil
	}
	needed, alone := map[string]bool{}, map[string]bool{}
	var need func(c *configs.Process)
	need = func(c *configs.Process) {
		for _, name := range c.After {
			if before := r.target.Config.Process(name); before != nil && !needed[name] {
				needed[name] = true
				need(before)
			}
		}
	}
	need(c)
	for _, t := range r.stages { // each behind those that it comes after
		name := t.process.name
		alone[name] = t.to.ends() && !slices.ContainsFunc(t.config.After, func(before string) bool { return !alone[before] })
		if alone[name] && needed[name] {
			all = append(all, t)
		}
	}
	return all
}
