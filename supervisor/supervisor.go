package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/socket"
	"supd/supervisor/output"
	"supd/supervisor/release"
	"supd/supervisor/tree"
)

// Supervisor runs the workers of a configuration. Its methods may be called from
// any goroutine, except where they say otherwise.
type Supervisor struct {
	log    *slog.Logger
	events chan event
	status atomic.Pointer[Status]
	done   chan struct{} // closed when Run has stopped everything
	files  *output.Files
	owner  *owner // Run's
	kernel *linux
	store  *release.Store
	newest atomic.Pointer[configs.Config] // that was applied, or is to be
	apply  chan struct{}                  // with the one token of whoever applies

	// What a running supd cannot change.
	daemon  configs.Daemon
	control configs.Control
}

// New resolves the configuration and opens its sockets and log files; nothing
// runs yet. A socket that was inherited is not opened but taken; one that no
// configured socket is like is closed. The process becomes the reaper of its
// descendants' orphans.
func New(c *configs.Config, log *slog.Logger, inherited ...Inherited) (*Supervisor, error) {
	if err := errors.Join(makeDirectories(c.Daemon), tree.BecomeSubreaper()); err != nil {
		return nil, err
	}
	s := &Supervisor{log: log, events: make(chan event, 64), done: make(chan struct{}), apply: make(chan struct{}, 1), files: output.NewFiles(log),
		daemon: c.Daemon, control: c.Control}
	s.store = release.Open(c.Daemon.State)
	s.newest.Store(c)
	var err error
	if s.kernel, err = newLinux(c, log, s); err != nil {
		return nil, err
	}
	s.owner = newOwner(log, s.kernel, s.events, &s.status)
	s.owner.exitOn = c.Daemon.ExitOn
	for _, i := range inherited {
		s.kernel.offerAs(i.Name, i.Fd)
	}
	if err := s.first(c); err != nil {
		s.kernel.close()
		return nil, err
	}
	s.owner.publish(time.Now())
	return s, nil
}

// first applies the configuration that supd starts with. The owner does not run
// yet.
func (s *Supervisor) first(c *configs.Config) error {
	known, err := s.known(c, nil)
	if err != nil {
		return err
	}
	if err := s.files.KeepIn(c.Daemon.Runtime.Output()); err != nil {
		return err
	}
	p, err := prepare(c, s.files, known, func(string) bool { return true })
	if err != nil {
		return err
	}
	left, err := s.kernel.inherit()
	if err != nil {
		return err
	}
	if err := s.owner.apply(p); err != nil {
		return err
	}
	for key, socket := range s.kernel.set.All() {
		if left.recorded && !socket.Adopted() {
			s.log.Warn("socket bound anew: no listener of an earlier supd was found", "socket", key)
		}
	}
	for _, refused := range s.kernel.set.Refused() {
		s.log.Warn("socket of before", "error", refused)
	}
	for _, one := range p.apps {
		s.resumeRollout(c, s.owner.app(one.config.Name), left)
	}
	s.owner.takeOver(left, s.kernel)
	s.kernel.closePassed()
	s.kernel.sweepRuntime(left)
	if err := s.files.WriteRest(); err != nil {
		s.log.Error("what an earlier supd has left of the output of workers that are gone", "error", err)
	}
	return nil
}

// resumeRollout plans the rollout of an app that an earlier supd has not brought to
// its end.
func (s *Supervisor) resumeRollout(c *configs.Config, a *app, left *estate) {
	record := a.state.Rollout
	if record == nil {
		return
	}
	to, err := savedRelease(record, func(version string) (release.Release, error) { return s.store.Get(a.name, version) })
	var target preparedApp
	if err == nil {
		target, err = s.prepareRelease(c, a.name, to)
	}
	s.owner.unfinished(a, left.recorded, target, err)
}

func newOwner(log *slog.Logger, k kernel, events <-chan event, status *atomic.Pointer[Status]) *owner {
	return &owner{log: log, kernel: k, events: events, status: status,
		workers: map[int]*worker{}, strays: map[int]death{}, tasks: map[int]chan death{}, repairs: map[string]*repair{}}
}

func newLinux(c *configs.Config, log *slog.Logger, s *Supervisor) (*linux, error) {
	lock, err := lockRuntime(string(c.Daemon.Runtime))
	if err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	set, err := socket.NewSet(c.Daemon.Runtime.Sockets())
	if err != nil {
		return nil, err
	}
	dir, why := tree.OwnedCgroup()
	if dir == "" {
		log.Info("no cgroup of its own: left-over processes are found through /proc", "why", why)
	}
	boot, err := tree.BootID()
	if err != nil {
		return nil, err
	}
	return &linux{log: log, lock: lock, writer: writer{log: log, path: c.Daemon.Runtime.Record(), boot: boot}, post: s.post, supervisor: s, journals: journals{log, s.post, map[string]chan write{}},
		set: set, runtime: string(c.Daemon.Runtime), null: null, cgroups: dir, self: os.Getpid()}, nil
}

// lockTime is how long the lock of a supd that was killed is waited for: it goes
// when the last of its threads ends, some time after the process is seen to be gone.
const lockTime = time.Second

// lockRuntime keeps a second supd away from the runtime directory. The lock goes
// with the process.
func lockRuntime(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	for end := time.Now().Add(lockTime); err == unix.EWOULDBLOCK && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another supd runs with %s as its runtime directory; stop it, or give this one a directory of its own", dir)
		}
		return nil, &os.PathError{Op: "flock", Path: path, Err: err}
	}
	return file, nil
}

