package engine

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// user is a uid that workers run as. A process of it that supd has not launched, and
// that was put into the background so well that nothing tells by whom (a stray),
// belongs to the apps that have a worker of that uid. With the last of these workers
// it is killed: whoever has left it is dead.
type user struct {
	uid     int
	workers map[*app]int // living, or being launched
	starts  int          // launches under way
	hooks   int          // that run; not those before a start, which are launches
	strays  Strays       // as they were seen last
	shownAt *slot        // that tells of them

	commands int // that run, or are being launched

	clearing bool      // they are being killed; nothing is launched meanwhile
	held     []*worker // dead ones whose end waits for that
	parked   []*slot   // likewise, with a launch to come
	waiting  []Event   // likewise, hooks to come, and ends of hooks
}

// user is that of a worker.
func (o *Owner) user(w *worker) *user { return o.userOf(w.revision.UID) }

func (o *Owner) userOf(uid int) *user {
	if o.users[uid] == nil {
		o.users[uid] = &user{uid: uid, workers: map[*app]int{}}
	}
	return o.users[uid]
}

// join counts a worker that is launched, or was taken over.
func (o *Owner) join(w *worker) { o.user(w).workers[w.slot.process.app]++ }

// part is told of the end of a worker.
func (o *Owner) part(w *worker) {
	u, a := o.user(w), w.slot.process.app
	if u.workers[a]--; u.workers[a] <= 0 {
		delete(u.workers, a)
		o.showStrays(u)
	}
}

// see takes what a search has found for what there is. Of those that were found first
// the slot tells whose worker has just ended.
func (o *Owner) see(all []Strays, dead []*worker) {
	seen := map[*user]bool{}
	for _, now := range all {
		u := o.users[now.UID]
		if now = o.unknown(now); u == nil || now.Count == 0 { // they are no app's
			continue
		}
		seen[u] = true
		if u.starts+u.commands > 0 { // some may be of a launch that has not reported yet, or a command's
			continue
		}
		if u.strays.Count == 0 {
			o.log.Warn("a worker has put processes into the background, and nothing tells which worker", "apps", u.apps(), "uid", u.uid, "processes", now.String())
			o.choose(u, dead)
		}
		u.strays = now
		o.strayed[u] = true
		o.showStrays(u)
		o.clearIdle(u)
	}
	for u := range o.strayed {
		if !seen[u] {
			o.forgetStrays(u)
		}
	}
}

// unknown leaves out what was launched while the search went on.
func (o *Owner) unknown(s Strays) Strays {
	all := slices.DeleteFunc(slices.Clone(s.Some), func(one Stray) bool { return o.workers[one.Pid] != nil || o.tasks[one.Pid] != nil })
	return Strays{s.UID, s.Count - len(s.Some) + len(all), all}
}

// choose chooses the slot that tells of the strays of a user.
func (o *Owner) choose(u *user, dead []*worker) {
	if i := slices.IndexFunc(dead, func(w *worker) bool { return w.revision.UID == u.uid }); i >= 0 {
		u.shownAt = dead[i].slot
	} else {
		u.shownAt = u.anySlot()
	}
	if u.shownAt != nil {
		u.shownAt.strays = u
	}
}

// anySlot is one with a worker of the user; nil if there is none.
func (u *user) anySlot() *slot {
	for a := range u.workers {
		for _, p := range a.processes {
			for _, s := range p.slots {
				if slices.ContainsFunc(s.workers, func(w *worker) bool { return w.revision.UID == u.uid }) {
					return s
				}
			}
		}
	}
	return nil
}

func (o *Owner) showStrays(u *user) {
	if u.shownAt != nil {
		o.changed(u.shownAt)
	}
}

func (o *Owner) forgetStrays(u *user) {
	u.strays = Strays{}
	delete(o.strayed, u)
	o.showStrays(u)
}

