package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"supd/configs"
	"supd/privdrop/files"
	"supd/supervisor/engine"
	"supd/supervisor/launch"
	"supd/supervisor/record"
	"supd/supervisor/release"
	"supd/supervisor/tree"
)

// freezeTime is how long a supd that is to give its place to another one waits for
// launches that are under way: longer than a process of a worker's user can hold one up.
// What has no process yet, for its pre_start hook or a disk, has putOffTime of that.
const (
	freezeTime = 15 * time.Second
	putOffTime = 5 * time.Second
)

// Reexec brings everything to rest, records it and calls exec, which puts another
// program into this process. If exec returns, with an error, all goes on as before.
func (s *Supervisor) Reexec(ctx context.Context, exec func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, freezeTime, errors.New("launches that are under way do not end"))
	defer cancel()
	failed := make(chan error, 1)
	s.owner.Post(func(o *engine.Owner) {
		o.Freeze(func() {
			if err := s.leave(o, exec); !errors.Is(err, errMoves) {
				o.Thaw()
				failed <- err
			}
		})
	})
	late := time.AfterFunc(putOffTime, func() { s.owner.Post((*engine.Owner).PutOff) })
	defer late.Stop()
	select {
	case err := <-failed:
		return err
	case <-s.owner.Done():
		return engine.ErrStopped
	case <-ctx.Done():
		s.owner.Post((*engine.Owner).Thaw)
		return context.Cause(ctx)
	}
}

// errMoves says that something has begun while the outputs were left: it is waited
// for, and all is tried again.
var errMoves = errors.New("something is under way")

// leave is called in the owner's goroutine, which does nothing else any more.
func (s *Supervisor) leave(o *engine.Owner, exec func() error) error {
	if o.Quits() {
		return engine.ErrStopped
	}
	passing := launch.Passing{Fds: launch.Passed{}}
	defer passing.Undo()
	if s.host.leaving > 0 {
		return errors.New("the disk of a log still does not answer, for which supd was not replaced before; look at what is mounted")
	}
	if err := awaitThreads(); err != nil { // the readers may be among them
		return err
	}
	if err := s.host.stopReading(o); err != nil {
		return err
	}
	for w := range s.host.living {
		w.Leave(&passing)
	}
	switch {
	case !o.IsFrozen(): // it has taken too long meanwhile
		return engine.ErrStopped
	case !o.IsQuiet() || o.Quits():
		return errMoves
	}
	if err := awaitThreads(); err != nil {
		return err
	}
	s.host.sockets.pass(&passing) // no event is run any more, which could open another
	s.files.Flush()               // of what waits in memory nobody would know
	r := o.Record()
	r.Passed, r.Pid, r.Logs = passing.Fds, os.Getpid(), s.files.Counts()
	r.Start, _ = tree.StartTime(r.Pid) // 0 is no process's: nothing would be taken then
	s.host.writer.Write(r)
	if s.host.writer.Failed {
		return fmt.Errorf("what runs cannot be recorded in %s; the log says why", s.host.writer.Path)
	}
	s.host.statsd.Save()
	s.log.Info("giving way to the installed supd")
	return exec()
}

// threadTime is how long is waited for threads that nothing ends: they are with a disk,
// which may be a busy one.
const threadTime = time.Second

// awaitThreads is an error if a thread waits in the kernel for what no signal ends: execve(2)
// would wait for it, and nobody would supervise meanwhile.
func awaitThreads() error {
	for begin := time.Now(); ; time.Sleep(threadTime / 50) {
		in := tree.Unkillable(os.Getpid())
		switch {
		case in == "":
			return nil
		case time.Since(begin) > threadTime:
			return fmt.Errorf("a thread of supd waits in the kernel (%s) for a disk that does not answer; look at what is mounted", in)
		}
	}
}

// leaveTime is how long is waited for what is being written into logs.
const leaveTime = 5 * time.Second

// stopReading ends the reading of the workers' outputs. What their last lines have
// led to (one of them may have said that it is ready) happens before: it would not
// be known again. A reader may wait for the owner to take an event, and for a disk that
// does not answer: then all are read on.
func (h *host) stopReading(o *engine.Owner) error {
	stopped := map[*launch.Worker][]<-chan struct{}{}
	for w := range h.living {
		stopped[w] = w.StopReading()
	}
	end := time.Now().Add(leaveTime)
	for w, all := range stopped {
		for _, one := range all {
			if !o.Await(one, end) {
				h.readOn(o, stopped)
				if o.Quits() {
					return engine.ErrStopped
				}
				return fmt.Errorf("what %s prints cannot be written: the disk of its log does not answer; look at what is mounted", w.Name())
			}
		}
	}
	o.IsQuiet()
	return nil
}

// readOn takes stopReading back.
func (h *host) readOn(o *engine.Owner, stopped map[*launch.Worker][]<-chan struct{}) {
	for w := range stopped {
		w.ReadOn(func(left func() func()) {
			h.leaving++
			go func() {
				again := left()
				o.Post(func(*engine.Owner) {
					h.leaving--
					again()
				})
			}()
		})
	}
}

// TookPlace reports whether this very process was a supd already, which has given way to
// this program. It may be asked until Run.
func TookPlace(c *configs.Config) bool {
	data, err := files.ReadOurs(c.Daemon.Runtime.Record(), record.MostBytes)
	if err != nil {
		return false
	}
	r, err := record.Parse(data)
	boot, bad := tree.BootID()
	return err == nil && bad == nil && r.Boot == boot && isLeftBy(r, os.Getpid())
}

// CheckTakeover says what keeps this program from going on with what the supd that has
// started it has recorded under the configuration: the record, and all that a start would
// say, but for what an app's user decides: an app is held back for that alone, and its user
// could keep supd from being replaced; and but for rights, which supd does not have now
// either. It changes nothing.
func CheckTakeover(c *configs.Config) error {
	boot, err := tree.BootID()
	if err != nil {
		return err
	}
	errs := checkStart(c, true, os.Getppid(), func(a *configs.App, err error) bool { return c.OthersDecide(a, err) || isOfRights(err) })
	if err := checkHeld(c.Daemon.Runtime, os.Getppid()); err != nil {
		errs = append(errs, c.FaultOf("daemon.runtime", err))
	}
	path := c.Daemon.Runtime.Record()
	switch data, err := files.ReadOurs(path, record.MostBytes); {
	case errors.Is(err, fs.ErrNotExist):
		errs = append(errs, fmt.Errorf("%s: no supd runs here", path))
	case err != nil:
		errs = append(errs, err)
	default:
		s, err := record.Parse(data)
		errs = append(errs, wrap(err, path))
		if err == nil && s.Boot != boot {
			errs = append(errs, fmt.Errorf("%s: is of an earlier boot of this machine", path))
		}
	}
	if _, err := readLasting(lastingPath(c.Daemon.State)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, err) // a start would set it aside
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
