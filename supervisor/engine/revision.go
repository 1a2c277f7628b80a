package engine

import (
	"reflect"
	"strings"
	"time"

	"supd/configs"
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

// isLike reports whether a worker of one feels no difference to one of the other.
func (e *revision) isLike(other *revision) bool {
	return e == other || !e.Recorded && !other.Recorded && e.addresses == other.addresses && !e.differs(&other.Revision)
}

// renew makes r, numbered anew, what every slot of a process is desired to run. A worker
// of the like, as where another one was about to take its place, is what is desired.
func (o *Owner) renew(p *process, r Revision) {
	next, like := o.numbered(p, r), map[*revision]bool{}
	p.revision, p.failed = next, ""
	for _, s := range p.slots {
		s.revision, s.Cause = next, measure.Config
		for _, w := range s.workers {
			was := w.revision
			if _, known := like[was]; !known {
				like[was] = next.isLike(was)
			}
			if like[was] {
				w.revision, w.config, s.Cause = next, r.Config, ""
				o.treat(w, was)
			}
		}
	}
}

// numbered makes a revision of its own, newer than all others, of what is configured
// now.
func (o *Owner) numbered(p *process, r Revision) *revision {
	o.revisions++
	return &revision{r, o.revisions, time.Now(), p.app.addresses(r.Config.Sockets)}
}

// addresses are where sockets of the app listen.
func (a *app) addresses(names []string) string { return addressesIn(a.sockets, a.name, names) }

func addressesIn(sockets map[string]configs.Socket, app string, names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = sockets[SocketKey(app, name)].Listen
	}
	return strings.Join(all, " ")
}

// exchange puts r in the place of the revisions from which workers of r would not
// differ: it only says otherwise how they are treated.
func (o *Owner) exchange(p *process, r Revision) {
	made := map[*revision]*revision{}
	now := func(old *revision) *revision {
		if old == nil || old.Recorded || made[old] == nil && old.differs(&r) {
			return old
		}
		if made[old] == nil {
			made[old] = &revision{r, old.number, old.applied, old.addresses}
		}
		return made[old]
	}
	p.revision, p.newestOf = now(p.revision), now(p.newestOf)
	for _, s := range p.slots {
		s.revision = now(s.revision)
		for _, w := range s.workers {
			if was := w.revision; now(was) != was {
				w.revision, w.config = now(was), r.Config
				o.treat(w, was)
			}
		}
	}
}
