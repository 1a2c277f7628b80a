package launch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop"
	"supd/socket"
	"supd/supervisor/measure"
	"supd/supervisor/output"
	"supd/supervisor/record"
	"supd/supervisor/statsd"
	"supd/supervisor/tree"
)

// Worker is a started worker with everything that was made for it alone.
type Worker struct {
	record.Process // as the next supd has to know it

	launcher  *Launcher
	spec      Spec
	room      *room              // that its directory is in; nil: it has none
	process   *privdrop.Process  // nil: it ended before this supd was there
	held      map[string]holding // by link: what it was found to hold of that which it was given
	launched  remembered
	log       *output.Log              // where its output goes now; nil: nowhere
	captures  [streams]*output.Capture // nil: there is none
	reading   sync.Mutex               // for whoever captures again what was left
	readOver  bool                     // nothing is captured any more
	uid       int                      // of all processes that it may leave behind; 0: nobody in particular
	tail      tail                     // of its output, while it is heard
	notify    *notifySocket
	statsd    *statsd.Port
	probe     *socket.Socket
	probePath string
	note      string           // its file
	noted     string           // what it says; "": it was not there any more
	private   []*socket.Socket // in the place of the shared ones: of a candidate
	ours      bool             // what it has started descends from this process, although it is not there to be reaped
	aliveAt   uint64           // when an adopted one was alive for certain: clock ticks since boot
	spent     measure.Usage    // by all that was in its cgroup, once it is released
	released  chan struct{}    // closed then

	life       context.Context // until it is released
	die        context.CancelFunc
	stopAsking context.CancelFunc     // it is ready; nil if nobody asked
	asking     chan struct{}          // closed once nobody asks any more; likewise
	answer     atomic.Pointer[string] // the last one, to the question whether it is ready

	looks    atomic.Bool                    // for the file that it modifies
	looking  sync.WaitGroup                 // who does
	health   atomic.Pointer[configs.Health] // what is watched
	often    atomic.Bool                    // it is watched closely: it is part of a rollout
	wake     chan struct{}                  // with room for one: often has changed
	watching chan struct{}                  // closed once nobody watches any more; nil if nobody did

	firstLook second // at its children
}

func (l *Launcher) worker(s Spec) *Worker {
	w := &Worker{launcher: l, wake: make(chan struct{}, 1), released: make(chan struct{}), launched: remembered{turn: make(chan struct{}, 1)}}
	w.specify(s)
	w.life, w.die = context.WithCancel(context.Background())
	return w
}

// specify says what the worker is.
func (w *Worker) specify(s Spec) {
	w.spec, w.log = s, s.Log
	if s.Process != nil { // else it was only found
		w.health.Store(&s.Process.Health)
	}
}

// Signal sends a signal to the main process. The error is record.ErrEnded where it
// has ended, and is about to be reaped.
func (w *Worker) Signal(sig unix.Signal) error {
	if w.process == nil {
		return endedError{unix.ESRCH}
	}
	err := w.process.Signal(sig)
	if errors.Is(err, unix.ESRCH) {
		return endedError{err}
	}
	return err
}

// endedError is the error of a signal to a process that has ended.
type endedError struct{ error }

func (endedError) Is(target error) bool { return target == record.ErrEnded }

// FullName is that of its process, such as "whois/web".
func (w *Worker) FullName() string {
	if w.spec.Process == nil { // it was only found
		return ""
	}
	return w.spec.App + "/" + w.spec.Process.Name
}

// Account is whom the worker was launched as.
func (w *Worker) Account() *privdrop.Account { return w.spec.Account }

// Alive reports whether the main process has not ended, reaped or not.
func (w *Worker) Alive() bool { return w.process != nil && w.process.Alive() }

// Pidfd is readable once it has ended; -1 where it has ended before this supd was there.
func (w *Worker) Pidfd() int {
	if w.process == nil {
		return -1
	}
	return w.process.Fd()
}