func (l *linux) close() {
	if err := l.closeSet(); err != nil {
		l.log.Warn("closing sockets", "error", err)
	}
	l.null.Close()
	l.journals.close()
	l.lock.Close()
}

// Run supervises until ctx ends or a shutdown is asked for, then stops every
// worker and closes the sockets. It is called once.
func (s *Supervisor) Run(ctx context.Context) {
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	defer signal.Stop(children)
	go func() {
		for {
			select {
			case <-children:
				s.post((*owner).childDied)
			case <-ctx.Done():
				s.post((*owner).quit)
				ctx = context.WithoutCancel(ctx)
			case <-s.done:
				return
			}
		}
	}()
	s.post((*owner).childDied) // those of a supd that has become this one may have died meanwhile
	go s.takeUpAll()
	s.kernel.set.Watch(func(d socket.Damage) { s.post(func(o *owner) { o.damaged(d) }) })
	s.owner.run()
	close(s.done)
	s.killLeft()
	s.kernel.forgetSaved()
	s.kernel.close()
	s.files.Close()
}

// killLeft ends what no worker could be found for.
func (s *Supervisor) killLeft() {
	killed, err := tree.KillAll(os.Getpid(), func(int) bool { return false })
	if len(killed) > 0 || err != nil {
		s.log.Warn("killed what was left behind", "pids", killed, "error", err)
	}
	s.kernel.reap(func(int) bool { return false })
}

// post hands an event to the owner; after the end it is dropped.
func (s *Supervisor) post(e event) {
	select {
	case s.events <- e:
	case <-s.done:
	}
}

// Turn returns when the owner's loop has turned once more: proof that it is not
// stuck. The error is that of ctx.
func (s *Supervisor) Turn(ctx context.Context) error {
	turned := make(chan struct{})
	s.post(func(*owner) { close(turned) })
	select {
	case <-turned:
		return nil
	case <-s.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Status is what runs now.
func (s *Supervisor) Status() *Status { return s.status.Load() }

// Do asks for r and waits for its end, or for that of ctx; what was asked for
// goes on then.
func (s *Supervisor) Do(ctx context.Context, r Request) *Result {
	switch r.Action {
	case ActionReopen:
		return s.reopen()
	case ActionDeploy, ActionRollback, ActionResume, ActionHold, ActionUnhold, ActionUnregister, ActionRefresh:
		return s.ofRelease(ctx, r)
	}
	reply := make(chan *Result, 1)
	s.post(func(o *owner) { o.do(r, reply) })
	return s.answer(ctx, reply)
}

// answer waits for the owner's answer.
func (s *Supervisor) answer(ctx context.Context, reply <-chan *Result) *Result {
	select {
	case result := <-reply:
		return result
	case <-ctx.Done():
		return &Result{Code: CodeTimeout, Error: "still in progress"}
	case <-s.done:
		select {
		case result := <-reply:
			return result
		default:
			return &Result{Code: CodeFailed, Error: "supd has stopped"}
		}
	}
}

func (s *Supervisor) reopen() *Result {
	if err := s.Reopen(); err != nil {
		return &Result{Code: CodeFailed, Error: err.Error()}
	}
	return &Result{}
}

// Reopen opens all log files anew, after somebody has moved them.
func (s *Supervisor) Reopen() error { return s.files.Reopen() }

// Apply makes c the configuration: it looks everything up, and then workers are
// started, replaced and stopped in the background; those of an app in a rollout
// after that. After an error nothing has changed. Changes of [daemon] and [control]
// need a new start of supd; it says so.
func (s *Supervisor) Apply(c *configs.Config) error {
	s.apply <- struct{}{}
	defer func() { <-s.apply }()
	if c.Daemon != s.daemon || c.Control != s.control {
		s.log.Warn("changes of [daemon] and [control] need a new start of supd, and are left out", "config", c.Path)
	}
	for {
		err := s.applyOnce(c)
		if errors.Is(err, errChanged) {
			continue
		}
		if err == nil { // what was registered to be deployed before its app was there
			go s.refresh(Request{Action: ActionRefresh, Targets: namesOf(c)})
		}
		return err
	}
}

func namesOf(c *configs.Config) (names []string) {
	for i := range c.Apps {
		names = append(names, c.Apps[i].Name)
	}
	return names
}

// applyOnce fails with errChanged when it has to be tried again.
func (s *Supervisor) applyOnce(c *configs.Config) error {
	have, err := s.have()
	if err != nil {
		return err
	}
	known, err := s.known(c, have)
	if err != nil {
		return err
	}
	p, err := prepare(c, s.files, known, func(app string) bool { return have[app].trouble })
	if err != nil {
		leave(known)
		return err
	}
	reply := make(chan error, 1)
	s.post(func(o *owner) { reply <- o.apply(p) })
	select {
	case err = <-reply:
	case <-s.done:
		err = errStopped
	}
	if err != nil {
		leave(known)
		return err
	}
	s.newest.Store(c)
	for log, options := range p.options {
		s.files.Change(log, options)
	}
	return nil
}

// again applies the newest configuration once more, after a rollout has kept some
// of it waiting.
func (s *Supervisor) again() {
	if err := s.Apply(s.newest.Load()); err != nil {
		s.log.Error("configuration not applied after the rollout", "error", err)
	}
}
