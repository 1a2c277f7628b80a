package supervisor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"supd/socket"
	"supd/supervisor/output"
)

// takeBelongings opens anew what an earlier supd had open for a worker. All that
// can be had is, and the error joins the rest.
func (r *running) takeBelongings(l *linux, j job, saved *savedWorker, report func(event)) error {
	return errors.Join(r.reopenOutput(l, j, report), r.rebindNotify(l, j, report), r.takeProbe(l, j, saved))
}

func (r *running) reopenOutput(l *linux, j job, report func(event)) error {
	if fd, ok := l.take("output " + j.file()); ok && j.log != nil {
		file, err := output.Inherited(fd)
		if err == nil {
			r.capture = j.log.CaptureAs(j.file(), file, r.onLine(j, report), r.fields(j)...)
		}
		return err
	}
	if r.process == nil {
		return nil
	}
	if r.pipe == 0 {
		r.pipe = pipeOf(r.main)
	}
	if r.pipe == 0 || j.log == nil {
		return errors.New("its output is not captured")
	}
	file, err := output.Reopen(r.main, r.pipe)
	if errors.Is(err, os.ErrNotExist) {
		return nil // it has closed its output
	}
	if err != nil {
		return err
	}
	r.capture = j.log.CaptureAs(j.file(), file, r.onLine(j, report), r.fields(j)...)
	return nil
}

// pipeOf is the inode of the pipe that is the standard output of a process, 0 if
// that is none.
func pipeOf(pid int) uint64 {
	file, err := os.Open("/proc/" + itoa(pid) + "/fd")
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
func (r *running) rebindNotify(l *linux, j job, report func(event)) error {
	if fd, ok := l.take("notify " + j.file()); ok {
		return r.inheritNotify(fd, j, l, report)
	}
	_, err := r.openNotify(l, j, report)
	return err
}

// takeProbe takes a copy of the socket that the worker is asked on.
func (r *running) takeProbe(l *linux, j job, saved *savedWorker) error {
	if !j.probe() {
		return nil
	}
	r.probePath = strings.TrimPrefix(l.probeSpec(j).Listen, "unix:")
	fds := []int{}
	if inode := saved.Belongings.Sockets["probe"]; inode != 0 {
		fd, err := l.held(r, inode)
		if err != nil {
			return err
		}
		fds = append(fds, fd)
	} else {
		fds = l.allHeld(r)
	}
	var errs []error
	for _, fd := range fds {
		s, err := socket.Adopt(l.probeSpec(j), fd)
		switch {
		case err != nil:
			unix.Close(fd)
			errs = append(errs, err)
		case r.probe != nil:
			unix.Close(s.Fd())
		default:
			r.probe = s
		}
	}
	if r.probe != nil {
		return nil
	}
	return errors.Join(errs...)
}

func (l *linux) probeSpec(j job) socket.Spec {
	return socket.Spec{
		Name:   "probe",
		Listen: "unix:" + filepath.Join(l.runtime, "probe", j.file()),
		Mode:   0o600, // supd alone asks
	}
}

// sweepRuntime removes what was made for workers that are gone.
func (l *linux) sweepRuntime(e *estate) {
	alive, dead := map[string]bool{}, map[string]bool{} // a dead worker's end removes its directory
	for w, r := range e.runners {
		name := filepath.Base(w.Belongings.Directory)
		alive[name], dead[name] = r.process != nil, r.process == nil
	}
	for _, kind := range []string{"workers", "probe", "notify"} {
		dir := filepath.Join(l.runtime, kind)
		entries, err := os.ReadDir(dir)
		if err != nil {
			l.log.Warn("cleaning up after an earlier supd", "error", err)
		}
		for _, entry := range entries {
			name := entry.Name()
			if alive[name] || kind == "workers" && dead[name] || strings.HasPrefix(name, ".") {
				continue
			}
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				l.log.Warn("cleaning up after an earlier supd", "error", err)
			}
		}
	}
}
