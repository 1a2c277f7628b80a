package socket

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// Socket is one open listening socket. It does not change after it was opened:
// its methods may be called from any goroutine. Close comes last, once.
type Socket struct {
	spec  Spec
	at    endpoint       // what the Spec asks for
	bound netip.AddrPort // what the kernel gave: tcp and udp
	fd    int
	file  inode // of the path: unix
	kept  *link // second name of that inode; nil without a Set
	id    int32 // in the watcher's epoll set

	adopted bool   // the listener is an earlier supd's
	origin  string // the name it was offered by
	renewed bool   // a Repair is putting another socket at the path
}

// Open binds the socket and listens. The descriptor is close-on-exec and
// non-blocking. The caller closes it.
//
// A unix socket appears at its path with its owner, group and mode, already
// listening; a missing parent directory is made, with mode 0755. A file nobody
// listens on any more is replaced, silently; anything else at the path is an
// error and left alone.
func Open(s Spec) (*Socket, error) { return open(s, nil) }

// open is Open, with a second name for a unix socket's inode in keep, when there
// is a keep.
func open(s Spec, keep *directory) (*Socket, error) {
	sock, err := newSocket(s)
	if err != nil {
		return nil, err
	}
	if err := sock.bind(keep); err != nil {
		sock.closeFd()
		return nil, fmt.Errorf("%s: %w", s.Listen, err)
	}
	return sock, nil
}

// newSocket is a Socket without a descriptor.
func newSocket(s Spec) (*Socket, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	at, err := parse(s.Listen)
	if err != nil {
		return nil, err
	}
	return &Socket{spec: s, at: at, fd: -1}, nil
}

func (s *Socket) bind(keep *directory) error {
	if s.at.network == "unix" {
		return s.bindUnix(keep)
	}
	return s.bindInet()
}

// Spec is what the socket was opened with.
func (s *Socket) Spec() Spec { return s.spec }

// Fd is the listening descriptor, to be handed to a worker. It stays this
// process's: whoever holds a duplicate may close that at any time, and no
// connection is lost.
func (s *Socket) Fd() int { return s.fd }

// Fds are all of the socket's listening descriptors, to be passed on to the next
// supd: each is to be offered to its Set under the socket's key.
func (s *Socket) Fds() []int { return []int{s.fd} }

// Adopted reports whether the listener is one that an earlier supd has opened. It
// is not any more after a Repair as ShutDown.
func (s *Socket) Adopted() bool { return s.adopted }

// Origin is the name by which an Adopted listener was offered.
func (s *Socket) Origin() string { return s.origin }

// Addr is what to dial: "unix" and the path, or "tcp" or "udp" and an address
// with the port really bound. For a socket on all addresses it is loopback's.
func (s *Socket) Addr() (network, address string) {
	if s.at.network == "unix" {
		return "unix", s.at.path
	}
	addr := s.bound.Addr()
	switch addr {
	case netip.IPv4Unspecified():
		addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case netip.IPv6Unspecified():
		addr = netip.IPv6Loopback()
	}
	return s.at.network, netip.AddrPortFrom(addr, s.bound.Port()).String()
}

// Relisten calls listen(2) again with the Spec's backlog, which any holder of
// the listener can have changed: gunicorn sets its own at each start. It takes
// effect at once, for connections already waiting too. For udp it does nothing.
func (s *Socket) Relisten() error {
	if s.at.network == "udp" {
		return nil
	}
	if err := s.listen(); err != nil {
		return fmt.Errorf("%s: %w", s.spec.Listen, err)
	}
	return nil
}

func (s *Socket) listen() error {
	return os.NewSyscallError("listen", unix.Listen(s.fd, cmp.Or(s.spec.Backlog, DefaultBacklog)))
}

// Close closes the descriptor and removes a unix socket's path, if that is
// still this socket. Connections that wait are lost unless a worker holds a
// duplicate.
func (s *Socket) Close() error { return errors.Join(s.removeLinks(), s.closeFd()) }

// removeLinks removes the path of a unix socket and its second name.
func (s *Socket) removeLinks() error {
	err := s.removePath()
	if s.kept != nil {
		err = errors.Join(err, s.kept.remove())
	}
	return err
}

// Leave closes the descriptor and nothing more: the path of a unix socket stays,
// for the workers that serve on and the next supd.
func (s *Socket) Leave() error {
	return errors.Join(s.kept.leave(), s.closeFd())
}

func (s *Socket) closeFd() error {
	if s.fd < 0 {
		return nil
	}
	return CloseFd(s.fd)
}

// dead reports whether some holder has shut the listener down. A listener never
// comes back from that, not by another listen(2) either.
func (s *Socket) dead() bool {
	if s.at.network == "udp" {
		return false
	}
	fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLRDHUP}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1 && fds[0].Revents&(unix.POLLHUP|unix.POLLRDHUP) != 0
}
