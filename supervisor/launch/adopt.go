package launch

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

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
	process, err := privdrop.Adopt(p.Pid, p.Identity.Start, p.Identity.Inode)
	switch {
	case errors.Is(err, privdrop.ErrEnded): // a zombie: the owner reaps it where it is a child
		return w, nil
	case errors.Is(err, privdrop.ErrGone): // nobody is going to reap it
		w.Adopted = true
		return w, nil
	case err != nil:
		return nil, err
	}
	w.process, w.aliveAt = process, tree.Now()
	if w.Identity.Inode == 0 {
		w.Identity.Start, w.Identity.Inode, _ = process.Identity()
	}
	return w, nil
}

// Lives reports whether the main process was found to live.
func (w *Worker) Lives() bool { return w.process != nil }

// Adopt goes on with what was made for a worker that was found: its output, its
// notify socket, the questions whether it is ready where starting says that nobody
// knows, and waiting for its end. passed are the descriptors that came through an
// execve.
func (w *Worker) Adopt(s Spec, starting bool, passed Passed) {
	w.spec = s
	switch {
	case w.process != nil:
		w.resume(starting, passed)
	case !w.Adopted: // what it has said last is in its pipe
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
	if starting || s.Process.Health.Exec != nil {
		spec, err := w.specAgain()
		if err != nil {
			log.Warn("asking a worker that was taken over", "worker", s.Name(), "error", err)
		} else {
			w.launched = spec
			if starting {
				w.ask(spec)
			}
		}
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

// specAgain is what the worker was launched with, for commands that ask.
func (w *Worker) specAgain() (privdrop.Spec, error) {
	argv, env, err := environment(w.spec, w.Belongings.Directory, w.notifyPath(), w.statsdAddr())
	if err != nil {
		return privdrop.Spec{}, err
	}
	return w.spec.workerSpec(argv, env), nil
}

func (w *Worker) reopenOutput(passed Passed) error {
	hasLog := w.spec.Log != nil
	if fd, ok := passed.take("output " + w.spec.File()); ok && hasLog {
		file, err := output.Inherited(fd)
		if err == nil {
			w.captureFrom(file)
		}
		return err
	}
	if w.process == nil {
		return nil
	}
	if w.Belongings.Pipe == 0 {
		w.Belongings.Pipe = pipeOf(w.Pid)
	}
	if w.Belongings.Pipe == 0 || !hasLog {
		return errors.New("its output is not captured")
	}
	file, err := output.Reopen(w.Pid, w.Belongings.Pipe)
	if errors.Is(err, os.ErrNotExist) {
		return nil // it has closed its output
	}
	if err == nil {
		w.captureFrom(file)
	}
	return err
}

// pipeOf is the inode of the pipe that is the standard output of a process, 0 if
// that is none.
func pipeOf(pid int) uint64 {
	file, err := os.Open("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		return 0
	}
	defer file.Close()
	var st unix.Stat_t
	if unix.Fstatat(int(file.Fd()), "1", &st, 0) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return 0
	}
	return st.Ino
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
	fds := []int{}
	if inode := w.Belongings.Sockets["probe"]; inode != 0 {
		fd, err := w.Held(inode)
		if err != nil {
			return err
		}
		fds = append(fds, fd)
	} else {
		fds = w.AllHeld()
	}
	var errs []error
	for _, fd := range fds {
		s, err := socket.Adopt(w.probeSpec(), fd)
		switch {
		case err != nil:
			unix.Close(fd)
			errs = append(errs, err)
		case w.probe != nil:
			unix.Close(s.Fd())
		default:
			w.probe = s
		}
	}
	if w.probe != nil {
		return nil
	}
	return errors.Join(errs...)
}