// forgetStray is told of each child that has died and was no worker.
func (o *Owner) forgetStray(pid int) {
	for u := range o.strayed {
		some := slices.DeleteFunc(slices.Clone(u.strays.Some), func(s Stray) bool { return s.Pid == pid })
		if len(some) == len(u.strays.Some) {
			continue
		}
		u.strays.Some = some
		if u.strays.Count--; u.strays.Count == 0 {
			o.forgetStrays(u)
		}
		o.showStrays(u)
	}
}

// clearIdle kills the strays of a user for whom nothing runs any more.
func (o *Owner) clearIdle(u *user) {
	if len(u.workers) == 0 && u.hooks+u.commands == 0 {
		o.clear(u)
	}
}

// clear kills the strays of a user that has no worker any more.
func (o *Owner) clear(u *user) {
	if u.clearing {
		return
	}
	u.clearing = true
	o.host.Reaper.KillStrays(u.uid, o.launched(), func(killed []Stray) Event {
		return func(o *Owner) { o.cleared(u, killed) }
	})
}

func (o *Owner) cleared(u *user, killed []Stray) {
	u.clearing = false
	o.forgetStrays(u)
	held, waiting := u.held, u.waiting
	u.held, u.waiting = nil, nil
	for _, w := range held {
		o.tellLeft(w, killed)
		o.releases(w)
	}
	for _, done := range waiting {
		done(o)
	}
	o.unpark(&u.parked, parkedForStrays, math.MaxInt)
}

// launched are the pids of workers and of tasks.
func (o *Owner) launched() []int {
	return slices.AppendSeq(slices.Collect(maps.Keys(o.workers)), maps.Keys(o.tasks))
}

// searched is the event of the end of a search for what dead workers have left.
func (o *Owner) searched(dead []*worker, found Swept) {
	if found.Searched {
		o.see(found.Strays, dead)
	}
	for _, w := range dead {
		if left := found.Killed[w.slot.name()]; w.finished {
			o.tellLeft(w, left)
		}
		if u := o.user(w); u.clearing {
			u.held = append(u.held, w)
			continue
		}
		o.releases(w)
	}
}

// releases ends the search for what a dead worker has left.
func (o *Owner) releases(w *worker) {
	w.slot.sweeps--
	o.forgetLeft(w)
	o.more(w, w.observer.Spent())
	o.swept(w)
	o.runLast(w)
	o.touch(w.slot)
}

// tellLeft says with a worker's end what was left by it and was killed: a server that
// goes into the background by itself looks like one that ends again and again.
func (o *Owner) tellLeft(w *worker, killed []Stray) {
	s := w.slot
	if len(killed) == 0 || w.exit == nil {
		return
	}
	exit := *w.exit // the other is published
	exit.Reason += "; it had left in the background, where it must not be: " + some(killed, len(killed)) + ", killed"
	switch {
	case s.LastExit == w.exit:
		s.LastExit, w.exit = &exit, &exit
		o.changed(s)
	case s.process.failed == w.exit.Reason: // it was to take another's place
		s.process.failed = exit.Reason
		for _, other := range s.process.slots {
			o.changed(other)
		}
	}
}

func (s Strays) String() string { return some(s.Some, s.Count) }

// some names the first of so many processes.
func some(all []Stray, count int) string {
	const most = 3
	var names []string
	for _, s := range all[:min(most, len(all))] {
		names = append(names, s.Is)
	}
	if more := count - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// apps are the names of those that have a worker of the user.
func (u *user) apps() string {
	var names []string
	for a := range u.workers {
		names = append(names, a.name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// note tells of the strays.
func (u *user) note() string {
	switch {
	case u == nil || u.strays.Count == 0:
		return ""
	case len(u.workers) > 1:
		return fmt.Sprintf("in the background, and left by a worker of %s, which have one user: %s, killed with the last of these workers", u.apps(), u.strays)
	default:
		return fmt.Sprintf("in the background, and left by a worker of this user: %s, killed with the last of these workers", u.strays)
	}
}

// finished reports whether a worker has ended well of itself, as one does that goes on
// in the background: what a crashed one leaves says nothing of why it has crashed.
func (e Exit) finished() bool { return e.Code == 0 && e.Signal == 0 && e.Reason == "" }
