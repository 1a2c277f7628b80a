package engine

import (
	"slices"
	"time"

	"supd/configs"
	"supd/supervisor/measure"
)

var repairBackoff = configs.Backoff{Initial: 100 * time.Millisecond, Max: 30 * time.Second, Factor: 2, Reset: 10 * time.Second}

// Damaged is the event of a socket that a worker has shut down or unlinked.
func (o *Owner) Damaged(d Damage) {
	r := o.repairs[d.Key]
	if r == nil {
		r = &repair{}
		o.repairs[d.Key] = r
	}
	if r.pending && (r.damage.ShutDown || !d.ShutDown) {
		return // binding anew mends a missing path too
	}
	now := time.Now()
	wait := nextDelay(&r.inARow, repairBackoff, now.Sub(r.last), true)
	r.damage, r.pending, r.at = d, true, now.Add(wait)
	o.log.Error("socket damaged by a process that holds it", "socket", d.Key, "damage", d.Kind, "repair_in", wait)
}

// repair mends the sockets whose time has come.
func (o *Owner) repair(now time.Time) {
	for key, r := range o.repairs {
		switch {
		case !r.pending || r.asked:
		case r.at.After(now):
			o.wake(r.at)
		default:
			r.asked = true
			o.host.Sockets.Reach(key, func(err error) {
				o.Post(func(o *Owner) { o.reached(key, r, err) })
			})
		}
	}
}

func (o *Owner) reached(key string, r *repair, err error) {
	if r.asked = false; o.repairs[key] == r && r.pending {
		o.mend(key, r, err, time.Now())
	}
}

func (o *Owner) mend(key string, r *repair, err error, now time.Time) {
	another := false
	if err == nil {
		another, err = o.host.Sockets.Repair(r.damage)
	}
	if err != nil {
		r.at = now.Add(nextDelay(&r.inARow, repairBackoff, 0, false))
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
func (o *Owner) replaceUsers(key string) {
	for _, a := range o.apps {
		for _, p := range a.processes {
			if slices.Contains(p.socketKeys(), key) {
				o.renewSame(p)
				o.touchAll(p.slots)
			}
		}
	}
}

// renewSame replaces every worker of a process by a new one of the same release.
func (o *Owner) renewSame(p *process) {
	made := map[*revision]*revision{}
	for _, s := range p.slots {
		if s.revision != nil {
			s.revision = o.anew(p, s.revision, made)
			s.Cause = measure.Config
		}
	}
}

// anew gives the revision that follows another in the same shape; made remembers
// those that were made already.
func (o *Owner) anew(p *process, e *revision, made map[*revision]*revision) *revision {
	if made[e] == nil {
		again := o.numbered(p, e.Revision)
		again.applied = e.applied
		made[e], made[again] = again, again
		if p.revision == e {
			p.revision = again
		}
	}
	return made[e]
}
