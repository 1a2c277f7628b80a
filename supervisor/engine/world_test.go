package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/measure"
	"supd/supervisor/record"
	"supd/supervisor/release"
)

// behaviour is what a simulated worker does.
type behaviour struct {
	launch    time.Duration // until it runs; below 0 is never
	fail      string        // the launch fails with this
	ready     time.Duration // after its start; below 0 is never
	die       time.Duration // after its start; 0 is never
	code      int           // then
	drain     time.Duration // from TERM to the exit
	ignores   bool          // TERM
	suspended bool          // it does nothing before a CONT
	rest      time.Duration // how long what it has started lives, once that was signalled; 0: there is nothing
	deaf      bool          // that heeds no signal
	answer    string        // to the question whether it is ready
	smoke     string        // what is wrong with the answer of a candidate
	ill       time.Duration // after it is ready: it answers no question any more; 0 is never
	churns    time.Duration // likewise: its children die young
	spent     measure.Usage // by its cgroup, in the end

	perSecond, failing int64 // requests that it answers, and those of them that fail
}

// answers are the requests that a worker of this age has answered.
func (b behaviour) answers(age time.Duration) (all, failed int64) {
	return b.perSecond * int64(age/time.Second), b.failing * int64(age/time.Second)
}

// proc is a simulated worker: a Process and an Observer.
type proc struct {
	world   *world
	launch  Launch // of the supd that knows it
	b       behaviour
	id      int
	dead    bool
	told    bool // to end, and has not begun to
	reaped  bool
	adopted bool // it is no child
	started time.Time
	ended   time.Time
	sent    []unix.Signal
	others  []unix.Signal // to what it has started
	empty   bool          // that has ended
	awaited bool
	swept   bool // its process group is killed with it
}

func (p *proc) Alive() bool    { return !p.dead }
func (p *proc) BecameReady()   {}
func (p *proc) StopTail()      {}
func (p *proc) Watch(bool)     {}
func (p *proc) Left()          {}
func (p *proc) Answer() string { return p.b.answer }
func (p *proc) Requests() (all, failed int64) {
	return p.b.answers(time.Since(p.started))
}
func (p *proc) Output() []string { return []string{"last words of " + p.launch.Name()} }
func (p *proc) Kill()            { p.Signal(unix.SIGKILL) }

func (p *proc) Spent() measure.Usage { return p.b.spent }

func (p *proc) handle() Handle {
	r := record.Process{Pid: p.id, Identity: record.Identity{Start: uint64(p.id)}, Adopted: p.adopted}
	return Handle{Record: r, Process: p, Observer: p}
}

func (p *proc) SignalRest(signals []unix.Signal, _ []int) {
	p.others = append(p.others, signals...)
	if p.b.rest > 0 && !p.b.deaf {
		p.world.happens(p.b.rest, func() {
			if p.empty = true; p.awaited {
				p.world.after(0, p.launch.Emptied())
			}
		})
	}
}

func (p *proc) AwaitRest([]int) {
	p.awaited = true
	p.world.after(0, p.launch.Remaining(2))
	if p.b.rest == 0 || p.empty {
		p.world.after(0, p.launch.Emptied())
	}
}

// Signal is called by the owner, or by the world in the owner's goroutine.
func (p *proc) Signal(sig unix.Signal) error {
	if p.reaped && !p.adopted { // a pidfd is a child's for ever
		p.world.t.Errorf("%s: pid %d is signalled after it was reaped", p.launch.Name(), p.id)
	}
	if p.dead {
		return record.ErrEnded
	}
	if slices.Contains(p.sent, sig) && sig != unix.SIGKILL && sig != unix.SIGCONT {
		p.world.t.Errorf("%s: pid %d gets %v twice", p.launch.Name(), p.id, sig)
	}
	p.sent = append(p.sent, sig)
	p.world.signals++
	switch sig {
	case unix.SIGKILL:
		p.world.die(p, Exit{Pid: p.id, Code: -1, Signal: sig})
	case unix.SIGTERM:
		p.told = true
	case unix.SIGCONT:
		p.b.suspended = false
	}
	if p.told && !p.b.ignores && !p.b.suspended {
		p.told = false
		p.world.happens(p.b.drain, func() { p.world.die(p, Exit{Pid: p.id}) })
	}
	return nil
}

