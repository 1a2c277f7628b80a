package supervisor

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop"
)

// waiter is a Request whose end somebody waits for.
type waiter struct {
	request  Request
	rollout  *rollout // whose end is waited for; nil: that of the slots
	after    func()   // before the answer; may be nil
	slots    []*slot
	before   map[*slot]before
	outcomes map[*slot]Outcome
	deadline time.Time
	reply    chan<- *Result // with room for the one answer
}

// before is what a slot was like when the request came.
type before struct {
	edition  int // number of the one that the request wishes for
	failures int
	already  bool // so, as was asked for
}

// do is the event of a Request.
func (o *owner) do(r Request, reply chan<- *Result) {
	if r.Action == ActionShutdown {
		o.log.Info("request", "action", r.Action, "by", r.By)
		o.quit()
		o.wait(r, nil, reply)
		return
	}
	slots, err := o.resolve(r.Targets)
	if err != nil {
		reply <- &Result{Code: CodeNoTarget, Error: err.Error()}
		return
	}
	o.log.Info("request", "action", r.Action, "targets", r.Targets, "by", r.By)
	if o.quitting {
		reply <- &Result{Code: CodeFailed, Error: "supd is stopping"}
		return
	}
	if r.Action == ActionSignal {
		reply <- o.signalAll(r, slots)
		return
	}
	if r.Action == ActionRestart {
		for _, s := range slots {
			if other := s.process.app.rollout; other != nil {
				reply <- refuse(CodeFailed, "%s", busy(s.process.app.name, &other.status))
				return
			}
		}
	}
	o.wait(r, slots, reply)
}

// wait changes the slots' wishes and remembers who waits for them.
func (o *owner) wait(r Request, slots []*slot, reply chan<- *Result) {
	w := &waiter{request: r, slots: slots, before: map[*slot]before{}, outcomes: map[*slot]Outcome{}, reply: reply}
	if r.Timeout > 0 {
		w.deadline = time.Now().Add(r.Timeout)
	}
	made := map[*edition]*edition{}
	for _, s := range slots {
		b := before{failures: s.failures}
		switch r.Action {
		case ActionStart:
			b.already = s.up && s.ready()
			if !s.up || !s.ready() {
				s.startWish()
			}
		case ActionStop:
			b.already = !s.up && s.idle()
			s.up = false
		case ActionRestart:
			o.restart(s, made, r.Hard)
		}
		b.edition = number(s.edition)
		w.before[s] = b
	}
	o.waiters = append(o.waiters, w)
}

// startWish wishes for the slot; a start that is under way goes on.
func (s *slot) startWish() {
	if !s.up {
		s.wish()
		return
	}
	s.retryNow()
}

// restart wishes for a new worker: beside the old one, or after it.
func (o *owner) restart(s *slot, made map[*edition]*edition, hard bool) {
	if s.edition != nil {
		s.edition = o.anew(s.process, s.edition, made)
	}
	if !s.up {
		s.wish()
	}
	s.retryNow()
	if !hard {
		return
	}
	for _, w := range s.workers {
		o.stop(w, "hard restart", false)
	}
}

// resolve finds the slots that targets name; each has to name one at least.
func (o *owner) resolve(targets []string) (slots []*slot, err error) {
	seen := map[*slot]bool{}
	for _, text := range targets {
		t, err := ParseTarget(text)
		if err != nil {
			return nil, err
		}
		found := false
		o.eachSlot(func(s *slot) {
			if s.removed || !t.Matches(s.process.app.name, s.process.name, s.number) {
				return
			}
			found = true
			if !seen[s] {
				seen[s] = true
				slots = append(slots, s)
			}
		})
		if !found {
			return nil, fmt.Errorf("no worker matches %q", text)
		}
	}
	return slots, nil
}

// signalAll sends the signal to the main process of each worker that has one.
func (o *owner) signalAll(r Request, slots []*slot) *Result {
	sig, err := privdrop.ParseSignal(r.Signal)
	if err != nil {
		return &Result{Code: CodeUsage, Error: err.Error()}
	}
	result := &Result{}
	for _, s := range slots {
		result.add(o.signal(s, sig))
	}
	return result
}

