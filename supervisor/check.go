package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop/files"
	"supd/socket"
	"supd/supervisor/engine"
	"supd/supervisor/release"
)

// CheckStart says what a start under the configuration would say now of this machine:
// it does all that New does, except that it opens, binds, makes and launches nothing.
// Each error says in which file and line; of one that errors.Is socket.ErrTaken the
// reason may be gone by the time of the start.
//
// With self, it is this very process that is to start. Else what it may not look into
// is not checked, unless it is root.
func CheckStart(c *configs.Config, self bool) []error {
	return checkStart(c, self, 0, func(*configs.App, error) bool { return false })
}

// checkStart is for one in the place of another supd, with that pid, or of none. It leaves
// out what is wrong with an app, and is not to be told.
func checkStart(c *configs.Config, self bool, replaced int, leave func(*configs.App, error) bool) []error {
	h := handedOn(c.Daemon.Runtime, replaced)
	all := checkDaemon(c, h)
	s := &Supervisor{log: slog.New(slog.DiscardHandler), store: release.Open(c.Daemon.State)}
	p := s.looker(c, nil)
	for i := range c.Apps {
		a, found := &c.Apps[i], []error{}
		one := p.whole(a)
		if errors.Is(one.Trouble, errFiles) {
			all = append(all, fmt.Errorf("%s: %w", a.File, errFiles))
		}
		for _, why := range []map[string]error{one.Faults, one.Closed} {
			for _, of := range slices.Sorted(maps.Keys(why)) {
				if _, is := errors.AsType[*configs.Errors](why[of]); !is { // else of a release, which is looked at apart
					found = append(found, apart(why[of])...)
				}
			}
		}
		found = append(found, checkSockets(c, a, one.Sockets, h)...)
		all = append(all, slices.DeleteFunc(found, func(err error) bool { return leave(a, err) })...)
	}
	if self || os.Geteuid() == 0 {
		return all
	}
	return withoutOwn(all, h)
}

// withoutOwn leaves out what only holds for a process with no more rights than this
// one.
func withoutOwn(all []error, h handed) (rest []error) {
	for _, err := range all {
		_, mine := errors.AsType[*rightsError](err)
		if !mine && !errors.Is(err, fs.ErrPermission) && !(h.unknown && errors.Is(err, socket.ErrTaken)) {
			rest = append(rest, err)
		}
	}
	return rest
}

// apart takes apart what was joined.
func apart(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, one := range joined.Unwrap() {
		all = append(all, apart(one)...)
	}
	return all
}

// checkDaemon looks at what supd needs for itself.
func checkDaemon(c *configs.Config, h handed) (all []error) {
	add := func(key string, err error) {
		if err != nil {
			all = append(all, c.FaultOf(key, err))
		}
	}
	runtime := c.Daemon.Runtime
	for _, dir := range []string{string(runtime), runtime.Workers(), runtime.Probes(), runtime.Notifies()} {
		add("daemon.runtime", checkDirectory(dir))
	}
	for _, dir := range []string{runtime.Output(), runtime.Sockets()} {
		add("daemon.runtime", errors.Join(checkDirectory(dir), checkPrivate(dir)))
	}
	add("daemon.runtime", checkLock(runtime.Lock()))
	add("daemon.logs", checkDirectory(c.Daemon.Logs))
	spec, err := c.Control.Resolve()
	if err != nil {
		add("control.group", err)
	} else {
		add("control.socket", socket.Check(spec, h.sockets, true))
	}
	if spec, on := c.Metrics.Spec(); on && c.Metrics.Stated {
		add("metrics.listen", socket.Check(spec, h.sockets, true))
	}
	return all
}

// checkDirectory says what keeps this process from making a directory, or files in it.
func checkDirectory(dir string) error { return files.MayMake(dir + "/file") }

// checkPrivate wants nobody else to enter a directory that is there.
func checkPrivate(dir string) error {
	var st unix.Stat_t
	if unix.Lstat(dir, &st) != nil || files.IsPrivate(&st) {
		return nil
	}
	return fmt.Errorf("%s: belongs to uid %d with mode %04o; want uid %d and mode 0700", dir, st.Uid, st.Mode&0o7777, os.Geteuid())
}

func checkLock(path string) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return nil // it can be made where the directory can
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return fmt.Errorf("%s is not a regular file; remove it", path)
	}
	return nil
}

// checkSockets looks at those of one app.
func checkSockets(c *configs.Config, a *configs.App, sockets map[string]configs.Socket, h handed) (all []error) {
	for _, s := range a.Sockets { // in their order
		of, resolved := sockets[engine.SocketKey(a.Name, s.Name)]
		if !resolved {
			continue
		}
		if err := h.check(of.Spec); err != nil {
			all = append(all, c.Fault(a, "", "socket."+s.Name+".listen", err))
		}
	}
	return all
}
