package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop"
	"supd/supervisor/release"
	"supd/supervisor/tree"
)

// freezeTime is how long a supd that is to give its place to another one waits for
// launches that are under way.
const freezeTime = 10 * time.Second

// Reexec brings everything to rest, records it and calls exec, which puts another
// program into this process. If exec returns, with an error, all goes on as before.
func (s *Supervisor) Reexec(ctx context.Context, exec func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, freezeTime, errors.New("launches that are under way do not end"))
	defer cancel()
	failed := make(chan error, 1)
	s.post(func(o *owner) {
		o.frozen = func() {
			if err := s.leave(o, exec); !errors.Is(err, errMoves) {
				o.frozen = nil
				failed <- err
			}
		}
	})
	select {
	case err := <-failed:
		return err
	case <-s.done:
		return errStopped
	case <-ctx.Done():
		s.post(func(o *owner) { o.frozen = nil })
		return context.Cause(ctx)
	}
}

// Stops tells whether supd was told to stop, or has stopped.
func (s *Supervisor) Stops() bool {
	reply := make(chan bool, 1)
	s.post(func(o *owner) { reply <- o.quitting })
	select {
	case stops := <-reply:
		return stops
	case <-s.done:
		return true
	}
}

// errMoves says that something has begun while the outputs were left: it is waited
// for, and all is tried again.
var errMoves = errors.New("something is under way")

// leave is called in the owner's goroutine, which does nothing else any more.
func (s *Supervisor) leave(o *owner, exec func() error) error {
	if o.quitting {
		return errStopped
	}
	pass := passing{fds: map[string]int{}}
	defer pass.back()
	for key, socket := range s.kernel.set.All() {
		for i, fd := range socket.Fds() {
			pass.add(fmt.Sprintf("socket %s %d", key, i), fd)
		}
	}
	workers := o.quietly()
	for _, r := range workers {
		r.leave(&pass, s.post)
	}
	switch {
	case o.frozen == nil: // it has taken too long meanwhile
		return errStopped
	case !o.isQuiet() || o.quitting:
		return errMoves
	}
	record := o.saved()
	record.Passed, record.Pid = pass.fds, os.Getpid()
	record.Start, _ = tree.StartTime(record.Pid) // 0 is no process's: nothing would be taken then
	s.kernel.writer.write(record)
	if s.kernel.writer.failed {
		return fmt.Errorf("what runs cannot be recorded in %s; the log says why", s.kernel.writer.path)
	}
	s.log.Info("giving way to the installed supd")
	return exec()
}

// quietly has nobody read the workers' outputs any more. What their last lines
// have led to (one of them may have said that it is ready) happens before: it
// would not be known again. A reader may wait for the owner to take an event.
func (o *owner) quietly() (workers []*running) {
	o.eachSlot(func(s *slot) {
		for _, w := range s.workers {
			workers = append(workers, w.handle.(*running))
		}
	})
	for _, r := range workers {
		if r.capture != nil {
			r.capture.Leave()
		}
	}
	for _, r := range workers {
		for r.capture != nil && !isDone(r.capture.Done()) {
			select {
			case <-r.capture.Done():
			case e := <-o.events:
				o.happen(e)
			}
		}
	}
	o.drain()
	return workers
}

func isDone(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// passing is the descriptors that go through an execve, by what they are.
type passing struct {
	fds  map[string]int
	undo []func()
}

// add lets a descriptor through.
func (p *passing) add(name string, fd int) {
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
		return
	}
	p.fds[name] = fd
	p.undo = append(p.undo, func() { unix.CloseOnExec(fd) })
}

// back undoes everything, after an execve that has failed.
func (p *passing) back() {
	for _, undo := range p.undo {
		undo()
	}
}

