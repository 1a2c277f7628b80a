package socket

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// offer is a descriptor that may be a listener of the next Apply.
type offer struct {
	name string
	fd   int
	used bool  // by a socket, which has the descriptor now
	why  error // it was not used, although it has the address
}

// Offer gives the Set a descriptor that Apply may use in the place of
// binding anew: one that was inherited, or that was taken from a living worker
// with pidfd_getfd(2). The Set owns it from now on. Of several for one socket
// the first serves.
//
// Apply uses a descriptor that listens at the very address of a Spec, whatever
// its name; the path of a unix socket must lead to it, or is put back where a
// second name of it is left. A port that the kernel chose, and a path that leads
// elsewhere, is believed only to a name that is the Spec's key. Owner, mode and
// backlog become the Spec's.
func (s *Set) Offer(name string, fd int) {
	s.offers = append(s.offers, &offer{name: name, fd: fd})
}

// Offered reports whether an Apply with that Spec would find a descriptor for it among those
// that were offered: one that has its address, or its key for a name.
func (s *Set) Offered(key string, spec Spec) bool {
	return s.Get(key) == nil && slices.ContainsFunc(s.offers, func(o *offer) bool { return !o.used && (o.name == key || hasAddress(o.fd, spec)) })
}

// hasAddress reports whether a descriptor is a socket at the Spec's address, which the
// caller has given a port of its own.
func hasAddress(fd int, spec Spec) bool {
	sock, err := newSocket(spec)
	if err != nil || spec.Chosen() {
		return false
	}
	sock.fd = fd
	if sock.checkKind() != nil {
		return false
	}
	if sock.at.network != "unix" {
		name, err := unix.Getsockname(fd)
		if err == nil {
			_, err = sock.boundTo(name)
		}
		return err == nil
	}
	file, err := fileOf(fd)
	if err != nil {
		return false
	}
	parent, err := sock.openParent()
	if err != nil {
		return boundName(fd) == sock.at.path
	}
	defer parent.close()
	return file.at(parent, path.Base(sock.at.path)) || sock.boundToPath(false)
}

// Refused says why the last Apply has closed descriptors that were offered: one
// sentence each, for the log. A second descriptor of the same listener is closed
// without a word.
func (s *Set) Refused() []error { return s.refused }

// fromOffers finds the listener for a Spec, or nil, and what stood in the way of
// offers for its address.
func (s *Set) fromOffers(key string, spec Spec, at endpoint) (from *offer, sock *Socket, refused error) {
	for _, o := range s.offers {
		if o.used || at.chosen() && o.name != key {
			continue
		}
		sock, err := adopt(spec, o.fd, s.keep, o.name == key)
		if err == nil {
			return o, sock, nil
		}
		if !errors.Is(err, errOther) {
			o.why = fmt.Errorf("descriptor %q is not taken over: %w", o.name, err)
			refused = errors.Join(refused, o.why)
		}
	}
	return nil, nil, refused
}

// adopted takes the socket of an offer into use.
func (s *Set) adopted(o *offer, sock *Socket) (*Socket, error) {
	if err := s.watcher.add(sock); err != nil {
		return nil, errors.Join(err, sock.kept.leave())
	}
	o.used = true
	sock.origin = o.name
	return sock, nil
}

// dropOffers closes what was offered of a socket beside the descriptor that is used: else
// it would go on listening.
func (s *Set) dropOffers(of *Socket) {
	listener := cookie(of.fd)
	s.offers = slices.DeleteFunc(s.offers, func(o *offer) bool {
		same := !o.used && cookie(o.fd) == listener
		if same {
			CloseFd(o.fd)
		}
		return same
	})
}

// closeOffers closes what no socket has used and notes why.
func (s *Set) closeOffers() {
	cookies := map[uint64]bool{}
	for _, sock := range *s.live.Load() {
		cookies[cookie(sock.fd)] = true
	}
	for _, o := range s.offers {
		if o.used {
			continue
		}
		if why := o.why; !cookies[cookie(o.fd)] {
			if why == nil {
				why = fmt.Errorf("descriptor %q is not taken over: it is %s, which no socket asks for", o.name, describe(o.fd))
			}
			s.refused = append(s.refused, why)
		}
		CloseFd(o.fd)
	}
	s.offers = nil
}

// cookie is the kernel's number for a socket (SO_COOKIE, Linux 4.12), the same
// for all descriptors of it; 0 for what is none.
func cookie(fd int) uint64 {
	n, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
	if err != nil {
		return 0
	}
	return n
}
