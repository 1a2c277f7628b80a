package supervisor

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/supervisor/tree"
)

// handle is a started worker as the owner knows it. None of its methods blocks.
type handle interface {
	pid() int
	signal(unix.Signal) error
	kill()             // SIGKILL to the main process and its process group
	alive() bool       // false once it has exited, reaped or not
	matched()          // it is ready: nothing asks it any more
	left() tree.Worker // but for what is the worker's
	saved() (savedIdentity, savedBelongings)
	lastAnswer() string // to the question whether it is ready; "" if none came
	output() []string   // the last lines it has printed, while it is part of a rollout
	forget()            // it is not any more
}

// worker is one running copy: one launch of one slot. It is Starting, Running,
// Unhealthy or Stopping; what comes before and after belongs to the slot.
type worker struct {
	slot       *slot
	config     *configs.Process // what it was launched with
	generation int
	edition    *edition // that it was launched from

	state    State
	deadline time.Time // of that state; zero is none
	handle   handle    // nil while the launch is under way
	launched time.Time
	ready    time.Time // zero: never was

	unwell   int                // questions in a row that it has not answered well
	stopped  time.Time          // when it was told to stop
	draining bool               // Stopping because another one has taken over
	failure  string             // why supd stops it although its slot is wished for
	steps    []configs.StopStep // left of the stop
	sent     []unix.Signal
	killed   bool
}

// set is the one place where a worker's state and deadline change.
func (w *worker) set(log *slog.Logger, to State, deadline time.Time, why string) {
	if w.state != to {
		log.Info("worker", "worker", w.slot.name(), "pid", w.pid(), "from", w.state, "to", to, "why", why)
	}
	w.state, w.deadline = to, deadline
}

func (w *worker) pid() int {
	if w.handle == nil {
		return 0
	}
	return w.handle.pid()
}

// left says how the processes are known that the worker leaves behind.
func (w *worker) left() tree.Worker {
	t := w.handle.left()
	t.Pid, t.Name, t.Generation = w.pid(), w.slot.name(), w.generation
	return t
}

// live tells whether the worker neither stops nor has ended.
func (w *worker) live() bool {
	return w.state == Starting || w.state == Running || w.state == Unhealthy
}

// readyFor tells how long the worker has been ready.
func (w *worker) readyFor(now time.Time) time.Duration {
	if w.ready.IsZero() {
		return 0
	}
	return now.Sub(w.ready)
}

// started is the event that ends a launch.
func (o *owner) started(w *worker, h handle, err error) {
	o.launching--
	if err != nil {
		o.forgetStrays()
		o.ended(w, death{code: -1, reason: err.Error()})
		return
	}
	w.handle = h
	w.launched = time.Now()
	if d, ok := o.strays[h.pid()]; ok && !h.alive() {
		o.forgetStrays()
		o.ended(w, d)
		return
	}
	o.forgetStrays()
	o.workers[h.pid()] = w
	switch w.state {
	case Starting:
		o.log.Info("worker", "worker", w.slot.name(), "pid", h.pid(), "to", Starting, "generation", w.generation)
		w.set(o.log, Starting, w.launched.Add(startTime(w.config.Ready)), "")
		o.tell(w, "started "+w.edition.version())
		if w.slot.process.app.rollout.targets(w) {
			o.kernel.watch(w, true)
		}
	case Stopping: // told so meanwhile
		o.nextStep(w)
	}
}

// forgetStrays drops the deaths of unknown pids once no launch is under way
// whose worker they could have been.
func (o *owner) forgetStrays() {
	if o.launching == 0 {
		clear(o.strays)
	}
}

func startTime(r configs.Ready) time.Duration {
	if r.Uptime > 0 {
		return r.Uptime
	}
	return r.Timeout
}

// becameReady is the event of a worker that answered, or lived long enough.
func (o *owner) becameReady(w *worker, how string) {
	if w.state != Starting {
		return // it is too late: a stop is under way
	}
	w.ready = time.Now()
	o.kernel.relisten(w.slot.process.socketKeys())
	w.handle.matched()
	w.set(o.log, Running, o.watchdogDeadline(w), how)
	o.tell(w, "ready after "+w.ready.Sub(w.launched).Round(time.Millisecond).String())
	o.kernel.watch(w, w.slot.process.app.rollout.targets(w))
}

