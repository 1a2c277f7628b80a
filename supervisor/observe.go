package supervisor

import (
	"context"
	"fmt"
	"time"

	"supd/supervisor/probe"
	"supd/supervisor/tree"
)

// watch begins to look after a worker that is ready, or changes how closely. It
// is called by the owner.
func (l *linux) watch(w *worker, closely bool) {
	r := w.handle.(*running)
	h := w.config.Health
	if !h.Asks() && h.Children == 0 {
		return
	}
	r.closely.Store(closely)
	switch {
	case r.watching != nil:
		select {
		case r.look <- struct{}{}:
		default:
		}
	case h.Asks() || closely:
		r.watching = make(chan struct{})
		go r.watch(l, w)
	case r.first == nil:
		r.first = time.AfterFunc(h.Interval, func() { l.watchParent(w, r) })
	}
}

// watchParent begins to look after a worker that has child processes. Of one that
// has none there is nothing to see: a thousand of them cost nothing.
func (l *linux) watchParent(w *worker, r *running) {
	if children, err := tree.Children(r.pid()); err != nil || len(children) == 0 {
		return
	}
	l.post(func(*owner) {
		if w.live() && r.watching == nil {
			r.watching = make(chan struct{})
			go r.watch(l, w)
		}
	})
}

// often is how often the child processes of a worker in a rollout are looked at:
// its end may be near.
const often = time.Second

// watch asks the worker at each interval and looks at its children, until its end,
// or until it is found to have none and nothing to be asked.
func (r *running) watch(l *linux, w *worker) {
	defer close(r.watching)
	h := w.config.Health
	_, question := r.question(l, r.job, r.launched, h.Question())
	children := brood{pid: r.pid()}
	next := time.Now().Add(h.Interval)
	for {
		closely := r.closely.Load() && h.Children > 0
		if question == nil && !closely && children.looked && !children.has() {
			return
		}
		until := next
		if soon := time.Now().Add(often); closely && soon.Before(until) {
			until = soon
		}
		timer := time.NewTimer(time.Until(until))
		goesOn := r.rest(timer.C)
		timer.Stop()
		if !goesOn {
			return
		}
		if h.Children > 0 {
			if deaths := children.look(time.Now()); deaths >= h.Children {
				l.post(func(o *owner) { o.churned(w, deaths) })
			}
		}
		if now := time.Now(); !now.Before(next) {
			next = now.Add(h.Interval)
			if question != nil {
				err := within(r.life, h.Timeout, question)
				l.post(func(o *owner) { o.checked(w, err) })
			}
		}
	}
}

// rest waits for the timer, or until the worker is to be looked at more closely;
// false is its end.
func (r *running) rest(timer <-chan time.Time) bool {
	select {
	case <-timer:
	case <-r.look:
	case <-r.life.Done():
		return false
	}
	return true
}

func within(ctx context.Context, d time.Duration, question func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d, fmt.Errorf("no answer within %s", d))
	defer cancel()
	err := question(ctx)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// A child process that dies before youth is over has hardly done anything, and so
// many of them within memory mean that none will.
const (
	youth  = 10 * time.Second
	memory = time.Minute
)

// brood is the child processes of a worker's main process, as they were last seen.
// That a pre-forking server recycles old children is usual.
type brood struct {
	pid    int
	looked bool
	alive  map[int]uint64 // by pid, when they started
	seen   time.Time
	young  []time.Time // deaths
}

func (b *brood) has() bool { return len(b.alive) > 0 }

// look tells how many have died young within the last minute; none while one of
// the children has grown old, which shows that they can.
func (b *brood) look(now time.Time) int {
	alive, err := tree.Children(b.pid)
	if err != nil { // it is gone, which is noticed elsewhere
		return 0
	}
	grown := false
	for pid, start := range b.alive {
		if alive[pid] != start && tree.Age(start)-now.Sub(b.seen) < youth {
			b.young = append(b.young, now)
		}
	}
	for _, start := range alive {
		grown = grown || tree.Age(start) >= youth
	}
	for len(b.young) > 0 && now.Sub(b.young[0]) > memory {
		b.young = b.young[1:]
	}
	b.alive, b.seen, b.looked = alive, now, true
	if grown {
		return 0
	}
	return len(b.young)
}

// smoke asks the candidate of a smoke test.
func (l *linux) smoke(w *worker, path string) {
	r := w.handle.(*running)
	network, at := r.probe.Addr()
	patience := w.config.Ready.Timeout
	go func() {
		err := within(r.life, patience, func(ctx context.Context) error {
			return probe.HTTP(ctx, network, at, "localhost", path)
		})
		l.post(func(o *owner) { o.smoked(w, err) })
	}()
}
