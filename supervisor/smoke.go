package supervisor

import (
	"fmt"
	"time"
)

// candidateSlot is the number that a smoke test's worker has.
const candidateSlot = 0

// candidateStop is the longest that it may take to stop: it serves nobody. gunicorn
// waits for its graceful timeout when a TERM reaches a child that is only starting.
const candidateStop = 3 * time.Second

// startCandidate launches one worker of the new release that no request can
// reach: each of its sockets is a private one in the place of the shared.
func (o *owner) startCandidate(r *rollout) {
	c := r.target.config.SmokeProcess()
	for _, t := range r.turns {
		if t.config != c {
			continue
		}
		p := t.process
		r.candidate = &slot{process: p, number: candidateSlot, edition: t.to, up: true, generation: p.counted[candidateSlot]}
		r.say(r.candidate, 0, "candidate, on private sockets")
		return
	}
}

// smoke brings the test on: the candidate gets ready, is asked, and is stopped.
func (o *owner) smoke(r *rollout) {
	s := r.candidate
	w := s.fresh()
	switch {
	case s.up && w != nil && w.state == Running && !r.asked:
		r.asked = true
		o.kernel.smoke(w, r.app.config.Rollout.Smoke)
	case s.up && s.done:
		o.fault(r, nil, s.name()+": "+s.lastExit.Reason+" before it was asked")
	case !s.up && s.idle() && !r.passed: // it is an earlier supd's
		s.process.counted[candidateSlot] = s.generation
		o.startCandidate(r)
	case !s.up && s.idle():
		s.process.counted[candidateSlot] = s.generation
		r.candidate = nil
		o.enter(r, StepReplace)
	}
}

// smoked is the event of the answer that a candidate has given.
func (o *owner) smoked(w *worker, err error) {
	r := w.slot.process.app.rollout
	if !r.targets(w) {
		return
	}
	path := r.app.config.Rollout.Smoke
	if err != nil {
		o.fault(r, w, fmt.Sprintf("GET %s: %s", path, err))
		return
	}
	r.passed = true
	r.say(w.slot, w.pid(), "GET "+path+" is well")
	o.stopCandidate(r)
}

// stopCandidate ends the smoke test's worker, if there is one.
func (o *owner) stopCandidate(r *rollout) {
	if r.candidate != nil {
		r.candidate.up = false
	}
}

// private tells that a worker must not be reached by requests.
func (w *worker) private() bool { return w.slot.number == candidateSlot }
