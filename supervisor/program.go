package supervisor

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop"
	"supd/supervisor/engine"
	"supd/supervisor/launch"
	"supd/supervisor/output"
	"supd/supervisor/record"
	"supd/supervisor/tree"
)

// program launches the workers of one revision: engine.Program. It does not change.
type program struct {
	host    *host
	account *privdrop.Account // as it was when the configuration was applied
	log     *output.Log       // nil: nobody reads what they print
	stuck   *atomic.Int32     // launches that were given up and have not come back
	lost    atomic.Int32      // hooks, likewise
}

// launchTime is how long a launch may take with all that comes before it: the account
// is looked up within ten seconds, and the child executes its command within ten more
// (privdrop). What may take longer is a disk that does not answer.
const launchTime = 30 * time.Second

// cancelTime is how long is waited for one that is not wanted any more, and has no process.
const cancelTime = 2 * time.Second

// preStartTime is how much longer it takes with the hook before a start.
func preStartTime(c *configs.Process) time.Duration {
	if h := c.Hooks.PreStart; h != nil {
		return h.Timeout
	}
	return 0
}

var errStuck = errors.New("a launch does not come back: the disk of its program, directory or env_file does not answer")

// mostLate bounds the threads and descriptors that the dead workers of a process can keep.
const mostLate = 8

var errLate = errors.New("what was made for earlier workers is not given back: the disk of a log, of a directory or of what is asked about does not answer")

// Start begins a launch in a goroutine of its own: it looks up the account, makes a
// pipe, directories and sockets, reads env_file and looks for the command. One that does
// not come back in time is given up, so that nobody waits for it; until it does come
// back, no other one is begun, for each takes a thread.
func (p *program) Start(l engine.Launch) (cancel func()) {
	var fds []int
	err := p.mayStart(l)
	if err == nil && !l.Candidate {
		fds, err = p.host.sockets.duplicatesFor(l.App, l.Process.Sockets)
	}
	if err != nil {
		go p.host.post(l.Failed(err))
		return func() {}
	}
	announced, attempt := make(chan struct{}), launch.NewAttempt()
	spec := p.spec(l, announced)
	spec.Attempt = attempt
	late := time.AfterFunc(launchTime+preStartTime(l.Process), func() { p.giveUp(l, attempt.End) })
	go func() {
		p.host.garbage.begin()
		defer p.host.garbage.done()
		announce := sync.OnceFunc(func() { close(announced) })
		defer announce()
		defer closeAll(fds)
		w, err := p.launch(spec, fds)
		late.Stop()
		if !attempt.End() {
			p.stuck.Add(-1)
			if err == nil { // nobody waits for it any more
				w.Kill()
				announce() // what asks the worker may wait for that
				w.Discard()
			}
			return
		}
		if err != nil {
			p.host.post(l.Failed(err))
			return
		}
		p.launched(l, w)
	}()
	return func() {
		attempt.Cancel()
		time.AfterFunc(cancelTime, func() { p.giveUp(l, attempt.EndUnbegun) })
	}
}

// mayStart is an error while what earlier launches have left keeps new ones from beginning.
func (p *program) mayStart(l engine.Launch) error {
	switch {
	case p.stuck.Load() > 0:
		return errStuck
	case p.host.late[l.App+"/"+l.Process.Name] >= mostLate:
		return errLate
	}
	return nil
}

// giveUp waits for a launch no more, if that can be ended.
func (p *program) giveUp(l engine.Launch, end func() bool) {
	if end() {
		p.stuck.Add(1)
		p.host.post(l.Failed(errStuck))
	}
}

func (p *program) launched(l engine.Launch, w *launch.Worker) {
	p.host.deaths.watch(w.Pidfd())
	handle := p.handle(l, w)
	if w.Account() != p.account {
		handle.Key = record.Key(l.Process, w.Account(), l.Release)
	}
	p.host.post(func(o *engine.Owner) {
		p.host.living[w] = true
		l.Started(handle)(o)
	})
}

func (p *program) launch(spec launch.Spec, fds []int) (w *launch.Worker, err error) {
	if spec.Account, err = p.accountNow(spec.Process); err != nil {
		return nil, err
	}
	return p.host.launcher.Start(spec, fds)
}

// accountNow looks the account up once more: a worker has the groups that its user is
// in now. Of another uid nothing else knows yet: log, sockets and files are the old
// one's, and so are the processes that supd takes for the app's. Nor may the old one
// be used, which may be somebody else's by now. So no worker is launched until
// somebody who knows of the change applies the configuration. One that has not changed
// is shared by all workers.
func (p *program) accountNow(c *configs.Process) (*privdrop.Account, error) {
	now, err := account(c)
	if err == nil && now.UID != p.account.UID {
		err = fmt.Errorf("user %s has uid %d now, and had %d when the configuration was applied; give the app's files to the new uid, and apply it again (`supctl apply`)", c.User, now.UID, p.account.UID)
	}
	if reflect.DeepEqual(now, p.account) {
		return p.account, err
	}
	return now, err
}

// Adopt goes on with a worker that an earlier supd has launched.
func (p *program) Adopt(l engine.Launch, saved *record.Worker, starting bool) engine.Handle {
	announced := make(chan struct{})
	close(announced)
	w := p.host.predecessor.workers[saved]
	p.host.living[w] = true
	w.Adopt(p.spec(l, announced), starting, p.host.predecessor.passed)
	p.host.deaths.watch(w.Pidfd())
	return p.handle(l, w)
}

