package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/socket"
	"supd/supervisor/output"
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

	// What a running supd cannot change.
	daemon  configs.Daemon
	control configs.Control
}

// New resolves the configuration and opens its sockets and log files; nothing
// runs yet. The process becomes the reaper of its descendants' orphans.
func New(c *configs.Config, log *slog.Logger) (*Supervisor, error) {
	if err := errors.Join(makeDirectories(c.Daemon), tree.BecomeSubreaper()); err != nil {
		return nil, err
	}
	s := &Supervisor{log: log, events: make(chan event, 64), done: make(chan struct{}), files: output.NewFiles(log),
		daemon: c.Daemon, control: c.Control}
	p, err := prepare(c, s.files)
	if err != nil {
		return nil, err
	}
	if s.kernel, err = newLinux(c, log, s.post); err != nil {
		return nil, err
	}
	s.owner = newOwner(log, s.kernel, s.events, &s.status)
	if err := s.owner.apply(p); err != nil {
		s.kernel.close()
		return nil, err
	}
	s.owner.publish(time.Now())
	return s, nil
}

func newOwner(log *slog.Logger, k kernel, events <-chan event, status *atomic.Pointer[Status]) *owner {
	return &owner{log: log, kernel: k, events: events, status: status,
		workers: map[int]*worker{}, strays: map[int]death{}, tasks: map[int]chan death{}, repairs: map[string]*repair{}}
}

func newLinux(c *configs.Config, log *slog.Logger, post func(event)) (*linux, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	set, err := socket.NewSet(c.Daemon.Runtime + "/sockets")
	if err != nil {
		return nil, err
	}
	dir, why := tree.OwnedCgroup()
	if dir == "" {
		log.Info("no cgroup of its own: left-over processes are found through /proc", "why", why)
	}
	return &linux{log: log, post: post, set: set, runtime: c.Daemon.Runtime, null: null, cgroups: dir, self: os.Getpid()}, nil
}

func (l *linux) close() {
	if err := l.set.Close(); err != nil {
		l.log.Warn("closing sockets", "error", err)
	}
	l.null.Close()
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
	s.kernel.set.Watch(func(d socket.Damage) { s.post(func(o *owner) { o.damaged(d) }) })
	s.owner.run()
	close(s.done)
	s.killLeft()
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

// Status is what runs now.
func (s *Supervisor) Status() *Status { return s.status.Load() }

// Do asks for r and waits for its end, or for that of ctx; what was asked for
// goes on then.
func (s *Supervisor) Do(ctx context.Context, r Request) *Result {
	if r.Action == ActionReopen {
		return s.reopen()
	}
	reply := make(chan *Result, 1)
	s.post(func(o *owner) { o.do(r, reply) })
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
// started, replaced and stopped in the background. After an error nothing has
// changed. One goroutine at a time may call it. Changes of [daemon] and [control]
// need a new start of supd; it says so.
func (s *Supervisor) Apply(c *configs.Config) error {
	p, err := prepare(c, s.files)
	if err != nil {
		return err
	}
	if c.Daemon != s.daemon || c.Control != s.control {
		s.log.Warn("changes of [daemon] and [control] need a new start of supd, and are left out", "config", c.Path)
	}
	reply := make(chan error, 1)
	s.post(func(o *owner) { reply <- o.apply(p) })
	select {
	case err = <-reply:
	case <-s.done:
		err = errors.New("supd has stopped")
	}
	if err != nil {
		return err
	}
	for log, options := range p.options {
		s.files.Change(log, options)
	}
	return nil
}
