package supervisor

import (
	"fmt"
	"slices"
	"time"

	"supd/configs"
	"supd/supervisor/release"
)

// rollout replaces the workers of an app's release by those of another. Like all
// else it works by changing wishes: it moves slots from one edition to the other,
// and settle does the rest. Each of its steps is journaled before it begins and
// is idempotent, so that the next supd goes on with the rollout of one that died.
type rollout struct {
	app    *app
	status RolloutStatus // as it is published
	target preparedApp
	turns  []*turn // each process after those that it comes after

	failing   bool      // a fault was found: what follows from it is none
	recording bool      // a step is being journaled: nothing is done meanwhile
	deadline  time.Time // of the bake
	candidate *slot     // of the smoke test, in no process's slots
	asked     bool      // the candidate
	passed    bool      // it has answered well
	blamed    *worker   // whose last output is still to come
	broken    string    // why the old release does not come back either
	ending    bool      // the last record is being written
}

// turn is one process in a rollout.
type turn struct {
	process  *process
	from, to *edition // nil: the release does not have the process
	config   *configs.Process
	count    int // of the slots before
	begun    bool
	failures map[*slot]int // of the slots, when it was undone
}

// begin is the event of a rollout that is prepared. why says what is wrong with
// the release; then it ends at once, with nothing changed.
func (o *owner) begin(a *app, status RolloutStatus, target preparedApp, why error) *rollout {
	status.ID = a.state.NextID
	if status.ID == 0 {
		status.ID = 1
	}
	status.StartedAt, status.Step = time.Now(), StepCheck
	r := &rollout{app: a, status: status, target: target}
	a.rollout = r
	o.log.Info("rollout", "app", a.name, "id", status.ID, "kind", status.Kind, "from", status.From, "to", status.To, "by", status.By)
	r.say(nil, 0, fmt.Sprintf("%s of %s, %s", status.Kind, status.To, fromWhat(status.From)))
	if why != nil {
		r.status.Reason = why.Error()
		r.say(nil, 0, "failed: "+r.status.Reason)
		o.end(r)
		return r
	}
	o.plan(r)
	first := StepReplace
	if a.config.Rollout.Smoke != "" && status.Kind == KindDeploy && target.config.SmokeProcess() != nil {
		first = StepSmoke
	}
	o.enter(r, first)
	return r
}

func fromWhat(version string) string {
	if version == "" {
		return "the first release"
	}
	return version + " is active"
}

// plan makes the turns, and the processes that only the new release has.
func (o *owner) plan(r *rollout) {
	a := r.app
	for i := range r.target.config.Processes {
		c := &r.target.config.Processes[i]
		p := a.process(c.Name)
		e := r.target.editions[c.Name]
		t := &turn{process: p, to: o.numbered(e), config: c, count: len(p.slots), from: p.edition}
		if p.config == nil {
			p.config = c
			p.added = r
		}
		r.turns = append(r.turns, t)
	}
	for _, p := range a.processes {
		if configOf(r.target.config, p.name) == nil {
			r.turns = append(r.turns, &turn{process: p, from: p.edition, config: p.config, count: len(p.slots)})
		}
	}
	slices.SortFunc(a.processes, byName)
	sortTurns(r.turns)
}

// sortTurns puts each process behind those that it comes after.
func sortTurns(turns []*turn) {
	depth := map[string]int{}
	var deep func(t *turn) int
	deep = func(t *turn) int {
		if d, ok := depth[t.process.name]; ok {
			return d
		}
		depth[t.process.name] = 0 // configs refuses circles
		d := 0
		for _, other := range turns {
			if slices.Contains(t.config.After, other.process.name) {
				d = max(d, deep(other)+1)
			}
		}
		depth[t.process.name] = d
		return d
	}
	slices.SortStableFunc(turns, func(a, b *turn) int { return deep(a) - deep(b) })
}

// enter journals a step, and begins it then. A step that cannot be journaled ends
// the rollout, which is undone.
func (o *owner) enter(r *rollout, to Step) {
	state := r.app.state
	state.Rollout = r.record(to)
	r.recording = true
	o.record(r.app, state, func(o *owner, err error) {
		r.recording = false
		switch {
		case r.app.rollout != r: // it was aborted meanwhile
		case err == nil:
			r.app.state = state
			o.step(r, to)
		case to == StepUndo || to == StepPaused: // from memory: the next supd would undo it too
			o.log.Error("rollout step is not in the journal", "app", r.app.name, "step", to, "error", err)
			o.step(r, to)
		default:
			o.fault(r, nil, fmt.Sprintf("cannot be journaled: %s; make room and deploy again", err))
		}
	})
}

// step begins what was journaled.
func (o *owner) step(r *rollout, to Step) {
	o.log.Info("rollout step", "app", r.app.name, "id", r.status.ID, "step", to)
	r.status.Step = to
	switch to {
	case StepSmoke:
		o.startCandidate(r)
	case StepBake:
		r.deadline = time.Now().Add(r.app.config.Rollout.Bake)
		if r.app.config.Rollout.Bake > 0 {
			r.say(nil, 0, fmt.Sprintf("all workers are replaced, watching them for %s", r.app.config.Rollout.Bake))
		}
	case StepUndo:
		o.startUndo(r)
	case StepPaused:
		r.say(nil, 0, fmt.Sprintf("paused: `supctl deploy %s --resume` goes on, `supctl rollback %s` undoes it", r.app.name, r.app.name))
	}
}

// record is the rollout as the journal has it.
func (r *rollout) record(step Step) *release.Rollout {
	return &release.Rollout{ID: r.status.ID, Kind: r.status.Kind, From: r.status.From, To: r.status.To,
		Step: string(step), By: r.status.By, At: r.status.StartedAt, Reason: r.status.Reason, Place: placeOf(r.target.release)}
}

