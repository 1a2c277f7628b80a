package engine

import (
	"math"
	"slices"

	"supd/supervisor/record"
)

// share is what a slot adds to the counts of its process.
type share struct {
	up      bool // a worker is desired
	awaited bool // and is there, or will be tried
	unready bool // and is neither ready nor has done its work
	busy    bool // something of it runs, or is searched for
	surplus int  // workers beyond the first
	healing bool // an unhealthy worker gets another one beside it

	revision *revision
	moving   bool // has a worker of an older revision, and none of this one
	between  bool // has no older worker any more, and the new one is not ready yet
}

func (s *slot) share() share {
	fresh := s.fresh()
	older := s.hasOlder()
	return share{up: s.Up, awaited: s.isAwaited(), unready: s.Up && !s.ready() && !(s.Done && s.LastClean), busy: !s.idle(),
		surplus: max(0, len(s.workers)-1), healing: fresh != nil && s.isIll(), revision: s.revision,
		moving: s.Up && fresh == nil && older, between: s.Up && !s.fulfilled() && len(s.stale()) == 0}
}

// counts are of the slots of a process, so that nobody has to look at each.
type counts struct {
	desired, awaited, unready, busy, surplus, healing int
	moving, between                                   map[*revision]int
}

func (c *counts) add(s share, sign int) {
	c.desired += sign * one(s.up)
	c.awaited += sign * one(s.awaited)
	c.unready += sign * one(s.unready)
	c.busy += sign * one(s.busy)
	c.surplus += sign * s.surplus
	c.healing += sign * one(s.healing)
	addTo(&c.moving, s.revision, sign*one(s.moving))
	addTo(&c.between, s.revision, sign*one(s.between))
}

func addTo(m *map[*revision]int, r *revision, n int) {
	if n == 0 {
		return
	}
	if *m == nil {
		*m = map[*revision]int{}
	}
	if (*m)[r] += n; (*m)[r] == 0 {
		delete(*m, r)
	}
	if len(*m) == 0 { // as of nearly all processes, nearly always
		*m = nil
	}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// count takes a slot that has changed into the counts of its process, and touches
// those that have waited for such a change.
func (o *Owner) count(s *slot) {
	was, now := s.counted, s.share()
	if was == now {
		return
	}
	s.counted = now
	o.changed(s)
	o.busy += one(now.busy) - one(was.busy)
	if s.number == record.Candidate {
		return
	}
	p := s.process
	ready, desired, idle := p.ready(), p.desired > 0, p.busy == 0
	p.counts.add(was, -1)
	p.counts.add(now, 1)
	if was.awaited != now.awaited || was.busy != now.busy {
		o.stir(p.app)
	}
	if p.ready() != ready || p.desired > 0 != desired {
		for _, other := range p.dependents() {
			o.unpark(&other.gated, parkedForStart, math.MaxInt)
		}
	}
	if p.busy == 0 != idle || p.desired > 0 != desired {
		for _, other := range p.comesAfter() {
			o.unpark(&other.stopping, parkedForStop, math.MaxInt)
		}
	}
	if p.full = false; len(p.crowded) > 0 && !slices.Contains(o.roomy, p) {
		o.roomy = append(o.roomy, p)
	}
}

// offerRoom touches the next slot that is parked for room, in each process where that
// may have become free. A slot that does not take the room leaves it to the next.
func (o *Owner) offerRoom() {
	o.roomy = slices.DeleteFunc(o.roomy, func(p *process) bool { return p.full || len(p.crowded) == 0 })
	for _, p := range o.roomy {
		o.unpark(&p.crowded, parkedForRoom, 1)
	}
}

// waitForRoom parks a slot that its process has no room for.
func (s *slot) waitForRoom() {
	s.process.full = true
	park(&s.process.crowded, s, parkedForRoom)
}