// tell adds to what is shown of a rollout under way.
func (o *owner) tell(w *worker, message string) {
	if r := w.slot.process.app.rollout; r != nil {
		r.say(w.slot, w.pid(), strings.TrimSpace(message))
	}
}

// pinged is the event of a WATCHDOG=1.
func (o *owner) pinged(w *worker) {
	switch w.state {
	case Running:
		w.deadline = o.watchdogDeadline(w)
	case Unhealthy:
		o.recovered(w, "sent WATCHDOG=1")
	}
}

func (o *owner) watchdogDeadline(w *worker) time.Time {
	if w.config.Watchdog == 0 {
		return time.Time{}
	}
	return time.Now().Add(w.config.Watchdog)
}

// expired is the event of a deadline that has passed.
func (o *owner) expired(w *worker) {
	switch w.state {
	case Starting:
		if w.config.Ready.Uptime > 0 {
			o.becameReady(w, "lived for "+w.config.Ready.Uptime.String())
			return
		}
		o.fail(w, notReady(w))
	case Running:
		o.ill(w, "no WATCHDOG=1 for "+w.config.Watchdog.String())
	case Stopping:
		o.nextStep(w)
	}
}

func notReady(w *worker) string {
	why := "not ready within " + w.config.Ready.Timeout.String()
	if last := w.handle.lastAnswer(); last != "" {
		return why + ": " + last
	}
	return why
}

// fail stops a worker that is wished for but no good.
func (o *owner) fail(w *worker, why string) {
	if !w.live() {
		return // what was said of it comes too late
	}
	s := w.slot
	r := s.process.app.rollout
	targeted := r.targets(w)
	w.failure = why
	o.stop(w, why, false)
	switch {
	case targeted:
		o.fault(r, w, why)
	case r == nil && s.hasOlder() && w.edition == s.edition:
		s.failed(why)
		o.abandon(s.process, why)
	}
}

// stop begins the stop steps. A worker that stops already goes on doing so.
func (o *owner) stop(w *worker, why string, draining bool) {
	if w.state == Stopping {
		w.draining = w.draining && draining
		return
	}
	w.draining, w.stopped = draining, time.Now()
	w.steps = w.edition.config.Stop
	if w.private() && len(w.steps) > 0 { // nothing of it is to be finished
		w.steps = []configs.StopStep{{Signal: w.steps[0].Signal, Wait: min(w.steps[0].Wait, candidateStop)}}
	}
	w.set(o.log, Stopping, time.Time{}, why)
	if w.handle != nil {
		o.nextStep(w)
	}
}

// killAgain is how long a process may take to vanish after SIGKILL before supd
// says so and sends another: it may sit in an uninterruptible system call.
const killAgain = 10 * time.Second

// nextStep sends the next signal of a stop, each once and to the main process
// alone: a second TERM makes an rq worker kill its job, and one to the process
// group kills the tasks of a celery worker.
func (o *owner) nextStep(w *worker) {
	if len(w.steps) == 0 {
		o.kill(w)
		return
	}
	step := w.steps[0]
	w.steps = w.steps[1:]
	w.deadline = time.Now().Add(step.Wait)
	o.send(w, step.Signal)
}

func (o *owner) kill(w *worker) {
	o.log.Warn("worker does not stop, killing it", "worker", w.slot.name(), "pid", w.pid(), "again", w.killed)
	w.killed = true
	w.deadline = time.Now().Add(killAgain)
	w.handle.kill()
}

// send remembers the signal: a worker that dies by it has obeyed.
func (o *owner) send(w *worker, sig unix.Signal) error {
	if !slices.Contains(w.sent, sig) {
		w.sent = append(w.sent, sig)
	}
	err := w.handle.signal(sig)
	if err != nil && !errors.Is(err, unix.ESRCH) { // ESRCH: it is dead, and will be reaped
		o.log.Error("cannot signal worker", "worker", w.slot.name(), "pid", w.pid(), "error", err)
	}
	return err
}