func placeOf(v *configs.Version) *release.Place {
	if v == nil {
		return nil
	}
	return &release.Place{Path: v.Path, Files: v.Files}
}

// roll brings the rollout of each app as far as it goes now.
func (o *owner) roll(now time.Time) {
	for _, a := range o.apps {
		r := a.rollout
		if r == nil || r.recording || r.ending || o.quitting {
			continue
		}
		switch r.status.Step {
		case StepSmoke:
			o.smoke(r)
		case StepReplace:
			o.replaceAll(r, now)
		case StepBake:
			o.bake(r, now)
		case StepUndo:
			o.undo(r, now)
		}
	}
}

// replaceAll moves slot after slot to the new release.
func (o *owner) replaceAll(r *rollout, now time.Time) {
	done := true
	for _, t := range r.turns {
		if t.to == nil {
			continue // it goes when all is well
		}
		if !t.begun && !r.mayBegin(t) {
			done = false
			o.wake(now.Add(drainPatience)) // or as soon as something happens
			continue
		}
		done = o.move(r, t, now) && done
	}
	if done {
		o.enter(r, StepBake)
	}
}

// mayBegin tells whether the processes that t comes after are replaced, but for
// old workers that still drain.
func (r *rollout) mayBegin(t *turn) bool {
	for _, other := range r.turns {
		if other.to != nil && slices.Contains(t.config.After, other.process.name) && !other.isFar() {
			return false
		}
	}
	return true
}

// isFar tells whether every slot runs the new release, or waits for nothing but
// the end of workers that drain.
func (t *turn) isFar() bool {
	if !t.begun {
		return false
	}
	waiting, drains, now := false, false, time.Now()
	for _, s := range t.process.slots {
		switch {
		case !s.up:
		case s.edition != t.to:
			waiting = true
		case !s.fulfilled():
			return false
		}
		drains = drains || slices.ContainsFunc(s.workers, func(w *worker) bool { return w.drainsLong(now) })
	}
	return !waiting || drains
}

// drainPatience is how long those that come after a process wait for its old
// workers to end, before they are replaced without it.
const drainPatience = 10 * time.Second

func (w *worker) drainsLong(now time.Time) bool {
	return w.state == Stopping && w.draining && now.Sub(w.stopped) >= drainPatience
}

// fulfilled tells that the slot's worker of the wished edition is ready, or has
// done its work.
func (s *slot) fulfilled() bool {
	if w := s.fresh(); w != nil {
		return w.state == Running
	}
	return s.done && s.lastClean && len(s.workers) == 0
}

// move brings the slots of one process on, and tells whether all have arrived and
// have been ready for min_ready.
func (o *owner) move(r *rollout, t *turn, now time.Time) (arrived bool) {
	p := t.process
	if !t.begun {
		o.startTurn(r, t)
	}
	arrived = true
	for _, s := range p.slots {
		if s.edition != t.to && o.mayMove(s, t.to, now) {
			if !s.up {
				r.say(s, 0, "is stopped, and stays so")
			}
			o.moveSlot(s, t.to)
		}
		switch w := s.fresh(); {
		case !s.up && s.edition == t.to:
		case s.edition != t.to || !s.fulfilled():
			arrived = false
		case w != nil:
			if at := w.ready.Add(r.app.config.Rollout.MinReady); at.After(now) {
				o.wake(at)
				arrived = false
			}
		}
	}
	return arrived
}

// startTurn makes the slots that only the new release has.
func (o *owner) startTurn(r *rollout, t *turn) {
	t.begun = true
	p := t.process
	if p.edition == nil || t.from == nil {
		p.edition = t.to
	}
	up := p.wished() || len(p.slots) == 0 && t.config.Autostart
	for n := len(p.slots); n < t.config.Count; n++ {
		s := &slot{process: p, number: n + 1, edition: t.to, generation: p.counted[n+1]}
		if up {
			s.wish()
		}
		p.slots = append(p.slots, s)
	}
}

// mayMove tells whether the slot's turn has come.
func (o *owner) mayMove(s *slot, to *edition, now time.Time) bool {
	live := slices.ContainsFunc(s.workers, (*worker).live)
	if s.up && live && s.alone() {
		return s.mayStopFirst(to)
	}
	return !s.up || !live || to == nil || !s.process.isMoving(to) && o.maySurge(s, to, now)
}

// isMoving tells whether a slot that was moved has not launched its worker yet.
func (p *process) isMoving(to *edition) bool {
	return slices.ContainsFunc(p.slots, func(s *slot) bool {
		return s.up && s.edition == to && s.fresh() == nil && s.hasOlder()
	})
}

// moveSlot wishes for another edition in a slot. What had ended there for good
// runs once more: it is another program.
func (o *owner) moveSlot(s *slot, to *edition) {
	s.edition = to
	s.retryNow()
}

// bake waits, and makes the new release the active one.
func (o *owner) bake(r *rollout, now time.Time) {
	if r.deadline.After(now) {
		o.wake(r.deadline)
		return
	}
	o.end(r)
}

// configOf finds a process of an app, or nil.
func configOf(a *configs.App, name string) *configs.Process {
	for i := range a.Processes {
		if a.Processes[i].Name == name {
			return &a.Processes[i]
		}
	}
	return nil
}

// say adds to what is shown of the rollout. s is nil for what concerns all.
func (r *rollout) say(s *slot, pid int, message string) {
	p := Progress{At: time.Now(), Step: r.status.Step, Pid: pid, Message: message}
	if s != nil {
		p.Worker = s.name()
	}
	r.status.Progress = append(r.status.Progress, p)
}
