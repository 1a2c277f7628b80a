package supervisor

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop"
	"supd/socket"
	"supd/supervisor/release"
	"supd/supervisor/tree"
)

// behaviour is what a simulated worker does.
type behaviour struct {
	launch  time.Duration // until it runs; below 0 is never
	fail    string        // the launch fails with this
	ready   time.Duration // after its start; below 0 is never
	die     time.Duration // after its start; 0 is never
	code    int           // then
	drain   time.Duration // from TERM to the exit
	ignores bool          // TERM
	answer  string        // to the question whether it is ready
	smoke   string        // what is wrong with the answer of a candidate
	ill     time.Duration // after it is ready: it answers no question any more; 0 is never
	churns  time.Duration // likewise: its children die young
}

// proc is a simulated worker.
type proc struct {
	world  *world
	job    job
	b      behaviour
	id     int
	dead   bool
	reaped bool
	isKill bool
	sent   []unix.Signal
}

func (p *proc) pid() int    { return p.id }
func (p *proc) alive() bool { return !p.dead }
func (p *proc) matched()    {}
func (p *proc) forget()     {}

func (p *proc) saved() (savedIdentity, savedBelongings) {
	return savedIdentity{Start: uint64(p.id)}, savedBelongings{}
}
func (p *proc) left() tree.Worker  { return tree.Worker{} }
func (p *proc) lastAnswer() string { return p.b.answer }
func (p *proc) output() []string   { return []string{"last words of " + p.job.name()} }
func (p *proc) kill()              { p.isKill = true; p.signal(unix.SIGKILL) }

// signal is called by the owner, or by the world in the owner's goroutine.
func (p *proc) signal(sig unix.Signal) error {
	if p.reaped {
		p.world.t.Errorf("%s: pid %d is signalled after it was reaped", p.job.name(), p.id)
	}
	if p.dead {
		return unix.ESRCH
	}
	if slices.Contains(p.sent, sig) && sig != unix.SIGKILL {
		p.world.t.Errorf("%s: pid %d gets %v twice", p.job.name(), p.id, sig)
	}
	p.sent = append(p.sent, sig)
	switch {
	case sig == unix.SIGKILL:
		p.world.die(p, death{pid: p.id, code: -1, signal: sig})
	case sig == unix.SIGTERM && !p.b.ignores:
		p.world.after(p.b.drain, func(*owner) { p.world.die(p, death{pid: p.id}) })
	}
	return nil
}

// world simulates the kernel. All of it runs in the owner's goroutine; time is
// virtual.
type world struct {
	t       *testing.T
	s       *Supervisor
	behave  func(job) behaviour
	lastPid int
	procs   []*proc
	dead    []death
	repairs []socket.Damage
	sockets map[string]socket.Spec
	refuse  error // what open answers
	most    int   // processes at once

	full     func(release.State) error // whether a state can be journaled
	journals map[string][]release.State
	after_   []string // that a rollout has ended: app, and whether a configuration waits
	ready    func()   // called whenever a worker changes, to look at invariants
}

// newWorld starts an owner with a simulated kernel. It has to be called within
// synctest.Test.
func newWorld(t *testing.T, behave func(job) behaviour, processes ...configs.Process) *world {
	w := &world{t: t, behave: behave, journals: map[string][]release.State{}}
	w.s = &Supervisor{log: slog.New(slog.NewTextHandler(io.Discard, nil)), events: make(chan event, 64), done: make(chan struct{})}
	w.s.owner = newOwner(w.s.log, w, w.s.events, &w.s.status)
	if err := w.s.owner.apply(w.config(configs.Rollout{Surge: configs.Surge{Workers: 1}}, processes...)); err != nil {
		t.Fatal(err)
	}
	w.s.owner.publish(time.Now())
	go func() {
		defer close(w.s.done)
		w.s.owner.run()
	}()
	return w
}

// config is an app "a" with these processes.
func (w *world) config(r configs.Rollout, processes ...configs.Process) prepared {
	a := &configs.App{Name: "a", Processes: processes, Rollout: r}
	return prepared{config: &configs.Config{Apps: []configs.App{*a}}, apps: []preparedApp{preparedOf(a, nil)}}
}

// preparedOf is an app with a release, nil without.
func preparedOf(a *configs.App, v *configs.Version) preparedApp {
	one := preparedApp{config: a, release: v, editions: map[string]edition{}}
	for i := range a.Processes {
		c := &a.Processes[i]
		one.editions[c.Name] = edition{config: c, account: &privdrop.Account{UID: 1000}, release: v}
	}
	return one
}

// configured is a process with the defaults of the contract.
func configured(name string, count int) configs.Process {
	return configs.Process{
		Name: name, Count: count, Command: []string{name}, Autostart: true,
		Restart: configs.RestartAlways, SuccessExit: []int{0},
		Backoff: configs.Backoff{Initial: 100 * time.Millisecond, Max: 30 * time.Second, Factor: 2, Reset: 10 * time.Second},
		Ready:   configs.Ready{HTTP: "/", Timeout: 30 * time.Second},
		Stop:    []configs.StopStep{{Signal: unix.SIGTERM, Wait: 30 * time.Second}},
	}
}

// after has e happen in d, and never in the instant that it is called: a timer
// of zero in a bubble runs at once, in whichever order, and under the race
// detector two at a time crash the runtime (seen with Go 1.26.8).
func (w *world) after(d time.Duration, e event) {
	time.AfterFunc(max(d, time.Nanosecond), func() { w.s.post(e) })
}

