package supervisor

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
// With self, it is this very process that is to start, and what it may give to no worker
// is an error, too. Else what it may not look into is not checked, unless it is root.
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
		if self && replaced == 0 { // else the one that is replaced lacks the same rights
			found = append(found, checkRights(c, a, one.Revisions)...)
		}
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
		if !isOfRights(err) && !errors.Is(err, fs.ErrPermission) && !(h.unknown && errors.Is(err, socket.ErrTaken)) {
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
	for _, err := range apart(runtime.Check()) {
		add("daemon.runtime", err)
	}
	add("daemon.runtime", checkLock(runtime.Lock()))
	add("daemon.logs", checkDirectory(c.Daemon.Logs))
	spec, err := c.Control.Resolve()
	if err != nil {
		add("control.group", err)
	} else {
		add("control.socket", checkServed(spec, h))
	}
	if spec, on := c.Metrics.Spec(); on && c.Metrics.Stated {
		add("metrics.listen", checkServed(spec, h))
	}
	return all
}

// checkDirectory says what keeps this process from making a directory, or files in it.
func checkDirectory(dir string) error { return files.MayMake(dir + "/file") }

// checkLock says what keeps lockRuntime from opening the file.
func checkLock(path string) error {
	file, err := openLock(path, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it can be made where the directory can
	}
	if err != nil {
		return err
	}
	return file.Close()
}

// checkServed looks at a socket that supd itself serves. It is never handed on, so that a
// unix socket is bound anew at its path.
func checkServed(spec socket.Spec, h handed) error {
	if err := socket.Check(spec, h.sockets, true); err != nil {
		return err
	}
	path, unix := strings.CutPrefix(spec.Listen, "unix:")
	if !unix {
		return nil
	}
	err := cmp.Or(files.Way{GID: -1, Any: true}.MayMake(path), files.MayReplace(filepath.Dir(path)))
	if err == nil {
		if err = files.HasRoom(filepath.Dir(path)); errors.Is(err, fs.ErrNotExist) {
			return nil // the directory is to be made
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", spec.Listen, err)
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

// checkRights says what this process may not give to workers: each launch would fail.
func checkRights(c *configs.Config, a *configs.App, of map[string]engine.Revision) (all []error) {
	for i := range a.Processes { // in their order
		r, prepared := of[a.Processes[i].Name]
		if !prepared {
			continue
		}
		beyond := r.Config.Resources.Beyond(r.Config.Capabilities)
		for _, key := range slices.Sorted(maps.Keys(beyond)) {
			all = append(all, c.Fault(a, r.Config.Name, key, &rightsError{beyond[key]}))
		}
	}
	return all
}
