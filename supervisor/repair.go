package supervisor

import (
	"slices"
	"time"

	"supd/configs"
	"supd/socket"
)

// repair is a damaged socket that waits to be mended, at once the first time and
// with growing delays when it is damaged again and again.
type repair struct {
	damage  socket.Damage
	pending bool
	at      time.Time
	last    time.Time // repaired
	limiter limiter
}

var repairBackoff = configs.Backoff{Initial: 100 * time.Millisecond, Max: 30 * time.Second, Factor: 2, Reset: 10 * time.Second}

// damaged is the event of a socket that a worker has shut down or unlinked.
func (o *owner) damaged(d socket.Damage) {
	r := o.repairs[d.Key]
	if r == nil {
		r = &repair{}
		o.repairs[d.Key] = r
	}
	if r.pending && (r.damage.Kind == socket.ShutDown || r.damage.Kind == d.Kind) {
		return // binding anew mends a missing path too
	}
	now := time.Now()
	wait := r.limiter.next(repairBackoff, now.Sub(r.last), true)
	r.damage, r.pending, r.at = d, true, now.Add(wait)
	o.log.Error("socket damaged by a process that holds it", "socket", d.Key, "damage", d.Kind, "repair_in", wait)
}

// repair mends the sockets whose time has come.
func (o *owner) repair(now time.Time) {
	for key, r := range o.repairs {
		switch {
		case !r.pending:
		case r.at.After(now):
			o.wake(r.at)
		default:
			o.mend(key, r, now)
		}
	}
}

func (o *owner) mend(key string, r *repair, now time.Time) {
	another, err := o.kernel.repair(r.damage)
	if err != nil {
		r.at = now.Add(r.limiter.next(repairBackoff, 0, false))
		o.wake(r.at)
		o.log.Error("socket not repaired, trying again", "socket", key, "error", err)
		return
	}
	r.pending, r.last = false, now
	o.log.Warn("socket repaired", "socket", key, "damage", r.damage.Kind)
	if another {
		o.replaceUsers(key)
	}
}

// replaceUsers replaces the workers that hold a socket which is no more.
func (o *owner) replaceUsers(key string) {
	for _, a := range o.apps {
		for _, p := range a.processes {
			if slices.Contains(p.socketKeys(), key) {
				o.renewSame(p)
			}
		}
	}
	o.unsettled = true
}

// renewSame makes new workers of what runs already the wish in every slot, each
// of the release that it has.
func (o *owner) renewSame(p *process) {
	made := map[*edition]*edition{}
	for _, s := range p.slots {
		if s.edition != nil {
			s.edition = o.anew(p, s.edition, made)
		}
	}
}

// anew gives the edition that follows another in the same shape; made remembers
// those that were made already.
func (o *owner) anew(p *process, e *edition, made map[*edition]*edition) *edition {
	if made[e] == nil {
		made[e] = o.numbered(*e)
		if p.edition == e {
			p.edition = made[e]
		}
	}
	return made[e]
}
