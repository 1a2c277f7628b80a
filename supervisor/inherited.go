package supervisor

import (
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// Inherited is a socket that supd was started with. It serves the configured
// socket of its address, whatever its name; where the address does not tell, the
// name must be the key, "whois/web".
type Inherited struct {
	Name string
	Fd   int // the Supervisor's from now on
}

// Kept is a listening socket that somebody else is to hold as well, so that it
// outlives supd.
type Kept struct {
	Key string
	Fds []int // duplicates, which the receiver closes; none: the socket was closed
}

// keeping is what was said to whoever keeps sockets.
type keeping struct {
	changed func([]Kept)
	inodes  map[string][]uint64 // of the sockets that were passed on, by key
}

// KeepSockets has the listening sockets outlive supd: changed gets all of them
// now, and from then on each that was opened, bound anew or closed. It is called
// from the owner's goroutine and must not block. A supd that ends leaves the paths
// of unix sockets to the next one, whose New is to get the descriptors.
//
// Whoever keeps sockets may have some of an earlier supd that are not wanted any
// more; of those that New got they are said to be closed. KeepSockets is called
// before Run, once.
func (s *Supervisor) KeepSockets(changed func([]Kept)) {
	l := s.kernel
	l.keeping = &keeping{changed: changed, inodes: map[string][]uint64{}}
	for _, name := range l.earlier {
		l.keeping.inodes[name] = nil
	}
	l.passOn()
}

// offerAs gives the set a descriptor that an earlier supd has opened, or whoever
// has started this one.
func (l *linux) offerAs(name string, fd int) {
	l.earlier = append(l.earlier, name)
	l.set.Offer(name, fd)
}

// passOn tells what has changed about the sockets since it was last told.
func (l *linux) passOn() {
	k := l.keeping
	if k == nil {
		return
	}
	now := map[string][]uint64{}
	var changes []Kept
	for key, socket := range l.set.All() {
		now[key] = inodesIn(socket.Fds())
		if slices.Equal(now[key], k.inodes[key]) {
			continue
		}
		if _, before := k.inodes[key]; before {
			changes = append(changes, Kept{Key: key})
		}
		changes = append(changes, Kept{key, l.duplicates(socket.Fds())})
	}
	for _, key := range slices.Sorted(maps.Keys(k.inodes)) {
		if now[key] == nil {
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

func (l *linux) duplicates(fds []int) (all []int) {
	for _, fd := range fds {
		fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			l.log.Error("listening socket cannot be passed on, it ends with supd", "error", err)
			continue
		}
		all = append(all, fd)
	}
	return all
}

// closeSet closes the sockets, or leaves them to the next supd where they are
// kept.
func (l *linux) closeSet() error {
	if l.keeping != nil {
		return l.set.Leave()
	}
	return l.set.Close()
}
