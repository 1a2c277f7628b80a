package engine

import (
	"slices"
	"strings"

	"supd/configs"
	"supd/supervisor/api"
)

// app finds an app, or adds it.
func (o *Owner) app(name string) *app {
	if a := o.findApp(name); a != nil {
		return a
	}
	a := &app{name: name, named: map[string]*process{}, lasting: o.lasting, shut: o.shut}
	o.apps = append(o.apps, a)
	return a
}

func (o *Owner) findApp(name string) *app {
	for _, a := range o.apps {
		if a.name == name {
			return a
		}
	}
	return nil
}

// process finds a process, or adds it.
func (a *app) process(name string) *process {
	if p := a.named[name]; p != nil {
		return p
	}
	p := &process{app: a, name: name, launched: map[int]int{}}
	a.processes = append(a.processes, p)
	a.named[name] = p
	return p
}

// keepOnly stops the processes that c, which may be nil, does not have.
func (a *app) keepOnly(c *configs.App) {
	for _, p := range a.processes {
		if c == nil || c.Process(p.name) == nil {
			p.removed = true // one that comes back is seen to by applyProcess
			p.resize(false)
		}
	}
}

func (o *Owner) eachSlot(do func(*slot)) {
	for _, a := range o.apps {
		for _, p := range a.processes {
			for _, s := range p.slots {
				do(s)
			}
		}
		if a.rollout != nil && a.rollout.candidate != nil {
			do(a.rollout.candidate)
		}
	}
	for _, s := range o.lateCandidates {
		do(s)
	}
}

func (p *process) fullName() string { return p.app.name + "/" + p.name }

func byName(a, b *process) int { return strings.Compare(a.name, b.name) }

// isDesired reports whether any slot is desired, also where that is not counted yet.
func (p *process) isDesired() bool {
	return slices.ContainsFunc(p.slots, func(s *slot) bool { return !s.rests() })
}

// ready reports whether every desired slot is ready, or has done its work (a
// process with restart = "never" that exited well).
func (c *counts) ready() bool { return c.unready == 0 }

// comesAfter are the processes that have to be ready before p starts.
func (p *process) comesAfter() (all []*process) {
	for _, name := range p.config.After {
		if before := p.app.named[name]; before != nil {
			all = append(all, before)
		}
	}
	return all
}

// dependents are the processes that come after p.
func (p *process) dependents() []*process {
	a := p.app
	if a.dependents == nil {
		a.dependents = map[*process][]*process{}
		for _, other := range a.processes {
			for _, before := range other.comesAfter() {
				a.dependents[before] = append(a.dependents[before], other)
			}
		}
	}
	return a.dependents[p]
}

// resize makes slots up to the wanted count, and marks those above as gone.
func (p *process) resize(up bool) {
	count := p.wanted(p.config)
	for n := len(p.slots); n < count; n++ {
		p.addSlot(n+1, p.revision, up)
	}
	for i, s := range p.slots {
		was := s.removed
		s.removed = p.removed || i >= count
		switch {
		case s.removed:
			s.Up = false
		case was && up: // it is back before its last worker was gone
			s.revision = p.revision
			s.want()
		}
	}
}

// addSlot makes the slot of a number, which is the next one.
func (p *process) addSlot(number int, r *revision, up bool) {
	s := p.newSlot(number, r)
	if up {
		s.want()
	}
	p.slots = append(p.slots, s)
}

func (p *process) newSlot(number int, r *revision) *slot {
	s := &slot{process: p, number: number, revision: r, label: api.WorkerName(p.app.name, p.name, number)}
	s.Generation = p.launched[number]
	return s
}

// wantAll asks for a worker in every slot.
func (p *process) wantAll() {
	for _, s := range p.slots {
		if !s.removed {
			s.want()
		}
	}
}

// retryAll starts at once what waits to be started again.
func (p *process) retryAll() {
	for _, s := range p.slots {
		if len(s.workers) == 0 && s.Up && !s.Done {
			s.retryNow()
		}
	}
}

// surge is how many workers there may be beyond the count while replacing.
func (p *process) surge() int {
	s := p.app.config.Rollout.Surge
	return max(1, s.Workers, len(p.slots)*s.Percent/100)
}

// socketKeys are the keys of the process's sockets.
func (p *process) socketKeys() []string {
	keys := make([]string, len(p.config.Sockets))
	for i, name := range p.config.Sockets {
		keys[i] = SocketKey(p.app.name, name)
	}
	return keys
}

// SocketKey names a socket among those of all apps.
func SocketKey(app, name string) string { return app + "/" + name }