// leave passes on what is open for the worker, whose output nobody reads any more:
// what it says in the meantime waits.
func (r *running) leave(p *passing, post func(event)) {
	name := r.job.file()
	if r.capture != nil {
		if pipe := r.capture.Left(); pipe != nil {
			p.add("output "+name, int(pipe.Fd()))
			p.undo = append(p.undo, func() { r.capture = r.job.log.CaptureAs(name, pipe, r.onLine(r.job, post), r.fields(r.job)...) })
		}
	}
	if r.notify != nil {
		if file, err := r.notify.conn.File(); err == nil {
			p.add("notify "+name, int(file.Fd()))
			p.undo = append(p.undo, func() { file.Close() })
		}
	}
}

// received are the descriptors that came through an execve, by what they are: of
// a record that this very process has left, when it was another program.
func (l *linux) received(s *saved) map[string]int {
	if s == nil || s.Pid != l.self {
		return nil
	}
	if start, err := tree.StartTime(l.self); err != nil || start != s.Start {
		return nil
	}
	l.became = true
	for _, fd := range s.Passed {
		unix.CloseOnExec(fd)
	}
	return s.Passed
}

// take gives a descriptor that came through an execve, once.
func (l *linux) take(name string) (fd int, ok bool) {
	fd, ok = l.passed[name]
	delete(l.passed, name)
	return fd, ok
}

// closePassed closes what nobody has taken.
func (l *linux) closePassed() {
	for _, fd := range l.passed {
		unix.Close(fd)
	}
	l.passed = nil
}

// isQuiet tells whether nothing is under way that another supd could not go on
// with.
func (o *owner) isQuiet() bool {
	if o.quitting { // which must not wait for this
		return true
	}
	if o.launching > 0 || o.saving || len(o.dead) > 0 {
		return false
	}
	swept := true // else the last words of a dead worker would be lost
	o.eachSlot(func(s *slot) { swept = swept && s.sweeps == 0 })
	if !swept {
		return false
	}
	for _, a := range o.apps {
		if r := a.rollout; r != nil && (r.recording || r.ending) {
			return false
		}
	}
	return true
}

// CheckTakeover tells whether this program could go on with what a running supd
// has recorded under the configuration. It changes nothing.
func CheckTakeover(c *configs.Config) error {
	boot, err := tree.BootID()
	if err != nil {
		return err
	}
	var errs []error
	path := c.Daemon.Runtime.Record()
	switch data, err := os.ReadFile(path); {
	case errors.Is(err, fs.ErrNotExist):
		errs = append(errs, fmt.Errorf("%s: no supd runs here", path))
	case err != nil:
		errs = append(errs, err)
	default:
		s, err := parseSaved(data)
		errs = append(errs, wrap(err, path))
		if err == nil && s.Boot != boot {
			errs = append(errs, fmt.Errorf("%s: is of an earlier boot of this machine", path))
		}
	}
	store := release.Open(c.Daemon.State)
	for _, a := range c.Apps {
		if a.Release == nil {
			continue
		}
		if _, err := release.ReadState(store.StatePath(a.Name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Ask runs a program as supd itself runs, and waits for its end. An end that is
// not good is an error with what it has said. os/exec cannot be used in a process
// whose owner reaps every child.
func (s *Supervisor) Ask(ctx context.Context, argv, env []string) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	null := int(s.kernel.null.Fd())
	said := int(write.Fd())
	plan, err := privdrop.Spec{Argv: argv, Env: env, KeepPrivs: true, AllowRoot: true, Files: []int{null, said, said}}.Plan()
	if err != nil {
		write.Close()
		return err
	}
	text := make(chan []byte, 1)
	go func() {
		all, _ := io.ReadAll(io.LimitReader(read, 4<<10)) // an error is its end
		text <- all
		io.Copy(io.Discard, read)
	}()
	d, err := s.kernel.task(ctx, plan)
	write.Close()
	if err != nil {
		return err
	}
	if !d.clean([]int{0}, nil) {
		return fmt.Errorf("%s: %s: %s", argv[0], d, strings.TrimSpace(string(<-text)))
	}
	return nil
}