// Smoke answers as the candidate does.
func (p *proc) Smoke(string) {
	var err error
	if p.b.smoke != "" {
		err = errors.New(p.b.smoke)
	}
	p.world.after(time.Millisecond, p.launch.Smoked(err))
}

// world simulates all that is outside of the owner. It runs in the owner's
// goroutine; time is virtual.
type world struct {
	t       *testing.T
	s       client
	behave  func(Launch) behaviour
	lastPid int
	procs   []*proc
	dead    []Exit
	repairs []Damage
	sockets map[string]configs.Socket
	open    map[string]string // where those listen that are open
	more    bool
	refuse  error           // what Open answers
	offered map[string]bool // by an earlier supd, by key
	closing map[string]bool // sockets that are closed while nobody serves them
	joined  int
	treated int
	retries int                    // that were asked for
	lasting map[string]api.Lasting // as it was written last
	unsaved error                  // why it is not
	most    int                    // processes at once
	signals int                    // that were sent
	sweeps  int

	hooked   []string
	killing  bool          // of strays goes on
	hookTime time.Duration // of each but pre_start; below 0 is for ever

	strays    Strays       // that a search finds
	kills     atomic.Int64 // of strays
	idleKills atomic.Int64 // where there were none
	leftovers map[string][]Stray

	full     func(release.State) error // whether a state can be journaled
	journals map[string][]release.State
	changes  []Change
	writer   record.Writer

	lock   sync.Mutex
	owner  *Owner   // nil: no supd is there
	missed []func() // what happened meanwhile
}

// client asks the owner that is there, as the Supervisor does.
type client struct{ w *world }

func (c client) post(e Event) { c.w.now().Post(e) }

func (c client) Status() *api.Status { return c.w.now().Status() }

func (c client) Do(_ context.Context, r api.Request) *api.Result {
	o, reply := c.w.now(), make(chan *api.Result, 1)
	o.Post(func(o *Owner) { o.Do(r, reply) })
	select {
	case result := <-reply:
		return result
	case <-o.Done():
		return api.Refuse(api.CodeFailed, "%s", ErrStopped)
	}
}

func (w *world) now() *Owner {
	w.lock.Lock()
	defer w.lock.Unlock()
	return w.owner
}

// newWorld starts an owner with a simulated host. It has to be called within
// synctest.Test.
func newWorld(t *testing.T, behave func(Launch) behaviour, processes ...configs.Process) *world {
	w := &world{t: t, behave: behave, lastPid: 100, journals: map[string][]release.State{}}
	w.writer = record.Writer{Log: slog.New(slog.DiscardHandler), Path: filepath.Join(t.TempDir(), "state.json"), Boot: "this"}
	w.s = client{w}
	w.owner = w.newOwner()
	if err := w.owner.Apply(w.config(configs.Rollout{Surge: configs.Surge{Workers: 1}}, processes...)); err != nil {
		t.Fatal(err)
	}
	w.run()
	return w
}

func (w *world) newOwner() *Owner {
	host := Host{Reaper: w, Sockets: w, Save: w.save, Changed: func(c Change) { w.changes = append(w.changes, c) },
		Retry: func(string) { w.retries++ }, SaveLasting: w.saveLasting}
	return New(slog.New(w.logs()), host, "")
}

func (w *world) run() {
	w.owner.Publish(time.Now())
	go w.owner.Run()
}

