package supervisor

import (
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"supd/configs"
	"supd/socket"
	"supd/supervisor/release"
	"supd/supervisor/tree"
)

// event is something that happened, or that is asked for; it runs in the owner's
// goroutine.
type event func(*owner)

// kernel is what the owner has done outside of it; the tests of its loop put a
// simulated one in its place. No method blocks on anything but the local kernel:
// what takes time is done elsewhere and reported by an event.
type kernel interface {
	start(job)                     // reports started
	smoke(w *worker, path string)  // reports smoked
	watch(w *worker, closely bool) // begins, or changes how often; reports checked and churned
	save(s *saved, done event)     // where the next supd finds it
	keep(app string, j journal)    // of an app that is new
	letGo(app string)              // of one that is gone
	journal(app string, s release.State, written func(*owner, error))
	committed(app string, s release.State, now preparedApp) // another release is active
	afterRollout(app string, postponed bool)                // what had to wait for it may be done
	reap(isWorker func(pid int) bool) []death               // all that have died, workers and others
	sweep(dead []left, alive []int, done event)             // kills what dead workers left behind, releases them
	open(sockets map[string]socket.Spec) error              // all of them or none
	relisten(sockets []string)                              // with the configured backlog
	repair(socket.Damage) (another bool, err error)
}

// owner is the state of supd. Only the goroutine that runs it may touch it.
type owner struct {
	log    *slog.Logger
	kernel kernel
	events <-chan event
	status *atomic.Pointer[Status]

	config    *configs.Config
	apps      []*app             // by name
	repairs   map[string]*repair // damaged sockets, by key
	workers   map[int]*worker    // by pid: those that are to be reaped
	strays    map[int]death      // died while a launch was under way: perhaps its worker
	tasks     map[int]chan death // commands that ask whether a worker is ready
	launching int
	editions  int // so many were made
	waiters   []*waiter
	dead      []left  // to be swept
	orphans   []*slot // candidates of rollouts that are over
	frozen    func()  // to be called once nothing is under way; nil: all goes on
	quitting  bool
	exitOn    configs.ExitOn
	verdict   error     // what exit_on has ended supd for
	saving    bool      // what runs is being recorded
	changes   int       // events so far that may have changed it
	recorded  int       // changes by the time it was recorded last
	timer     time.Time // the nearest deadline
	unsettled bool      // something was changed that settle has to see
}

// run is the loop. It returns when supd was told to quit and nothing is left.
func (o *owner) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		o.timer, o.unsettled = time.Time{}, false
		now := time.Now()
		if o.frozen == nil {
			o.heedExitOn()
			o.roll(now)
			o.settle(now)
		} else if o.isQuiet() {
			o.frozen()
			continue
		}
		o.sweep()
		o.repair(now)
		o.answer(now)
		o.publish(now)
		if o.frozen == nil { // else it is done at the end
			o.save()
		}
		if o.finished() {
			return
		}
		if o.unsettled {
			o.changes++
			o.drain()
			continue
		}
		if o.timer.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(o.timer))
		}
		select {
		case e := <-o.events:
			o.happen(e)
			o.drain()
		case <-timer.C:
			o.changes++
		}
	}
}

// drain runs the events that are waiting already, so that a storm of them is
// settled at once.
func (o *owner) drain() {
	for {
		select {
		case e := <-o.events:
			o.happen(e)
		default:
			return
		}
	}
}

func (o *owner) happen(e event) {
	o.changes++
	e(o)
}

// wake makes the timer fire at t at the latest; the zero time is never.
func (o *owner) wake(t time.Time) {
	if !t.IsZero() && (o.timer.IsZero() || t.Before(o.timer)) {
		o.timer = t
	}
}

// quit stops everything, in the reverse of the order of `after`.
func (o *owner) quit() {
	if !o.quitting {
		o.log.Info("stopping all workers")
	}
	o.quitting = true
	for _, a := range o.apps {
		if a.rollout != nil {
			o.stopCandidate(a.rollout)
		}
	}
	o.eachSlot(func(s *slot) { s.leaves, s.up = s.leaves || s.up, false })
}

func (o *owner) finished() bool {
	return o.quitting && len(o.waiters) == 0 && o.idle() && !o.saving
}

func (o *owner) idle() bool {
	idle := o.launching == 0
	o.eachSlot(func(s *slot) { idle = idle && s.idle() })
	return idle
}

func (o *owner) eachSlot(do func(*slot)) {
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
	for _, s := range o.orphans {
		do(s)
	}
}

// childDied is the event of SIGCHLD. The owner is the only one that reaps: a pid
// in o.workers is that of its worker for as long as it is there.
func (o *owner) childDied() {
	for _, d := range o.kernel.reap(func(pid int) bool { return o.workers[pid] != nil }) {
		switch w, task := o.workers[d.pid], o.tasks[d.pid]; {
		case w != nil:
			o.ended(w, d)
		case task != nil:
			delete(o.tasks, d.pid)
			task <- d
		case o.launching > 0:
			o.strays[d.pid] = d
		}
	}
}

// left is a dead worker whose remains are to be searched for.
type left struct {
	slot   *slot
	handle handle
	tree.Worker
}

// sweep has the processes killed that dead workers left behind, all in one search.
func (o *owner) sweep() {
	if len(o.dead) == 0 {
		return
	}
	alive := make([]int, 0, len(o.workers))
	for pid := range o.workers {
		alive = append(alive, pid)
	}
	dead := o.dead
	o.dead = nil
	o.kernel.sweep(dead, alive, func(o *owner) {
		for _, d := range dead {
			d.slot.sweeps--
			o.swept(d)
		}
	})
}

func itoa(n int) string { return strconv.Itoa(n) }
