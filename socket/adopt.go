package socket

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// errOther is in the error of an adoption if the descriptor is not the Spec's.
var errOther = errors.New("another socket")

// Adopt is Open with a descriptor of the socket that an earlier supd has opened:
// one that was inherited, or taken from a living worker with pidfd_getfd(2). It
// is an error unless it listens, for all its holders, at the Spec's very address
// and the path of a unix socket leads to it. On an error it is closed.
func Adopt(s Spec, fd int) (*Socket, error) {
	sock, err := adopt(s, fd, nil, true)
	if err != nil {
		CloseFd(fd)
		return nil, err
	}
	return sock, nil
}

// adopt is Adopt with a second name in keep, when there is a keep, and does not
// close the descriptor. known tells that the caller knows the descriptor to be
// this Spec's even if its path leads elsewhere.
func adopt(spec Spec, fd int, keep *directory, known bool) (*Socket, error) {
	sock, err := newSocket(spec)
	if err != nil {
		return nil, err
	}
	sock.fd, sock.adopted = fd, true
	if err := sock.takeOver(keep, known); err != nil {
		return nil, fmt.Errorf("%s: %w", spec.Listen, err)
	}
	return sock, nil
}

func (s *Socket) takeOver(keep *directory, known bool) error {
	if err := s.checkKind(); err != nil {
		return err
	}
	if s.at.network == "unix" {
		return s.takeOverUnix(keep, known)
	}
	return s.takeOverInet()
}

// protocols are what a descriptor may speak. A listener for MPTCP, which is what
// other programs open for tcp where they can, takes plain connections too.
var protocols = map[string][]int{
	"tcp": {unix.IPPROTO_TCP, unix.IPPROTO_MPTCP}, "udp": {unix.IPPROTO_UDP}, "unix": {0},
}

// checkKind is nil for a socket of the Spec's type.
func (s *Socket) checkKind() error {
	want := unix.SOCK_STREAM
	if s.at.network == "udp" {
		want = unix.SOCK_DGRAM
	}
	kind, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return fmt.Errorf("%w: %w", errOther, err)
	}
	protocol, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil || kind != want || !slices.Contains(protocols[s.at.network], protocol) {
		return fmt.Errorf("%w: it is %s", errOther, describe(s.fd))
	}
	return nil
}

// finishTakeOver makes the options of a recognised socket those of its Spec.
func (s *Socket) finishTakeOver() error {
	unix.CloseOnExec(s.fd)
	if err := unix.SetNonblock(s.fd, true); err != nil {
		return fmt.Errorf("fcntl: %w", err)
	}
	return s.impose()
}

// checkListens is nil if connections, or datagrams of all, come in.
func (s *Socket) checkListens() error {
	if s.at.network == "udp" {
		if _, err := unix.Getpeername(s.fd); err == nil {
			return errors.New("it is connected to one peer")
		}
		return nil
	}
	listens, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return fmt.Errorf("getsockopt SO_ACCEPTCONN: %w", err)
	}
	if listens == 0 || s.dead() {
		return errors.New("it does not listen, or a process has shut it down for all (shutdown(2))")
	}
	return nil
}

func (s *Socket) takeOverInet() error {
	name, err := unix.Getsockname(s.fd)
	if err != nil {
		return fmt.Errorf("%w: getsockname: %w", errOther, err)
	}
	addr, err := s.boundTo(name)
	if err != nil {
		return err
	}
	if err := s.checkListens(); err != nil {
		return err
	}
	if addr.Addr().Is6() && addr.Addr().IsUnspecified() {
		only, err := unix.GetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		if err != nil || only != 0 {
			return errors.Join(errors.New("it takes IPv6 only (IPV6_V6ONLY), which cannot be changed any more"), err)
		}
	}
	if s.bound, err = boundAddr(s.fd, addr.Addr().Zone()); err != nil {
		return err
	}
	if err := s.setTCPOptions(); err != nil {
		return err
	}
	return s.finishTakeOver()
}

// boundTo finds which of the addresses that the Spec allows name is.
func (s *Socket) boundTo(name unix.Sockaddr) (netip.AddrPort, error) {
	addrs := []netip.AddrPort{s.at.addr}
	if s.at.all && !hasIPv6() {
		addrs = append(addrs, netip.AddrPortFrom(netip.IPv4Unspecified(), s.at.addr.Port()))
	}
	for _, addr := range addrs {
		want, err := sockaddr(s.fd, addr)
		if err != nil {
			return addr, err
		}
		if sameName(name, want) {
			return addr, nil
		}
	}
	return netip.AddrPort{}, fmt.Errorf("%w: it is %s", errOther, describe(s.fd))
}

