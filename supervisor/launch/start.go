package launch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"supd/privdrop"
	"supd/socket"
	"supd/supervisor/tree"
)

// Start launches a worker. fds are the descriptors of its shared sockets, which
// stay the caller's. After an error what was made for the worker is removed in the
// background.
func (l *Launcher) Start(s Spec, fds []int) (*Worker, error) {
	w := l.worker(s)
	w.uid = s.user()
	if err := w.start(fds); err != nil {
		go w.Discard()
		return nil, err
	}
	return w, nil
}

func (w *Worker) start(fds []int) error {
	spec, out, err := w.prepare(fds)
	if err != nil {
		return err
	}
	defer out.close()
	if spec.CgroupFD != 0 {
		defer unix.Close(spec.CgroupFD)
	}
	if err := w.preStart(); err != nil {
		return err
	}
	out.note(&w.Belongings)
	token, err := w.writeNote()
	if err != nil {
		return err
	}
	asked := spec // who is asked in the worker's place is not the worker
	spec.Env = append([]string{tokenVariable + "=" + token}, spec.Env...)
	low, back := w.launcher.Places.lend(spec.Files)
	defer back()
	spec.Files = low
	if err := w.spec.Attempt.begin(); err != nil {
		return err
	}
	if w.process, err = spec.Start(); err != nil {
		return err
	}
	w.Pid = w.process.Pid
	// An error says that it has died already, and that nobody will look for it.
	w.Identity.Start, w.Identity.Inode, _ = w.process.Identity()
	for s, one := range out {
		if one != nil {
			w.captureFrom(stream(s), one.take())
		}
	}
	if w.spec.Process.Health.Question().ByEnvironment() {
		w.launched.spec = &asked
	}
	w.ask(func(context.Context) (privdrop.Spec, error) { return asked, nil })
	return nil
}

// prepare makes everything that the worker needs beside the process, and says how
// it is to be launched.
func (w *Worker) prepare(fds []int) (privdrop.Spec, pipes, error) {
	none, noPipes, s := privdrop.Spec{}, pipes{}, w.spec
	if err := w.makeDirectory(); err != nil {
		return none, noPipes, err
	}
	if s.Candidate {
		var err error
		if fds, err = w.openPrivate(); err != nil {
			return none, noPipes, err
		}
	}
	if s.hasProbe() {
		if err := w.openProbe(); err != nil {
			return none, noPipes, err
		}
		fds = append(fds[:len(fds):len(fds)], w.probe.Fd())
	}
	if err := w.openNotify(); err != nil {
		return none, noPipes, err
	}
	w.openStatsd()
	argv, env, err := environment(s, w.Belongings.Directory, w.notifyPath(), w.statsdAddr())
	if err != nil {
		return none, noPipes, err
	}
	out, err := newPipes(s)
	if err != nil {
		return none, noPipes, err
	}
	spec := s.workerSpec(argv, env)
	spec.Files = slices.Concat([]int{int(w.launcher.Null.Fd())}, out.workers(), fds)
	spec.ListenNames = s.listenNames()
	w.Belongings.Sockets = inodesOf(spec.ListenNames, fds)
	if w.statsd != nil { // so that it outlives supd
		spec.Files = append(spec.Files, w.statsd.Fd())
	}
	if w.launcher.Cgroups != "" {
		if spec.CgroupFD, err = w.makeCgroup(); err != nil {
			out.close()
			return none, noPipes, err
		}
	}
	return spec, out, nil
}

// makeDirectory makes XDG_RUNTIME_DIR: the worker's own, so that two generations
// of gunicorn do not share a control socket.
func (w *Worker) makeDirectory() (err error) {
	if w.room, err = w.launcher.Rooms.enter(w.spec.App); err != nil {
		return fmt.Errorf("runtime directory: %w", err)
	}
	dir := w.launcher.Runtime.Worker(w.spec.App, w.spec.File())
	err = w.fillDirectory(dir)
	if errors.Is(err, unix.ENOSPC) && w.room.isMounted() {
		err = fmt.Errorf("%w: the app's workers have filled theirs; supctl stop %s empties them", err, w.spec.App)
	}
	return err
}

