package launch

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"supd/privdrop"
	"supd/socket"
	"supd/supervisor/output"
	"supd/supervisor/record"
	"supd/supervisor/tree"
)

// Find looks for a worker that an earlier supd has launched, and touches nothing
// of it. What may live but cannot be found out about is an error:
// it must not be started a second time.
func (l *Launcher) Find(p record.Process) (*Worker, error) {
	w := l.worker(Spec{})
	w.Process = p
	if p.Belongings.Directory != "" {
		w.note = l.Runtime.Launch(filepath.Base(p.Belongings.Directory))
		w.room = l.Rooms.of(p.Belongings.Directory)
		w.noted, _ = os.Readlink(w.note)
	}
	process, err := privdrop.Adopt(p.Pid, p.Identity.Start, p.Identity.Inode)
	switch {
	case errors.Is(err, privdrop.ErrEnded): // a zombie: the owner reaps it where it is a child
		return w, nil
	case errors.Is(err, privdrop.ErrGone): // nobody is going to reap it
		w.Adopted, w.ours = true, !p.Adopted
		return w, nil
	case err != nil:
		return nil, err
	}
	w.process, w.aliveAt = process, tree.Now()
	if w.Identity.Inode == 0 {
		w.Identity.Start, w.Identity.Inode, _ = process.Identity()
	}
	w.lookFirst()
	w.findUser()
	return w, nil
}

// Lives reports whether the main process was found to live.
func (w *Worker) Lives() bool { return w.process != nil }

// Adopt goes on with what was made for a worker that was found: its output, its
// notify socket, the questions whether it is ready where starting says that nobody
// knows, and waiting for its end. passed are the descriptors that came through an
// execve.
func (w *Worker) Adopt(s Spec, starting bool, passed Passed) {
	w.specify(s)
	switch {
	case w.process != nil:
		w.resume(starting, passed)
	case !w.Adopted || w.ours: // what it has said last is in its pipe
		if err := w.reopenOutput(passed); err != nil {
			w.launcher.Log.Warn("last output of a worker", "worker", s.Name(), "error", err)
		}
	}
}

func (w *Worker) resume(starting bool, passed Passed) {
	log, s := w.launcher.Log, w.spec
	// All that can be had is taken, and the error joins the rest.
	if err := errors.Join(w.reopenOutput(passed), w.rebindNotify(passed), w.takeProbe(), w.takeStatsd(passed)); err != nil {
		log.Warn("taking over what belongs to a worker", "worker", s.Name(), "pid", w.Pid, "error", err)
	}
	if starting {
		w.ask(w.recall)
	}
	if w.Adopted {
		w.await()
	}
}

// await reports the end of a worker that is no child of this process.
func (w *Worker) await() {
	go func() {
		if exit, err := w.process.Done(w.life); err == nil { // else it was released meanwhile
			w.spec.Report.Ended(exit)
		}
	}()
}

func (w *Worker) reopenOutput(passed Passed) error {
	err := w.reopenStream(stdout, w.Belongings.Pipe, passed)
	if inode := w.Belongings.ErrorPipe; inode != 0 {
		err = errors.Join(err, w.reopenStream(stderr, inode, passed))
	}
	return err
}

func (w *Worker) reopenStream(s stream, inode uint64, passed Passed) error {
	hasLog := w.spec.Log != nil
	if fd, ok := passed.take(passedOutput(s, w.spec.File())); ok && hasLog {
		file, err := output.Inherited(fd)
		if err == nil {
			w.captureFrom(s, file)
		}
		return err
	}
	if w.process == nil {
		return nil
	}
	if inode == 0 || !hasLog {
		return errors.New("its output is not captured")
	}
	at, is := w.held[pipeLink(inode)]
	if !is {
		return nil // nobody writes to it any more
	}
	file, err := output.Reopen(at.pid, at.number, inode)
	switch {
	case errors.Is(err, os.ErrNotExist): // closed just now
		return nil
	case err != nil:
		return err
	}
	w.captureFrom(s, file)
	return nil
}

// rebindNotify binds the socket anew that the worker sends its messages to.
func (w *Worker) rebindNotify(passed Passed) error {
	if fd, ok := passed.take("notify " + w.spec.File()); ok {
		return w.inheritNotify(fd)
	}
	return w.openNotify()
}

// takeProbe takes a copy of the socket that the worker is asked on.
func (w *Worker) takeProbe() error {
	if !w.spec.hasProbe() {
		return nil
	}
	w.probePath = strings.TrimPrefix(w.probeSpec().Listen, "unix:")
	inodes := slices.Collect(maps.Values(w.Belongings.Sockets))
	if inode := w.Belongings.Sockets["probe"]; inode != 0 {
		inodes = []uint64{inode}
	} // else it is one of those in the note of the launch, which have no names
	var errs []error
	for _, inode := range inodes {
		fd, err := w.Held(inode)
		if err == nil {
			if w.probe, err = socket.Adopt(w.probeSpec(), fd); err == nil { // else it has closed fd
				return nil
			}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
