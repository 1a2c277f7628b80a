package supervisor

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop/files"
	"supd/socket"
	"supd/supervisor/engine"
	"supd/supervisor/launch"
)

// passOn says what has changed about the sockets since it last did.
func (s *sockets) passOn() {
	k := s.keeping
	if k == nil {
		return
	}
	now := map[string][]uint64{}
	var changes []Kept
	for key, one := range s.set.All() {
		now[key] = inodesIn(one.Fds())
		if slices.Equal(now[key], k.inodes[key]) {
			continue
		}
		if _, before := k.inodes[key]; before {
			changes = append(changes, Kept{Key: key})
		}
		changes = append(changes, Kept{key, s.duplicates(one.Fds())})
	}
	for _, key := range slices.Sorted(maps.Keys(k.inodes)) {
		switch {
		case now[key] != nil:
		case s.more && len(k.inodes[key]) == 0:
			now[key] = nil // an earlier supd's, which an app that is held back may come to need
		default:
			changes = append(changes, Kept{Key: key})
		}
	}
	k.inodes = now
	if len(changes) > 0 {
		k.changed(changes)
	}
}

func inodesIn(fds []int) []uint64 {
	inodes := make([]uint64, len(fds))
	for i, fd := range fds {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil {
			inodes[i] = st.Ino
		}
	}
	return inodes
}

func (s *sockets) duplicates(fds []int) (all []int) {
	for _, fd := range fds {
		fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			s.log.Error("listening socket cannot be passed on, it ends with supd", "error", err)
			continue
		}
		all = append(all, fd)
	}
	return all
}

// pass lets the listening sockets through an execve.
func (s *sockets) pass(p *launch.Passing) {
	for key, one := range s.set.All() {
		for i, fd := range one.Fds() {
			p.Add(fmt.Sprintf("socket %s %d", key, i), fd)
		}
	}
}

// sockets are the listening sockets of all apps: engine.Sockets.
type sockets struct {
	log     *slog.Logger
	set     *socket.Set
	earlier []string         // names of sockets that were there before this supd
	keeping *keeping         // nil: the sockets end with supd
	failed  map[string]error // why sockets could not be opened the last time, by key
	more    bool             // what was offered may still be of use
	late    files.Lateness   // of the directories of damaged ones, by key
	untaken map[string]int   // pids of the workers whose listeners could not be had, by key
}

// Open is socket.Set's Apply.
func (s *sockets) Open(all map[string]configs.Socket, more bool) (failed map[string]error) {
	specs := make(map[string]socket.Spec, len(all))
	for key, one := range all {
		specs[key] = one.Spec
	}
	failed, err := s.set.Apply(specs, more)
	s.explain(failed)
	for key, one := range all {
		if why := s.mayClose(key, one); why != nil {
			failed[key] = why
		}
	}
	s.failed, s.more = failed, more || len(failed) > 0
	s.passOn()
	if err != nil {
		s.log.Warn("sockets", "error", err)
	}
	for _, refused := range s.set.Refused() {
		s.log.Warn("socket of before", "error", refused)
	}
	return failed
}

// mayClose says why a socket that is to be closed while nobody serves it would go on
// listening then: a socket unit of systemd's has it as well. Its descriptors have the names
// of units, or what their files say, and those of a supd the keys of sockets.
func (s *sockets) mayClose(key string, one configs.Socket) error {
	open := s.set.Get(key)
	if !one.Closes() || open == nil || !open.Adopted() || strings.Contains(open.Origin(), "/") {
		return nil
	}
	return fmt.Errorf("when_stopped = %q: a socket unit of systemd's has opened it, as %q, and would go on listening; disable the unit, or remove when_stopped", one.WhenStopped, open.Origin())
}

// Offered is socket.Set's.
func (s *sockets) Offered(key string, one configs.Socket) bool { return s.set.Offered(key, one.Spec) }

