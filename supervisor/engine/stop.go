package engine

import (
	"errors"
	"slices"
	"time"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/record"
)

// candidateStop is the longest that a candidate may take to stop: it serves nobody.
// gunicorn waits for its graceful timeout when a TERM reaches a child that is only
// starting.
const candidateStop = 3 * time.Second

// killAgain is how long a process may take to vanish after SIGKILL before supd
// says so and sends another: it may sit in an uninterruptible system call.
const killAgain = 10 * time.Second

// nextStep sends the next signal of a stop, each once and to the main process alone,
// unless the configuration says otherwise: a second TERM makes an rq worker kill its job,
// and one to the process group kills the tasks of a celery worker. A process that SIGSTOP has suspended acts
// on none before it goes on (signal(7)), so SIGCONT follows, as systemd.kill(5) and
// sv(8) do it; it does nothing to one that is not suspended.
func (o *Owner) nextStep(w *worker) {
	w.preStop = false
	o.changed(w.slot) // what it waits for
	switch {
	case w.main != nil && (len(w.Steps) == 0 || !w.Steps[0].Group):
		o.ended(w, *w.main)
		return
	case len(w.Steps) == 0:
		o.kill(w)
		return
	}
	step := w.Steps[0]
	w.Steps, w.Group = w.Steps[1:], step.Group
	w.set(api.Stopping, time.Now().Add(step.Wait))
	if w.main == nil && o.send(w, step.Signal) == nil {
		_ = w.handle.Signal(configs.Continue) // it has ended by now, or goes on
	}
	if step.Group {
		w.handle.SignalRest([]configs.Signal{step.Signal, configs.Continue}, o.pids())
	}
}

func (o *Owner) kill(w *worker) {
	o.log.Warn("worker does not stop, killing it", "worker", w.slot.name(), "pid", w.Pid, "again", w.Killed)
	w.Killed = true
	w.set(api.Stopping, time.Now().Add(killAgain))
	w.handle.Kill()
}

// send remembers the signal: a worker that dies by it has obeyed.
func (o *Owner) send(w *worker, sig configs.Signal) error {
	if !slices.Contains(w.Sent, sig) {
		w.Sent = append(w.Sent, sig)
	}
	err := w.handle.Signal(sig)
	if err != nil && !errors.Is(err, record.ErrEnded) {
		o.log.Error("cannot signal worker", "worker", w.slot.name(), "pid", w.Pid, "error", err)
	}
	return err
}

// stop begins the stop steps. A worker that stops already goes on doing so.
func (o *Owner) stop(w *worker, why string, draining bool) {
	switch w.State {
	case api.Stopping:
		w.Draining = w.Draining && draining
		return
	case api.Exited:
		return
	case api.Starting, api.Running, api.Unhealthy:
	}
	served := w.State != api.Starting
	w.Draining, w.stopped = draining, time.Now()
	w.Steps = w.revision.Config.Stop
	if w.isCandidate() && len(w.Steps) > 0 { // nothing of it is to be finished
		w.Steps = []configs.StopStep{{Signal: w.Steps[0].Signal, Wait: min(w.Steps[0].Wait, candidateStop), Group: w.Steps[0].Group}}
	}
	o.transit(w, api.Stopping, time.Time{}, why)
	switch {
	case w.handle == nil:
		w.cancelLaunch()
	case served && o.runPreStop(w):
	default:
		o.nextStep(w)
	}
}
