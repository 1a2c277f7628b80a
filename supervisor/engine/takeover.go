package engine

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/record"
	"supd/supervisor/release"
)

// Predecessor is what an earlier supd has left, with its workers as they were found.
type Predecessor struct {
	Slots []record.Slot
	// Lost is of apps whose journal is lost, or cannot be opened: the release that their
	// workers run.
	Lost map[string]Lost
	// Program is of a worker whose process the configuration does not have any
	// more; c is how it is to be treated.
	Program func(w *record.Worker, c *configs.Process) Program
}

// Lost is the release that living workers run, prepared, or why that is not known.
type Lost struct {
	App App
	Err error
}

// TakeOver makes what an earlier supd has left what this one has. The configuration
// is applied, and the rollouts that were under way are planned; nothing was
// launched yet.
func (o *Owner) TakeOver(p Predecessor) {
	for _, a := range o.apps {
		if lost, is := p.Lost[a.name]; is {
			o.assume(a, lost)
		}
	}
	for i := range p.Slots {
		saved := &p.Slots[i]
		s := o.slotOf(saved)
		s.restore(saved)
		for k := range saved.Workers {
			o.restore(s, &saved.Workers[k], p)
		}
	}
	o.eachSlot(func(s *slot) { s.settleRevision() })
	for _, a := range o.apps {
		if r := a.rollout; r != nil {
			o.goOn(r)
		}
		o.touchApp(a)
	}
	o.touchAll(o.lateCandidates)
	o.mayGo = true
}

// assume makes the release active that an app's workers run, where its journal is
// lost: they are not stopped because of that. Where it cannot be opened, that holds until
// it can.
func (o *Owner) assume(a *app, lost Lost) {
	switch {
	case a.journal == nil && lost.Err == nil:
		unopened := a.trouble
		a.state.Active, a.state.Place = lost.App.Release.Name, placeOf(lost.App.Release)
		o.applyApp(a, lost.App)
		a.trouble = unopened
		return
	case a.journal == nil:
		return // its workers go on as they were recorded
	case lost.Err != nil:
		a.trouble = fmt.Errorf("the journal of releases is lost, and what runs goes on without: %w; deploy a release", lost.Err)
		o.log.Error("release state", "app", a.name, "error", a.trouble)
		return
	}
	v := lost.App.Release
	o.log.Warn("the journal of releases is lost, the one that runs is active", "app", a.name, "release", v.Name)
	a.state.Active, a.state.Place = v.Name, placeOf(v)
	o.applyApp(a, lost.App)
	o.journaled(a, a.state.Clone(), func(err error) Event {
		return func(o *Owner) {
			if err != nil {
				o.log.Error("that a release is active is not in the journal", "app", a.name, "error", err)
			}
		}
	})
}

// slotOf finds or makes the slot of a record: one that the configuration has no
// more is emptied.
func (o *Owner) slotOf(saved *record.Slot) *slot {
	a := o.findApp(saved.App)
	if a == nil {
		a = o.app(saved.App)
		a.config, a.removed = &configs.App{Name: saved.App, Rollout: configs.Rollout{Surge: configs.Surge{Workers: 1}}}, true
	}
	p := a.process(saved.Process)
	kept := a.trouble != nil && !a.removed // it is not known what the app is to have
	if p.config == nil {
		p.config = &configs.Process{Name: saved.Process, Stop: []configs.StopStep{{Signal: configs.Terminate, Wait: 30 * time.Second}}}
		p.removed = !kept
	}
	if saved.Number == record.Candidate {
		s := &slot{process: p, number: record.Candidate}
		if r := a.rollout; r != nil {
			r.candidate = s
		} else {
			o.lateCandidates = append(o.lateCandidates, s)
		}
		return s
	}
	if kept && p.config.Count < saved.Number {
		c := *p.config
		c.Count = saved.Number
		p.config = &c
	}
	p.rescale(saved.Scaled)
	for n := len(p.slots); n < saved.Number; n++ {
		s := p.newSlot(n+1, p.revision)
		s.removed = !kept
		p.slots = append(p.slots, s)
	}
	return p.slots[saved.Number-1]
}

// restore puts a worker back into its slot. One that has died meanwhile ends now.
func (o *Owner) restore(s *slot, saved *record.Worker, p Predecessor) {
	r := o.revisionOf(s, saved, p)
	w := &worker{slot: s, config: r.Config, revision: r, WorkerState: saved.WorkerState, Process: saved.Process}
	s.workers = append(s.workers, w)
	o.join(w)
	if saved.Alive || !saved.Adopted {
		o.log.Info("worker taken over", "worker", s.name(), "pid", w.Pid, "state", w.State, "generation", w.Generation)
		o.workers[w.Pid] = w // a child is reaped like any other
		o.allow(w, saved)
	}
	h := r.Program.Adopt(o.launchOf(w), saved, w.State == api.Starting)
	w.Process, w.handle, w.observer = h.Record, h.Process, h.Observer
	switch {
	case saved.Alive && (w.State == api.Running || w.State == api.Unhealthy):
		w.observer.Watch(s.process.app.rollout.targets(w))
	case !saved.Alive && saved.Adopted:
		o.log.Warn("worker has ended while no supd was there", "worker", s.name(), "pid", w.Pid)
		o.mainEnded(w, Exit{Pid: w.Pid, Code: -1, Reason: "ended while no supd was there"})
	}
}