func (w *Worker) fillDirectory(dir string) error {
	if err := w.newDirectory(dir); err != nil {
		return fmt.Errorf("runtime directory: %w", err)
	}
	w.Belongings.Directory = dir
	for _, path := range scratchEnv(w.spec.Process, dir) { // before the user can put anything else in their place
		if err := errors.Join(os.Mkdir(path, 0o700), give(path, w.spec.Account)); err != nil {
			return fmt.Errorf("scratch: %w", err)
		}
	}
	return give(dir, w.spec.Account)
}

// give makes a directory the account's.
func give(dir string, account *privdrop.Account) error {
	if account.UID == os.Geteuid() {
		return nil
	}
	return os.Chown(dir, account.UID, account.GID)
}

func (w *Worker) newDirectory(dir string) error {
	err := os.Mkdir(dir, 0o700)
	switch {
	case errors.Is(err, fs.ErrExist): // of an earlier supd
		err = w.room.rubbish.Throw(dir)
	case errors.Is(err, fs.ErrNotExist): // somebody has cleaned up
		err = w.room.makeAgain()
	default:
		return err
	}
	if err != nil {
		return err
	}
	return os.Mkdir(dir, 0o700)
}

func (w *Worker) openProbe() (err error) {
	spec := w.probeSpec()
	w.probePath = strings.TrimPrefix(spec.Listen, "unix:")
	w.probe, err = socket.Open(spec)
	return err
}

func (w *Worker) probeSpec() socket.Spec {
	return socket.Spec{
		Name:   "probe",
		Listen: "unix:" + w.launcher.Runtime.Probe(w.spec.File()),
		Mode:   0o600, // supd alone asks
	}
}

// openPrivate opens a listener of the worker's own in the place of each shared one.
func (w *Worker) openPrivate() (fds []int, err error) {
	for i, name := range w.spec.Process.Sockets {
		path := w.launcher.Runtime.Private(w.spec.File(), i)
		spec := socket.Spec{Name: name, Listen: "unix:" + path, Mode: 0o600}
		if w.spec.Address(name).Network == "udp" {
			spec = socket.Spec{Name: name, Listen: "udp:127.0.0.1:0"}
		}
		s, err := socket.Open(spec)
		if err != nil {
			return nil, err
		}
		w.private = append(w.private, s)
		fds = append(fds, s.Fd())
	}
	return fds, nil
}

func (w *Worker) makeCgroup() (fd int, err error) {
	w.Belongings.Cgroup, fd, err = w.launcher.makeCgroup(w.spec.File())
	return fd, err
}

// makeCgroup gives the path of a cgroup, and its directory's descriptor for a launch. The
// path is there with an error too, where the cgroup is.
func (l *Launcher) makeCgroup(name string) (path string, fd int, err error) {
	dir, err := tree.MakeCgroup(l.Cgroups, name)
	if err != nil {
		return "", 0, fmt.Errorf("cgroup: %w", err)
	}
	defer dir.Close()
	fd, err = unix.FcntlInt(dir.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	return dir.Name(), fd, err
}

// unknownPort stands for the port that the kernel chooses at the launch.
var unknownPort = netip.MustParseAddrPort("127.0.0.1:0")

// Explain gives the plan that a launch makes, call by call, and does nothing else:
// its descriptors are all supd's /dev/null, and the names of directories and
// sockets are those that a launch would use.
func (l *Launcher) Explain(s Spec) (string, error) {
	notify := ""
	if s.notifies() {
		notify = l.Runtime.Notify(s.File())
	}
	at := netip.AddrPort{}
	if s.Process.Statsd {
		at = unknownPort
	}
	argv, env, err := environment(s, l.Runtime.Worker(s.App, s.File()), notify, at)
	if err != nil {
		return "", err
	}
	spec := s.workerSpec(argv, env)
	spec.ListenNames = s.listenNames()
	count := 3 + len(spec.ListenNames)
	if s.Process.Statsd {
		count++
	}
	for range count {
		spec.Files = append(spec.Files, int(l.Null.Fd()))
	}
	plan, err := spec.Plan()
	if err != nil {
		return "", err
	}
	var text strings.Builder
	err = plan.Explain(&text)
	return text.String(), err
}