// config is an app "a" with these processes.
func (w *world) config(r configs.Rollout, processes ...configs.Process) Prepared {
	a := &configs.App{Name: "a", Processes: processes, Rollout: r}
	return Prepared{Config: &configs.Config{Apps: []configs.App{*a}}, Apps: []App{w.preparedOf(a, nil)}}
}

// preparedOf is an app with a release, nil without.
func (w *world) preparedOf(a *configs.App, v *configs.Version) App {
	one := App{Config: a, Release: v, Revisions: map[string]Revision{}}
	for i := range a.Processes {
		c := &a.Processes[i]
		one.Revisions[c.Name] = Revision{App: a, Config: c, Release: v, Key: record.Key(c, nil, v), UID: 1000, Program: w}
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

// after posts e to the supd that is there now in d, and never in the instant that it
// is called: a timer of zero in a bubble runs at once, in whichever order, and under
// the race detector two at a time crash the runtime (seen with Go 1.26.8).
func (w *world) after(d time.Duration, e Event) {
	o := w.now()
	time.AfterFunc(max(d, time.Nanosecond), func() { o.Post(e) })
}

// happens lets something happen in d, whichever supd is there then, or none.
func (w *world) happens(d time.Duration, f func()) {
	time.AfterFunc(max(d, time.Nanosecond), func() {
		w.lock.Lock()
		o := w.owner
		if o == nil {
			w.missed = append(w.missed, f)
		}
		w.lock.Unlock()
		if o != nil {
			o.Post(func(*Owner) { f() })
		}
	})
}

// tells reports something about a process in d; when no supd is there nobody hears it.
func (w *world) tells(p *proc, d time.Duration, what func(Launch) Event) {
	time.AfterFunc(max(d, time.Nanosecond), func() {
		if o := w.now(); o != nil {
			o.Post(func(o *Owner) {
				if !p.dead {
					what(p.launch)(o)
				}
			})
		}
	})
}

func (w *world) Start(l Launch) (cancel func()) {
	b := w.behave(l)
	for _, p := range w.procs {
		if p.launch.Name() == l.Name() && p.launch.Generation == l.Generation {
			w.t.Errorf("%s: generation %d is launched twice", l.Name(), l.Generation)
		}
	}
	for _, name := range l.Process.Sockets {
		key := SocketKey(l.App, name)
		if w.closing[key] && w.open[key] == "" && !l.Candidate && b.fail == "" {
			w.t.Errorf("%s is launched while its socket is closed", l.Name())
		}
	}
	o, over := w.now(), make(<-chan time.Time)
	if b.launch >= 0 {
		over = time.After(b.launch + time.Nanosecond)
	}
	cancelled := make(chan struct{})
	go func() {
		select {
		case <-cancelled:
			o.Post(l.Failed(errors.New("cancelled")))
		case <-over:
			o.Post(func(o *Owner) { w.launched(o, l, b) })
		case <-o.Done():
		}
	}()
	return func() { close(cancelled) }
}

// Hooks remembers what was run.
func (w *world) Hooks(l Launch, p Process, run HookRun) {
	if w.killing {
		w.t.Errorf("%q are begun while strays are killed", run.Names)
	}
	took := time.Duration(0)
	for _, name := range run.Names {
		text := fmt.Sprintf("%s.%d %s", l.Name(), l.Generation, name)
		if run.Exit != nil {
			text += ": " + run.Exit.Reason
		}
		w.hooked = append(w.hooked, text)
		took += w.hookTime
	}
	if run.Done != nil && w.hookTime >= 0 {
		w.after(took, run.Done)
	}
}

func (w *world) Explain(Launch) (string, error) { return "", nil }

func (w *world) launched(o *Owner, l Launch, b behaviour) {
	if b.fail != "" {
		l.Failed(errors.New(b.fail))(o)
		return
	}
	w.lastPid++
	p := &proc{world: w, launch: l, b: b, id: w.lastPid, started: time.Now()}
	w.procs = append(w.procs, p)
	w.most = max(w.most, w.alive())
	l.Started(p.handle())(o)
	w.asks(p)
	if b.ill > 0 {
		w.tells(p, b.ready+b.ill, func(Launch) Event { return p.illness })
	}
	if b.churns > 0 {
		w.tells(p, b.ready+b.churns, func(l Launch) Event { return l.Churned(5) })
	}
	if b.die > 0 {
		w.happens(b.die, func() { w.die(p, Exit{Pid: p.id, Code: b.code}) })
	}
}

// asks asks a worker until it is ready.
func (w *world) asks(p *proc) {
	if p.b.ready >= 0 && p.launch.Process.Ready.Uptime == 0 {
		w.tells(p, p.b.ready, func(l Launch) Event { return l.Ready("simulated") })
	}
}

// illness is a worker that answers nothing any more.
func (p *proc) illness(o *Owner) {
	if p.launch.worker.State != api.Stopping {
		p.launch.Checked(errors.New("no answer"))(o)
		p.world.tells(p, time.Second, func(Launch) Event { return p.illness })
	}
}

func (w *world) journal(app string) Journal { return worldJournal{w, app} }

// worldJournal is the journal of an app.
type worldJournal struct {
	w   *world
	app string
}

func (worldJournal) Close() {}

func (j worldJournal) Write(s release.State, written func(error) Event) {
	var err error
	if j.w.full != nil {
		err = j.w.full(s)
	}
	s = s.Clone()
	j.w.after(time.Millisecond, func(o *Owner) {
		if err == nil {
			j.w.journals[j.app] = append(j.w.journals[j.app], s)
		}
		written(err)(o)
	})
}

func (w *world) save(r *record.Record, written func(), done func(bool) Event) {
	w.after(time.Millisecond, func(o *Owner) {
		w.writer.Write(r)
		written()
		done(!w.writer.Failed)(o)
	})
}

func (w *world) alive() (n int) {
	for _, p := range w.procs {
		if !p.dead {
			n++
		}
	}
	return n
}

// die is a death; SIGCHLD follows, or whoever watches a process that is no child
// notices.
func (w *world) die(p *proc, e Exit) {
	if p.dead {
		return
	}
	p.dead, p.ended = true, time.Now()
	if p.adopted {
		p.reaped = true
		if w.now() != nil {
			w.after(0, p.launch.Ended(Exit{Code: -1, Reason: "ended, nobody knows how"}))
		}
		return
	}
	w.dead = append(w.dead, e)
	if w.now() != nil {
		w.after(0, (*Owner).ChildDied)
	}
}

func (w *world) Reap(kills func(pid int) bool) []Exit {
	dead := w.dead
	w.dead = nil
	for _, e := range dead {
		w.procOf(e.Pid).reaped, w.procOf(e.Pid).swept = true, kills(e.Pid)
	}
	return dead
}

func (w *world) procOf(pid int) *proc {
	i := slices.IndexFunc(w.procs, func(p *proc) bool { return p.id == pid })
	if i < 0 {
		return &proc{}
	}
	return w.procs[i]
}

// Sweep finds no strays but those of the world.
func (w *world) Sweep(_, _ []int, done func(Swept) Event) {
	w.sweeps++
	swept := Swept{Searched: true, Killed: w.leftovers}
	if w.strays.Count > 0 {
		swept.Strays = []Strays{w.strays}
	}
	w.after(time.Millisecond, done(swept))
}

// KillStrays takes a second where there are any, in which none of their user's may be
// launched.
func (w *world) KillStrays(uid int, _ []int, done func([]Stray) Event) {
	for _, p := range w.procs {
		if !p.dead {
			w.t.Errorf("strays are killed while %s lives", p.launch.Name())
		}
	}
	w.killing = true
	if uid != w.strays.UID || w.strays.Count == 0 {
		w.idleKills.Add(1)
		w.after(time.Millisecond, func(o *Owner) {
			w.killing = false
			done(nil)(o)
		})
		return
	}
	launches, killed := len(w.procs), w.strays.Some
	w.strays = Strays{}
	w.after(time.Second, func(o *Owner) {
		if len(w.procs) > launches {
			w.t.Error("launched while strays are killed")
		}
		w.killing = false
		w.kills.Add(1)
		done(killed)(o)
	})
}

func (w *world) Open(sockets map[string]configs.Socket, more bool) map[string]error {
	failed, open := map[string]error{}, map[string]string{}
	for key, s := range sockets {
		at, is := w.open[key]
		switch {
		case w.refuse == nil || at == s.Listen:
			open[key] = s.Listen
		case is: // the old one stays
			open[key] = at
			fallthrough
		default:
			failed[key] = w.refuse
		}
	}
	w.sockets, w.open, w.more = sockets, open, more
	return failed
}

func (w *world) Join(l Launch, p Process) {
	p.(*proc).launch = l
	w.joined++
}

// Treat shows a worker its new configuration.
func (w *world) Treat(l Launch, p Process) {
	p.(*proc).launch = l
	w.treated++
}

func (w *world) Relisten([]string) {}

func (w *world) Offered(key string, _ configs.Socket) bool { return w.offered[key] }

func (w *world) Inodes(string) []uint64 { return nil }

func (w *world) Reach(_ string, then func(error)) { go then(nil) }

func (w *world) Repair(d Damage) (bool, error) {
	w.repairs = append(w.repairs, d)
	return d.ShutDown, nil
}

// in runs f in the owner's goroutine and waits for its end.
func (w *world) in(f func(*Owner)) {
	done := make(chan struct{})
	w.s.post(func(o *Owner) { f(o); close(done) })
	<-done
}

// running are the simulated processes that live.
func (w *world) running() (all []*proc) {
	w.in(func(*Owner) {
		for _, p := range w.procs {
			if !p.dead {
				all = append(all, p)
			}
		}
	})
	return all
}

// worker is what status says of a slot.
func (w *world) worker(name string) api.WorkerStatus {
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
	return api.WorkerStatus{}
}

// quit ends the owner; a test of the loop ends with it.
func (w *world) quit() {
	w.s.post((*Owner).Quit)
	select {
	case <-w.now().Done():
	case <-time.After(time.Hour):
		w.t.Error("the owner does not end")
	}
	for _, p := range w.procs {
		if !p.dead {
			w.t.Errorf("%s: pid %d is left running", p.launch.Name(), p.id)
		}
	}
}

// logs are dropped, or printed with ENGINE_TEST_LOG=1, to look at one history.
func (w *world) logs() slog.Handler {
	if os.Getenv("ENGINE_TEST_LOG") == "" {
		return slog.DiscardHandler
	}
	return slog.NewTextHandler(os.Stderr, nil)
}

// settled looks whether settle has overlooked a slot: settling each once more must
// change nothing.
func (w *world) settled() {
	synctest.Wait() // else this may run before the owner has settled what came before
	w.in(func(o *Owner) {
		if o.frozen != nil {
			return
		}
		before := w.footprint(o)
		o.eachSlot(func(s *slot) { o.touch(s) })
		for _, a := range o.apps {
			a.isUnrolled = true
		}
		o.roll(time.Now())
		o.settle(time.Now())
		if after := w.footprint(o); before != after {
			w.t.Errorf("settle has overlooked something: %s, and then %s", before, after)
		}
	})
}

// footprint is what settle may change.
func (w *world) footprint(o *Owner) string {
	text := fmt.Sprint(o.launching, " ")
	o.eachSlot(func(s *slot) {
		text += fmt.Sprint(s.name(), s.Up, s.Generation, len(s.workers), " ")
		for _, worker := range s.workers {
			text += fmt.Sprint(worker.Pid, worker.State, " ")
		}
	})
	return text
}