// allow gives a worker the time again that it was not listened to: a READY=1 or a
// WATCHDOG=1 that it has sent meanwhile was heard by nobody, and sd_notify(3) does
// not send it again. One that was not ready by then is replaced after a whole
// timeout, by the ordinary rules.
func (o *Owner) allow(w *worker, saved *record.Worker) {
	switch w.State {
	case api.Running:
		w.set(api.Running, o.watchdogDeadline(w))
	case api.Starting:
		switch ready := w.config.Ready; {
		case w.revision.Recorded:
			w.Ready = time.Now()
			o.transit(w, api.Running, time.Time{}, "runs, and how it gets ready is not known")
		case saved.Lost && !asksAgain(ready):
			w.Ready = time.Now()
			o.transit(w, api.Running, o.watchdogDeadline(w), "runs, and whether it was ready is in no record")
		case ready.Uptime > 0:
			w.set(api.Starting, w.Launched.Add(ready.Uptime))
		default:
			w.set(api.Starting, time.Now().Add(startTime(ready)))
		}
	case api.Unhealthy, api.Stopping, api.Exited: // as it was
	}
}

// asksAgain reports whether a worker that is ready already is found to be.
func asksAgain(r configs.Ready) bool { return !r.Notify && r.Log == "" }

// revisionOf finds the revision that a worker was launched from: of those that this
// supd knows, or an old one that is to be replaced.
func (o *Owner) revisionOf(s *slot, saved *record.Worker, p Predecessor) *revision {
	process := s.process
	if r := process.app.rollout; r != nil {
		for _, t := range r.stages {
			for _, e := range []*revision{t.to, t.from} {
				if t.process == process && e != nil && e.launched(saved) && o.hasSockets(e, process.app.name, saved) {
					return e
				}
			}
		}
	}
	current := process.revision
	if current != nil && !saved.Old && current.launched(saved) && o.hasSockets(current, process.app.name, saved) {
		return current
	}
	old := &revision{Revision: Revision{Config: process.config, Release: saved.Release, Key: saved.Key, UID: -1}, applied: saved.Applied} // nobody's
	if current != nil {
		old.Config, old.UID, old.Program = current.Config, current.UID, current.Program
	} else {
		old.Config, old.Recorded, old.UID = asRecorded(process.config, saved), true, -1 // no user's, as far as is known
		old.Program = p.Program(saved, old.Config)
	}
	if old.Release == nil && saved.Version != "" {
		old.Release = &configs.Version{Name: saved.Version}
	}
	return old
}

// launched reports whether the worker was launched from r. One that was not recorded
// is taken for what its version says.
func (r *revision) launched(saved *record.Worker) bool {
	if saved.Key == "" {
		return r.version() == saved.Version && (saved.UID < 0 || saved.UID == r.UID)
	}
	return r.Key == saved.Key
}

// hasSockets reports whether a worker has the sockets that r would be given: they may
// listen elsewhere by now, or be others. One of which no socket is known has.
func (o *Owner) hasSockets(r *revision, app string, saved *record.Worker) bool {
	given := saved.Belongings.Sockets
	if len(given) == 0 {
		return true
	}
	has := map[uint64]bool{}
	for _, inode := range given {
		has[inode] = true
	}
	for _, name := range r.Config.Sockets {
		inodes := o.host.Sockets.Inodes(SocketKey(app, name))
		if len(inodes) > 0 && !slices.ContainsFunc(inodes, func(i uint64) bool { return has[i] }) {
			return false
		}
	}
	return true
}

// goOn begins again where a rollout stood.
func (o *Owner) goOn(r *rollout) {
	if len(r.stages) == 0 { // it cannot, and its end is being journaled
		r.app.letRest()
	}
	for _, t := range r.stages {
		for _, s := range t.process.slots {
			if t.to != nil && (s.runs(t.to) != nil || s.Done && s.LastClean && r.isPrepared(s, t.to)) || r.status.Step == release.StepBake {
				s.revision, t.begun = t.to, true
			}
		}
	}
	o.log.Info("rollout goes on", "app", r.app.name, "id", r.status.ID, "to", r.status.To, "step", r.status.Step)
	r.say(nil, 0, "goes on: supd was started again")
	switch r.status.Step {
	case release.StepSmoke: // goes on by itself
	case release.StepBake:
		r.startBake()
	case release.StepUndo:
		if r.isFirst() { // an earlier version of supd undid those too
			r.status.Step = release.StepReplace
			o.endure(r, nil, r.status.Reason)
			return
		}
		o.startUndo(r)
	}
}

// letRest lets rest what has ended well before: the way back is no reason to run it again.
func (a *app) letRest() {
	for _, p := range a.processes {
		for _, s := range p.slots {
			if s.Up && s.Well != nil && s.ends() {
				s.restWell()
			}
		}
	}
}

// Unfinished plans the rollout of an app that its journal says was under way when
// supd crashed; why says that it cannot go on. After a reboot, or where supd was
// stopped and its workers with it, it is over: the release that was active is
// started. That of a first release goes on then, too; where it cannot, the release is
// active, and what of it lives is kept.
func (o *Owner) Unfinished(app string, crashed bool, target App, why error) {
	a := o.app(app)
	if a.state.Rollout == nil {
		return
	}
	r := &rollout{app: a, target: target, status: api.RolloutStatus{Rollout: *a.state.Rollout}}
	switch {
	case why != nil:
		why = fmt.Errorf("supd was started again in the middle of it, and cannot go on: %w", why)
	case !crashed && !r.isFirst():
		why = errors.New("supd had ended in the middle of it")
	}
	a.rollout = r
	if why == nil {
		o.plan(r)
		return
	}
	if r.status.Reason == "" {
		r.status.Reason = why.Error()
	}
	r.status.Step = release.StepUndo
	if v := a.state.Target; r.isFirst() && v != nil {
		a.trouble = why
		r.faults = []string{r.status.Reason}
		r.target.Release = &configs.Version{Name: r.status.To, Path: v.Path, Files: v.Files}
	}
	o.end(r)
}