func (w *world) start(j job) {
	for _, p := range w.procs {
		if p.job.name() == j.name() && p.job.generation == j.generation {
			w.t.Errorf("%s: generation %d is launched twice", j.name(), j.generation)
		}
	}
	b := w.behave(j)
	if b.launch < 0 {
		return
	}
	w.after(b.launch, func(o *owner) { w.launched(o, j, b) })
}

func (w *world) launched(o *owner, j job, b behaviour) {
	if b.fail != "" {
		o.started(j.worker, nil, fmt.Errorf("%s", b.fail))
		return
	}
	w.lastPid++
	p := &proc{world: w, job: j, b: b, id: w.lastPid}
	w.procs = append(w.procs, p)
	w.most = max(w.most, w.alive())
	o.started(j.worker, p, nil)
	if b.ready >= 0 && j.process.Ready.Uptime == 0 {
		w.after(b.ready, func(o *owner) {
			if !p.dead {
				o.becameReady(j.worker, "simulated")
			}
		})
	}
	if b.ill > 0 {
		w.after(b.ready+b.ill, func(o *owner) { w.illness(o, p) })
	}
	if b.churns > 0 {
		w.after(b.ready+b.churns, func(o *owner) { o.churned(j.worker, 5) })
	}
	if b.die > 0 {
		w.after(b.die, func(*owner) { w.die(p, death{pid: p.id, code: b.code}) })
	}
}

// illness has a worker answer nothing any more.
func (w *world) illness(o *owner, p *proc) {
	if !p.dead && p.job.worker.state != Stopping {
		o.checked(p.job.worker, errors.New("no answer"))
		w.after(time.Second, func(o *owner) { w.illness(o, p) })
	}
}

func (w *world) smoke(worker *worker, path string) {
	b := w.behave(w.procOf(worker).job)
	w.after(time.Millisecond, func(o *owner) {
		if b.smoke != "" {
			o.smoked(worker, errors.New(b.smoke))
			return
		}
		o.smoked(worker, nil)
	})
}

func (w *world) procOf(worker *worker) *proc {
	for _, p := range w.procs {
		if p.job.worker == worker {
			return p
		}
	}
	w.t.Fatal("no such process")
	return nil
}

func (w *world) save(s *saved, done event)                    { w.after(time.Millisecond, done) }
func (w *world) watch(*worker, bool)                          {}
func (w *world) keep(string, journal)                         {}
func (w *world) letGo(string)                                 {}
func (w *world) committed(string, release.State, preparedApp) {}

func (w *world) afterRollout(app string, postponed bool) {
	w.after_ = append(w.after_, fmt.Sprint(app, " ", postponed))
}

func (w *world) journal(app string, s release.State, written func(*owner, error)) {
	var err error
	if w.full != nil {
		err = w.full(s)
	}
	if err == nil {
		w.journals[app] = append(w.journals[app], s.Clone())
	}
	w.after(time.Millisecond, func(o *owner) { written(o, err) })
}

func (w *world) alive() (n int) {
	for _, p := range w.procs {
		if !p.dead {
			n++
		}
	}
	return n
}

// die is a death; SIGCHLD follows.
func (w *world) die(p *proc, d death) {
	if !p.dead {
		p.dead = true
		w.dead = append(w.dead, d)
		w.after(0, (*owner).childDied)
	}
}

func (w *world) reap(func(pid int) bool) []death {
	dead := w.dead
	w.dead = nil
	for _, d := range dead {
		for _, p := range w.procs {
			if p.id == d.pid {
				p.reaped = true
			}
		}
	}
	return dead
}

func (w *world) sweep(dead []left, _ []int, done event) { w.after(time.Millisecond, done) }

func (w *world) open(sockets map[string]socket.Spec) error {
	if w.refuse == nil {
		w.sockets = sockets
	}
	return w.refuse
}

func (w *world) relisten([]string) {}

func (w *world) repair(d socket.Damage) (bool, error) {
	w.repairs = append(w.repairs, d)
	return d.Kind == socket.ShutDown, nil
}

// in runs f in the owner's goroutine and waits for its end.
func (w *world) in(f func(*owner)) {
	done := make(chan struct{})
	w.s.post(func(o *owner) { f(o); close(done) })
	<-done
}

// running are the simulated processes that live.
func (w *world) running() (all []*proc) {
	w.in(func(*owner) {
		for _, p := range w.procs {
			if !p.dead {
				all = append(all, p)
			}
		}
	})
	return all
}

// worker is what status says of a slot.
func (w *world) worker(name string) WorkerStatus {
	for _, a := range w.s.Status().Apps {
		for _, p := range a.Processes {
			for _, worker := range p.Workers {
				if worker.Name == name {
					return worker
				}
			}
		}
	}
	w.t.Fatalf("no worker %s", name)
	return WorkerStatus{}
}

// quit ends the owner; a test of the loop ends with it.
func (w *world) quit() {
	w.s.post((*owner).quit)
	select {
	case <-w.s.done:
	case <-time.After(time.Hour):
		w.t.Error("the owner does not end")
	}
	for _, p := range w.procs {
		if !p.dead {
			w.t.Errorf("%s: pid %d is left running", p.job.name(), p.id)
		}
	}
}