// sameName compares two addresses; any port is as good as a wanted port 0.
func sameName(got, want unix.Sockaddr) bool {
	switch want := want.(type) {
	case *unix.SockaddrInet4:
		got, ok := got.(*unix.SockaddrInet4)
		return ok && got.Addr == want.Addr && (got.Port == want.Port || want.Port == 0)
	case *unix.SockaddrInet6:
		got, ok := got.(*unix.SockaddrInet6)
		return ok && got.Addr == want.Addr && got.ZoneId == want.ZoneId && (got.Port == want.Port || want.Port == 0)
	}
	return false
}

func hasIPv6() bool {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// takeOverUnix goes by the socket's file, since the name that the kernel knows
// may be that in a stage. It ends with the file at the path and, with a keep, a
// second name of it.
func (s *Socket) takeOverUnix(keep *directory, known bool) error {
	file, err := fileOf(s.fd)
	if err != nil {
		return err
	}
	parent, err := s.openParent()
	if err == nil {
		defer parent.close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	there := file.at(parent, path.Base(s.at.path))
	if !there && !s.boundToPath(known) {
		return fmt.Errorf("%w: it is %s", errOther, describe(s.fd))
	}
	if err := s.checkListens(); err != nil {
		return err
	}
	if err := s.findFile(file, keep, parent, there); err != nil {
		return err
	}
	err = s.finishTakeOver()
	if keep == nil {
		err = errors.Join(err, s.kept.remove())
		s.kept = nil
	} else if err != nil {
		err = errors.Join(err, s.kept.leave())
	}
	return err
}

// boundToPath reports whether the name that the kernel knows is the path. For one
// in a stage, whose last element says nothing, it is the caller who knows.
func (s *Socket) boundToPath(known bool) bool {
	name := boundName(s.fd)
	if name == s.at.path || !known || path.Base(name) != staged {
		return name == s.at.path
	}
	stage := path.Dir(name)
	return isPrivate(path.Base(stage)) && path.Dir(stage) == path.Dir(s.at.path) || strings.HasPrefix(name, selfFiles)
}

// findFile finds or makes a second name of the socket's file, and puts it at the
// path unless it is there.
func (s *Socket) findFile(file boundFile, keep, parent *directory, there bool) (err error) {
	if s.kept = findLink(file, keep, parent); s.kept == nil && there {
		s.kept, err = linkBeside(parent, path.Base(s.at.path), keep)
	}
	if err != nil {
		return err
	}
	if s.kept == nil {
		return fmt.Errorf("the path does not lead to it: %w", ErrPathLost)
	}
	// Looked at once more through the new name: the path may have changed.
	if s.file, err = file.inode(s.kept.dir, s.kept.name); err == nil && !there {
		err = s.relink()
	}
	if err != nil {
		err = errors.Join(err, s.kept.leave())
	}
	return err
}

// findLink finds the second name that a killed supd has left of a file, or nil.
func findLink(file boundFile, keep, parent *directory) *link {
	if keep == nil {
		return nil
	}
	names, _ := keep.names()
	for _, name := range names {
		if file.at(keep, name) {
			return &link{dir: keep, name: name}
		}
	}
	if parent == nil {
		return nil
	}
	names, _ = parent.privateNames()
	for _, name := range names {
		if l := ownLinkIn(parent, name); l != nil {
			if file.at(l.dir, l.name) {
				_ = l.dir.lock() // the supd that had it may still be ending
				return l
			}
			l.leave()
		}
	}
	return nil
}

// linkBeside links a file into keep or, without one on the same file system, into
// a private directory beside it.
func linkBeside(parent *directory, name string, keep *directory) (*link, error) {
	if keep != nil {
		if l, err := keep.linkOf(parent, name); !errors.Is(err, unix.EXDEV) {
			return l, err
		}
	}
	own, err := parent.makePrivate()
	if err != nil {
		return nil, err
	}
	l, err := own.ownLinkOf(parent, name)
	if err != nil {
		return nil, errors.Join(err, own.close(), parent.remove(path.Base(own.path), unix.AT_REMOVEDIR))
	}
	return l, nil
}