// Join goes on with a worker that was adopted when nobody knew what it was launched
// from.
func (p *program) Join(l engine.Launch, worker engine.Process) {
	h := worker.(*handle)
	h.launch = l
	h.Worker.Join(l.Process, p.account)
}

// Treat goes on with a worker of another revision, which feels no difference.
func (p *program) Treat(l engine.Launch, worker engine.Process) {
	h := worker.(*handle)
	h.launch = l
	h.Worker.Treat(l.Process, p.log)
}

// Hooks runs hooks in a goroutine, one after the other. What has become of them is
// logged, and changes nothing.
func (p *program) Hooks(l engine.Launch, worker engine.Process, run engine.HookRun) {
	spec, at := p.spec(l, nil), launch.HookSite{}
	if h, is := worker.(*handle); is {
		at = h.HookSite()
	}
	at.Exit = run.Exit
	go func() {
		for _, name := range run.Names {
			at.Name = name
			begin := time.Now()
			err := p.hook(spec, at)
			took := time.Since(begin).Round(time.Millisecond)
			if err != nil {
				p.host.log.Error("hook failed", "worker", spec.Name(), "hook", name, "took", took, "error", err)
			} else {
				p.host.log.Info("hook", "worker", spec.Name(), "hook", name, "took", took)
			}
		}
		if run.Done != nil {
			p.host.post(run.Done)
		}
	}()
}

// hookTime is how long a hook may take beside its own time: its child executes the command
// within ten seconds, and what it has left behind is looked for.
const hookTime = 20 * time.Second

var errLost = errors.New("a hook does not come back: the disk of its program, directory or env_file does not answer")

// hook runs one. What does not come back in time is given up: the slot waits for it, and so
// does supd's end. Until it does come back none is begun, for each takes a thread.
func (p *program) hook(spec launch.Spec, at launch.HookSite) error {
	if p.lost.Load() > 0 {
		return errLost
	}
	ended := make(chan error, 1)
	go func() { ended <- p.host.launcher.Hook(context.Background(), spec, at) }()
	late := time.NewTimer(spec.Process.Hooks.Of(at.Name).Timeout + hookTime)
	defer late.Stop()
	select {
	case err := <-ended:
		return err
	case <-late.C:
	}
	p.lost.Add(1)
	go func() {
		<-ended
		p.lost.Add(-1)
	}()
	return errLost
}

// Explain gives the launch plan. Any goroutine may call it.
func (p *program) Explain(l engine.Launch) (string, error) {
	spec, err := p.spec(l, nil), error(nil)
	if spec.Account, err = p.accountNow(l.Process); err != nil {
		return "", err
	}
	return p.host.launcher.Explain(spec)
}

func (p *program) spec(l engine.Launch, announced <-chan struct{}) launch.Spec {
	return launch.Spec{App: l.App, Process: l.Process, Account: p.account, Log: p.log, Slot: l.Slot, Generation: l.Generation,
		Release: l.Release, Candidate: l.Candidate, Heard: l.Heard,
		Address: p.host.sockets.addresses(l.App, l.Process.Sockets), Report: report{p.host.post, l, announced}}
}

func (p *program) handle(l engine.Launch, w *launch.Worker) engine.Handle {
	h := &handle{w, p.host, l}
	return engine.Handle{Record: w.Process, Process: h, Observer: h}
}

// handle is a started worker as the owner knows it: an engine.Process and an
// engine.Observer.
type handle struct {
	*launch.Worker
	host   *host
	launch engine.Launch
}

func (h *handle) Left() { h.host.dead = append(h.host.dead, h.Worker) }

func (h *handle) SignalRest(signals []unix.Signal, alive []int) {
	left, isAlive := h.Worker.Left(), among(alive)
	go func() {
		if err := tree.Signal(h.host.self, left, isAlive, signals); err != nil {
			h.host.log.Error("signalling what a worker has started", "worker", left.Name, "error", err)
		}
	}()
}

func (h *handle) AwaitRest(alive []int) {
	left, isAlive, emptied := h.Worker.Left(), among(alive), h.launch.Emptied()
	go func() {
		remaining := func(n int) { h.host.post(h.launch.Remaining(n)) }
		if err := h.Worker.AwaitRest(h.host.self, left, isAlive, remaining); err != nil { // what is left is killed, then
			h.host.log.Error("waiting for what a worker has started", "worker", left.Name, "error", err)
		}
		h.host.post(emptied)
	}()
}

func (h *handle) Smoke(path string) {
	h.Worker.Smoke(path, func(err error) { h.host.post(h.launch.Smoked(err)) })
}

// report hands what happens to a worker to the owner: launch.Report. An answer must
// not overtake the launch, which is waited for.
type report struct {
	post      func(engine.Event)
	launch    engine.Launch
	announced <-chan struct{}
}

func (r report) send(e engine.Event) {
	<-r.announced
	r.post(e)
}

func (r report) Ready(how string)         { r.send(r.launch.Ready(how)) }
func (r report) Checked(err error)        { r.send(r.launch.Checked(err)) }
func (r report) Churned(deaths int)       { r.send(r.launch.Churned(deaths)) }
func (r report) Ended(exit privdrop.Exit) { r.send(r.launch.Ended(exitOfAnother(exit))) }

// Said is one event, whatever was said: that the worker is ill comes last, since then
// it is.
func (r report) Said(s launch.Said, heard func()) {
	r.send(func(o *engine.Owner) {
		defer heard()
		if s.Ready {
			r.launch.Ready("sent READY=1")(o)
		}
		if s.Ping {
			r.launch.Ping()(o)
		}
		if s.Ill {
			r.launch.Ill("sent WATCHDOG=trigger")(o)
		}
	})
}
