package engine

import (
	"reflect"

	"supd/supervisor/measure"
	"supd/supervisor/record"
)

// version is that of the release, "" without one.
func (e *revision) version() string {
	if e == nil || e.Release == nil {
		return ""
	}
	return e.Release.Name
}

// number is that of an revision that may be missing.
func number(e *revision) int {
	if e == nil {
		return 0
	}
	return e.number
}

// differs reports whether a worker of b would feel that it is none of a.
func (a *Revision) differs(b *Revision) bool {
	return a.Key != b.Key || !record.SameLaunch(a.Config, b.Config) || !reflect.DeepEqual(a.Release, b.Release)
}

// renew makes r, numbered anew, what every slot of a process is desired to run.
func (o *Owner) renew(p *process, r Revision) {
	p.revision = o.numbered(r)
	for _, s := range p.slots {
		s.revision, s.Cause = p.revision, measure.Config
	}
}

// numbered makes a revision of its own, newer than all others.
func (o *Owner) numbered(r Revision) *revision {
	o.revisions++
	return &revision{r, o.revisions}
}

// exchange puts r in the place of a revision from which workers of r would not
// differ: it only says otherwise how they are treated.
func (p *process) exchange(old *revision, r Revision) {
	now := &revision{r, old.number}
	if p.revision == old {
		p.revision = now
	}
	for _, s := range p.slots {
		if s.revision == old {
			s.revision = now
		}
		for _, w := range s.workers {
			if w.revision == old {
				w.revision = now
			}
		}
	}
}