// Kill spares nobody in the process group. It is called only before the main
// process is reaped, so that the pid is still this worker's.
func (w *Worker) Kill() {
	if !w.Adopted { // else another may have reaped it
		unix.Kill(-w.Pid, unix.SIGKILL)
	}
	_ = w.Signal(unix.SIGKILL)
}

// Left says how the processes are known that the worker leaves behind.
func (w *Worker) Left() tree.Worker {
	return tree.Worker{Pid: w.Pid, Name: w.spec.Name(), Generation: w.spec.Generation, UID: w.uid, Cgroup: w.Belongings.Cgroup,
		Adopted: w.Adopted && !w.ours, Runtime: w.Belongings.Directory, Start: w.Identity.Start, Seen: w.aliveAt}
}

// findUser is what is known of uid where the launch was an earlier supd's: the configuration
// may be another one by now.
func (w *Worker) findUser() {
	n, err := parseNote(w.noted)
	if err == nil && w.process != nil && tree.KeepsItsUser(w.Pid) {
		w.uid = n.UID
	}
}

// Answer is the last one to the question whether it is ready; "" if none came.
func (w *Worker) Answer() string {
	if last := w.answer.Load(); last != nil {
		return *last
	}
	return ""
}

// BecameReady ends the questions whether it is. Its last lines are remembered on
// only while it is heard.
func (w *Worker) BecameReady() {
	if w.stopAsking != nil {
		w.stopAsking()
	}
	if !w.spec.Heard {
		w.StopTail()
	}
}

// StopTail stops remembering the last lines: nobody will ask for them any more.
func (w *Worker) StopTail() {
	w.eachCapture(func(_ stream, c *output.Capture) { c.StopMatching() })
}

// Name is APP/PROCESS.SLOT.
func (w *Worker) Name() string { return w.spec.Name() }

// Output is the last lines that the worker has printed, while it was heard.
func (w *Worker) Output() []string { return w.tail.all() }

// ReleaseTime is how long the end of workers waits for their last output to be written,
// and the like.
const ReleaseTime = 2 * time.Second

// Discard is Release for a launch that came to nothing, to which nobody listens. Each that
// is late keeps a thread.
func (w *Worker) Discard() {
	late := time.AfterFunc(ReleaseTime, func() { w.launcher.Late(w.FullName(), 1) })
	w.Release()
	if !late.Stop() {
		w.launcher.Late(w.FullName(), -1)
	}
}

// Release gives back what was made for the worker, after its last process is
// dead. Its last output is in the log when Release returns.
func (w *Worker) Release() {
	defer close(w.released)
	w.die()
	w.reading.Lock()
	w.readOver = true
	w.reading.Unlock()
	w.stopWatching()
	if w.asking != nil {
		<-w.asking
	}
	w.looking.Wait()
	w.eachCapture(func(_ stream, c *output.Capture) { c.Finish() })
	w.eachCapture(func(_ stream, c *output.Capture) { <-c.Done() })
	errs := []error{}
	if w.notify != nil {
		errs = append(errs, w.notify.close())
	}
	if w.probe != nil {
		errs = append(errs, w.probe.Close())
	}
	for _, s := range w.private {
		errs = append(errs, s.Close())
	}
	if w.statsd != nil {
		errs = append(errs, w.statsd.Close())
	}
	if w.process != nil {
		errs = append(errs, w.process.Close())
	}
	if w.room != nil {
		errs = append(errs, w.room.exit(w.Belongings.Directory))
	}
	errs = append(errs, w.removeNote())
	if group := w.Belongings.Cgroup; group != "" {
		w.spent = Spent(tree.ReadSpent(group))
		errs = append(errs, tree.KillCgroup(group))
	}
	if err := errors.Join(errs...); err != nil {
		w.launcher.Log.Warn("cleaning up after a worker", "error", err)
	}
}
