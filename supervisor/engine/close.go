package engine

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"supd/configs"
)

// A socket with when_stopped = "refuse" is open while somebody is to serve it: who
// connects is never kept waiting for workers that nobody wants. It is bound before the
// first worker is launched, and closed as soon as no worker is wished for. Where supd ends
// it is left as it is: what stops then is wished for again with the next.

// isAwaited reports whether somebody wants the slot to have a worker, and the slot has one
// or goes on trying.
func (s *slot) isAwaited() bool {
	return s.Up && (s.revision != nil || s.isHeld()) && (len(s.workers) > 0 || !s.Done && !s.GaveUp)
}

// isShut reports whether the slot's worker would have a socket that is closed.
func (s *slot) isShut() bool {
	a := s.process.app
	return a.closes && s.process.config != nil && slices.ContainsFunc(s.process.config.Sockets, func(name string) bool { return a.shut[SocketKey(a.name, name)] })
}

// closes reports whether an app has a socket that is closed while nobody serves it.
func closes(sockets map[string]configs.Socket) bool {
	for _, s := range sockets {
		if s.Closes() {
			return true
		}
	}
	return false
}

// has reports whether a process with that socket is in a state.
func (a *app) has(socket string, in func(*process) bool) bool {
	_, name, _ := strings.Cut(socket, "/")
	return slices.ContainsFunc(a.processes, func(p *process) bool {
		return p.config != nil && slices.Contains(p.config.Sockets, name) && in(p)
	})
}

func (p *process) isAwaited() bool { return p.awaited > 0 }
func (p *process) isBusy() bool    { return p.counts.busy > 0 }

// leaveShut takes the sockets out of all that are to be closed now, and gives their keys.
// One that an earlier supd has left open stays so until it is known what runs.
func (o *Owner) leaveShut(all map[string]configs.Socket) (shut map[string]bool) {
	shut = map[string]bool{}
	maps.DeleteFunc(all, func(key string, s configs.Socket) bool {
		if !s.Closes() || o.host.Sockets.Offered(key, s) {
			return false
		}
		app, _, _ := strings.Cut(key, "/")
		if a := o.findApp(app); a == nil || !a.has(key, (*process).isAwaited) {
			shut[key] = true
		}
		return shut[key]
	})
	return shut
}

// noteShut remembers which sockets are closed: those that are to be, and those that were
// and could not be opened.
func (o *Owner) noteShut(shut map[string]bool, failed map[string]error) {
	for key := range failed {
		if o.shut[key] {
			shut[key] = true
		}
	}
	o.shut = shut
	for key := range shut {
		delete(o.repairs, key)
	}
	for _, a := range o.apps {
		a.shut = shut
	}
}

// bindError is why a socket could not be bound, or taken over.
type bindError struct {
	name string
	why  error
}

// unbound is of the socket with a key, which begins with its app.
func unbound(key string, why error) *bindError {
	_, name, _ := strings.Cut(key, "/")
	return &bindError{name, why}
}

func (e *bindError) Error() string { return "socket " + e.name + ": " + e.why.Error() }
func (e *bindError) Unwrap() error { return e.why }

// stir lets the sockets of an app be looked at.
func (o *Owner) stir(a *app) {
	if a.closes && !a.isStirred {
		a.isStirred = true
		o.stirred = append(o.stirred, a)
	}
}

// tend opens and closes the sockets of those apps of which a worker is wished for now and
// was not before, or the other way round.
func (o *Owner) tend() {
	stirred := o.stirred
	o.stirred = nil
	for _, a := range stirred {
		a.isStirred = false
	}
	if o.quitting || !slices.ContainsFunc(stirred, (*app).isOut) {
		return
	}
	was := o.shut
	failed := o.open(nil)
	for _, a := range stirred {
		o.tended(a, was, failed)
	}
}

// isOut reports whether a socket of the app is open that is to be closed, or the other way
// round.
func (a *app) isOut() bool {
	for key, s := range a.sockets {
		if s.Closes() && (a.shut[key] == a.has(key, (*process).isAwaited) || a.shut[key] && a.closed[key] != nil) {
			return true
		}
	}
	return false
}

// tended notes what has become of an app's sockets. One that cannot be had holds back those
// that need it. While a worker of before lives it may be that one's, and is tried again at
// its end.
func (o *Owner) tended(a *app, was map[string]bool, failed map[string]error) {
	other := false
	for key := range a.sockets {
		why := failed[key]
		_, bound := errors.AsType[*bindError](a.closed[key])
		switch {
		case !was[key] || (a.closed[key] != nil) == (why != nil):
		case why == nil && !bound: // its owner is not known, say, and it is to be another
		case why == nil:
			a.closed, other = maps.Clone(a.closed), true
			delete(a.closed, key)
		case !a.has(key, (*process).isBusy):
			a.closed, other = with(a.closed, key, unbound(key, why)), true
		}
	}
	if other {
		o.planAttempt(a)
	}
	o.touchApp(a)
}
