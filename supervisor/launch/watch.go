package launch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"supd/configs"
	"supd/supervisor/output"
	"supd/supervisor/probe"
	"supd/supervisor/tree"
)

// often is how often the child processes of a worker in a rollout are looked at:
// the end of the rollout may be near.
const often = time.Second

// Watch begins to look after the worker, or changes how closely. It is called by
// whoever owns the worker.
func (w *Worker) Watch(closely bool) {
	h := w.health.Load()
	if !h.IsSet() {
		return
	}
	w.often.Store(closely)
	switch {
	case w.watching == nil && !h.Asks() && !closely:
		done := make(chan struct{})
		w.watching = done
		w.launcher.firstLooks.add(w, h.Interval, func() { w.watchParent(h, done) })
	case w.watching == nil || closely && isClosed(w.watching):
		w.watching = make(chan struct{})
		go w.watch(h, w.watching)
	case closely && w.launcher.firstLooks.take(w):
		go w.watch(h, w.watching)
	default:
		w.wakeUp()
	}
}

func (w *Worker) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// watchParent goes on to watch a worker that has child processes. Of one that has
// none there is nothing to see: a thousand of them cost nothing.
func (w *Worker) watchParent(h *configs.Health, done chan<- struct{}) {
	if all, err := tree.Children(w.Pid); err != nil || len(all) == 0 {
		close(done)
		return
	}
	go w.watch(h, done)
}

// Treat changes what the worker is asked and where its output goes from now on; of an
// unfinished line the beginning stays where it is. It is called by whoever owns the
// worker, which goes on to watch it.
func (w *Worker) Treat(c *configs.Process, log *output.Log) {
	if log != nil {
		w.log = log
		w.eachCapture(func(_ stream, c *output.Capture) { c.MoveTo(log) })
	}
	h, before := &c.Health, w.watching
	w.health.Store(h)
	switch {
	case before == nil:
	case w.launcher.firstLooks.take(w): // nobody watches yet
		w.watching = nil
	default:
		w.wakeUp() // who watches sees that it is over
		if !h.IsSet() {
			return
		}
		done := make(chan struct{})
		w.watching = done
		go func() {
			<-before
			w.watch(h, done)
		}()
	}
}

// stopWatching waits until nobody watches any more.
func (w *Worker) stopWatching() {
	if w.launcher.firstLooks.take(w) {
		return
	}
	if w.watching != nil {
		<-w.watching
	}
}

// watch asks the worker at each interval and looks at its children, until it is
// released, or until it is found to have none and nothing to be asked, or h is not
// what is wanted any more.
func (w *Worker) watch(h *configs.Health, done chan<- struct{}) {
	defer close(done)
	_, question := w.question(w.recall, h.Question())
	brood := children{pid: w.Pid}
	next := time.Now().Add(h.Interval)
	said := false
	for {
		closely := w.often.Load() && h.Children > 0
		if w.health.Load() != h || question == nil && !closely && brood.looked && !brood.has() {
			return
		}
		until := next
		if soon := time.Now().Add(often); closely && soon.Before(until) {
			until = soon
		}
		if !w.rest(time.Until(until)) {
			return
		}
		if h.Children > 0 {
			if deaths := brood.look(time.Now()); deaths >= h.Children {
				w.spec.Report.Churned(deaths)
			}
		}
		if now := time.Now(); !now.Before(next) {
			next = now.Add(h.Interval)
			if question == nil {
				continue
			}
			switch err := within(w.life, h.Timeout, question); {
			case !errors.Is(err, errForgotten):
				w.spec.Report.Checked(err)
			case !said: // nobody can ask: that says nothing of the worker
				said = true
				w.launcher.Log.Warn("asking a worker", "worker", w.spec.Name(), "pid", w.Pid, "error", err)
			}
		}
	}
}

// rest waits for that long, or until the worker is to be looked at more closely;
// false is its end.
func (w *Worker) rest(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.wake:
	case <-w.life.Done():
		return false
	}
	return true
}

func within(ctx context.Context, d time.Duration, question func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d, fmt.Errorf("no answer within %s", d))
	defer cancel()
	err := question(ctx)
	if err != nil && ctx.Err() != nil && !errors.Is(err, errForgotten) {
		return context.Cause(ctx)
	}
	return err
}

// Smoke asks the candidate of a smoke test, and calls answered in a goroutine.
func (w *Worker) Smoke(path string, answered func(error)) {
	network, at := w.probe.Addr()
	go func() {
		answered(within(w.life, w.spec.Process.Ready.Timeout, func(ctx context.Context) error {
			return probe.HTTP(ctx, network, at, "localhost", path)
		}))
	}()
}