// Relisten sets the backlog again that a worker may have changed: gunicorn calls
// listen(2) on what it inherits, with a number of its own.
func (s *sockets) Relisten(keys []string) {
	for _, key := range keys {
		one := s.set.Get(key)
		if one == nil {
			continue
		}
		if err := one.Relisten(); err != nil { // shut down, which the watcher reports
			s.log.Debug("listen", "socket", key, "error", err)
		}
	}
}

// watch reports what those who hold the sockets do to them.
func (s *sockets) watch(post func(engine.Event)) {
	s.set.Watch(func(d socket.Damage) {
		damage := engine.Damage{Key: d.Key, Kind: string(d.Kind), ShutDown: d.Kind == socket.ShutDown}
		post(func(o *engine.Owner) { o.Damaged(damage) })
	})
}

// Reach is what comes before Repair, for which the owner waits.
func (s *sockets) Reach(key string, then func(error)) {
	network, at := "", ""
	if one := s.set.Get(key); one != nil {
		network, at = one.Addr()
	}
	go func() {
		if network == "unix" && !s.late.Answers(key, files.Patient, func() { _, _ = os.Lstat(at) }) {
			then(fmt.Errorf("%s: its disk does not answer", at))
			return
		}
		then(nil)
	}()
}

// Repair reports whether another listener is there now, which the workers lack. A
// path whose hard link is lost as well is bound anew.
func (s *sockets) Repair(d engine.Damage) (another bool, err error) {
	before := s.set.Get(d.Key)
	defer s.passOn()
	if !d.ShutDown {
		err = s.set.Repair(socket.Damage{Key: d.Key, Kind: socket.Unlinked})
		if !errors.Is(err, socket.ErrPathLost) {
			return false, err
		}
	}
	err = s.set.Repair(socket.Damage{Key: d.Key, Kind: socket.ShutDown})
	return s.set.Get(d.Key) != before, err
}

// Inodes are those of a socket's listeners.
func (s *sockets) Inodes(key string) []uint64 {
	if one := s.set.Get(key); one != nil {
		return inodesIn(one.Fds())
	}
	return nil
}

// addresses are those of an app's sockets as they are now.
func (s *sockets) addresses(app string, names []string) func(name string) launch.Address {
	all := map[string]launch.Address{}
	for _, name := range names {
		if one := s.set.Get(engine.SocketKey(app, name)); one != nil {
			network, at := one.Addr()
			all[name] = launch.Address{Network: network, Address: at}
		}
	}
	return func(name string) launch.Address { return all[name] }
}

// duplicatesFor duplicates the listening descriptors for the time of a launch, in
// which the owner may close its own.
func (s *sockets) duplicatesFor(app string, names []string) (fds []int, err error) {
	for _, name := range names {
		one := s.set.Get(engine.SocketKey(app, name))
		if one == nil {
			err = fmt.Errorf("socket %s is not open", name)
			if why := s.failed[engine.SocketKey(app, name)]; why != nil {
				err = fmt.Errorf("%w: %w", err, why)
			}
			break
		}
		fd, e := unix.FcntlInt(uintptr(one.Fd()), unix.F_DUPFD_CLOEXEC, 0)
		if e != nil {
			err = fmt.Errorf("socket %s: dup: %w", name, e)
			break
		}
		fds = append(fds, fd)
	}
	if err != nil {
		closeAll(fds)
	}
	return fds, err
}

func closeAll(fds []int) {
	for _, fd := range fds {
		socket.CloseFd(fd)
	}
}

// offer gives the set a descriptor that an earlier supd has opened, or whoever has
// started this one.
func (s *sockets) offer(name string, fd int) {
	s.earlier = append(s.earlier, name)
	s.set.Offer(name, fd)
}

// close closes the sockets, or leaves them to the next supd where they are kept.
func (s *sockets) close() error {
	if s.keeping != nil {
		return s.set.Leave()
	}
	return s.set.Close()
}
