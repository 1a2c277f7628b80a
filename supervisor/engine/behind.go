package engine

import (
	"reflect"
	"slices"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/measure"
	"supd/supervisor/record"
)

// What runs may be behind what is configured: the workers that were to take the place
// of those that run have failed, or cannot even be started, and the old ones go on.
// That is shown until it is over. An apply and a restart try once more what is
// configured, and so does the start of a slot that has no worker; nothing else does.

// isBehind reports whether the slot runs, or would run, something else than what is
// configured. What a rollout does to it is another matter.
func (s *slot) isBehind() bool {
	p, r := s.process, s.revision
	switch {
	case s.removed || r == nil || r.Recorded:
		return false
	case p.holdup() != nil:
		return p.config != nil && (!record.SameLaunch(p.config, r.Config) || p.wantedAddresses() != r.addresses)
	}
	return p.revision != nil && !p.revision.isLike(r)
}

// wantedAddresses are where the process is to accept connections, be it possible or not.
func (p *process) wantedAddresses() string {
	all := map[string]configs.Socket{}
	for _, s := range p.app.config.Sockets {
		all[SocketKey(p.app.name, s.Name)] = s
	}
	return addressesIn(all, p.app.name, p.config.Sockets)
}

// behind is what is shown of a slot that isBehind; nil of all others.
func (s *slot) behind() *api.Behind {
	p := s.process
	if !s.Up || p.app.rollout != nil || !s.isBehind() {
		return nil
	}
	b := &api.Behind{Why: p.failed}
	if why := p.holdup(); why != nil {
		b.Why = sentence(why)
	}
	if at := s.revision.applied; !at.IsZero() {
		b.AppliedAt = &at
	}
	return b
}

// isBarred reports whether what is configured cannot be started in the place of what
// runs.
func (s *slot) isBarred() bool {
	return s.isHeld() || s.process.holdup() != nil && s.isBehind()
}

// tryAgain replaces once more what is behind.
func (o *Owner) tryAgain(a *app) {
	for _, p := range a.processes {
		if p.holdup() != nil || !slices.ContainsFunc(p.slots, (*slot).isBehind) {
			continue
		}
		o.log.Info("what is configured is tried once more", "process", p.fullName())
		made := map[*revision]*revision{}
		for _, s := range p.slots {
			if s.isBehind() {
				s.revision, s.Cause = o.anew(p, p.revision, made), measure.Config
				o.touch(s)
			}
		}
		p.retryAll()
	}
}

// configured is what a slot is to run that gets a new worker because somebody asks for
// it.
func (s *slot) configured() *revision {
	if s.isBehind() && s.process.holdup() == nil {
		return s.process.revision
	}
	return s.revision
}

// runs is what a rollout comes from, and goes back to: of a process that is behind what
// its workers run, which is known to serve.
func (p *process) runs() *revision {
	for _, s := range p.slots {
		if s.Up && s.isBehind() {
			return s.revision
		}
	}
	return p.revision
}

// treat tells a worker that how it is treated has changed: what it is asked, and where
// its output goes. One that is being launched is told when that is done.
func (o *Owner) treat(w *worker, was *revision) {
	before, now := was.Config, w.revision.Config
	if !w.isUntold && before.Log == now.Log && reflect.DeepEqual(before.Health, now.Health) {
		return
	}
	if w.isUntold = w.handle == nil; w.isUntold {
		return
	}
	w.unwell = 0
	w.revision.Program.Treat(o.launchOf(w), w.handle)
	if w.config.Watchdog == 0 && !reflect.DeepEqual(before.Health, now.Health) { // else it may be ill by that
		o.recovered(w, "its health is another question now")
	}
	switch w.State {
	case api.Running, api.Unhealthy:
		w.observer.Watch(false)
	case api.Starting, api.Stopping, api.Exited:
	}
}