func (o *owner) signal(s *slot, sig unix.Signal) Outcome {
	w := s.serving()
	if w == nil || w.handle == nil {
		return Outcome{s.name(), CodeNotRunning, "not running"}
	}
	if err := o.send(w, sig); err != nil {
		return Outcome{s.name(), CodeFailed, err.Error()}
	}
	return Outcome{s.name(), CodeDone, fmt.Sprintf("sent %s to pid %d", privdrop.SignalName(sig), w.pid())}
}

func (r *Result) add(o Outcome) {
	r.Outcomes = append(r.Outcomes, o)
	r.Code = max(r.Code, o.Code)
}

// answer replies to the waiters whose slots are all decided, or whose time is up.
func (o *owner) answer(now time.Time) {
	waiting := o.waiters[:0]
	for _, w := range o.waiters {
		if o.decided(w, now) {
			if w.after != nil {
				w.after()
			}
			w.reply <- w.result()
			continue
		}
		o.wake(w.deadline)
		waiting = append(waiting, w)
	}
	clear(o.waiters[len(waiting):])
	o.waiters = waiting
}

func (o *owner) decided(w *waiter, now time.Time) bool {
	late := !w.deadline.IsZero() && !w.deadline.After(now)
	if w.request.Action == ActionShutdown {
		return o.idle() || late
	}
	if w.rollout != nil {
		return w.rollout.isOver() || late || o.quitting
	}
	for _, s := range w.slots {
		if _, done := w.outcomes[s]; done {
			continue
		}
		outcome, done := w.outcome(s, w.before[s])
		if !done && late {
			outcome, done = Outcome{s.name(), CodeTimeout, "still " + string(s.state(now))}, true
		}
		if done {
			w.outcomes[s] = outcome
		}
	}
	return len(w.outcomes) == len(w.slots)
}

// outcome tells what has come of the request for one slot, if that is known.
func (w *waiter) outcome(s *slot, b before) (Outcome, bool) {
	done := func(code int, message string) (Outcome, bool) { return Outcome{s.name(), code, message}, true }
	if w.request.Action == ActionStop {
		return w.stopOutcome(s, b, done)
	}
	switch {
	case !s.up:
		return done(CodeFailed, "a stop was asked for meanwhile")
	case b.already:
		return done(CodeDone, "already running")
	case s.edition == nil:
		return done(CodeFailed, fmt.Sprintf("no release is active; `supctl deploy %s` comes first", s.process.app.name))
	case number(s.edition) < b.edition:
		why := "another worker of the process was not started"
		if s.failures > b.failures {
			why = s.trouble
		}
		return done(CodeNotStarted, why+"; the old worker goes on")
	case s.done && s.lastClean && len(s.workers) == 0:
		return done(CodeDone, "finished: "+s.lastExit.Reason)
	case s.failures > b.failures:
		return done(CodeNotStarted, s.trouble)
	case s.done && len(s.workers) == 0:
		return done(CodeNotStarted, s.lastExit.Reason)
	case !s.ready() || s.fresh() == nil || len(s.workers) > 1 && w.request.Action == ActionRestart:
		return Outcome{}, false
	case w.request.Action == ActionRestart:
		return done(CodeDone, fmt.Sprintf("restarted, pid %d", s.fresh().pid()))
	default:
		return done(CodeDone, fmt.Sprintf("started, pid %d", s.fresh().pid()))
	}
}

func (w *waiter) stopOutcome(s *slot, b before, done func(int, string) (Outcome, bool)) (Outcome, bool) {
	switch {
	case s.up:
		return done(CodeFailed, "a start was asked for meanwhile")
	case !s.idle():
		return Outcome{}, false
	case b.already:
		return done(CodeDone, "already stopped")
	case s.lastExit == nil:
		return done(CodeDone, "stopped")
	default:
		return done(CodeDone, "stopped, "+s.lastExit.Reason)
	}
}

func (w *waiter) result() *Result {
	if w.rollout != nil {
		return w.outcomeOf()
	}
	r := &Result{}
	for _, s := range w.slots {
		r.add(w.outcomes[s])
	}
	return r
}
