package socket

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// lowestFreePort is the first port that needs no privilege, unless
// net.ipv4.ip_unprivileged_port_start says otherwise (ip(7)).
const lowestFreePort = 1024

func (s *Socket) bindInet() error {
	addr := s.at.addr
	err := s.bindAddr(addr)
	if errors.Is(err, unix.EAFNOSUPPORT) && s.at.all {
		err = s.bindAddr(netip.AddrPortFrom(netip.IPv4Unspecified(), addr.Port()))
	}
	if err != nil {
		return explainBind(err, s.at)
	}
	s.bound, err = boundAddr(s.fd, addr.Addr().Zone())
	return err
}

// rebindInet is bindInet at the very address the socket had, whose port the
// kernel may have chosen.
func (s *Socket) rebindInet(bound netip.AddrPort) error {
	s.bound = bound
	if err := s.bindAddr(bound); err != nil {
		return explainBind(err, s.at)
	}
	return nil
}

func (s *Socket) bindAddr(addr netip.AddrPort) error {
	if err := s.name(addr); err != nil || s.at.network == "udp" {
		return err
	}
	return s.listen()
}

// name makes a socket with that address, which does not listen.
func (s *Socket) name(addr netip.AddrPort) error {
	family, kind := unix.AF_INET, unix.SOCK_STREAM
	if addr.Addr().Is6() {
		family = unix.AF_INET6
	}
	if s.at.network == "udp" {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	s.fd = fd
	if err := s.setOptions(addr.Addr()); err != nil {
		return err
	}
	name, err := sockaddr(fd, addr)
	if err != nil {
		return err
	}
	return os.NewSyscallError("bind", unix.Bind(fd, name))
}

func (s *Socket) setOptions(addr netip.Addr) error {
	if addr.Is6() {
		// Said explicitly both ways: the default is net.ipv6.bindv6only's.
		only := 1
		if addr.IsUnspecified() {
			only = 0
		}
		if err := unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return os.NewSyscallError("setsockopt IPV6_V6ONLY", err)
		}
	}
	return s.setTCPOptions()
}

func (s *Socket) setTCPOptions() error {
	if s.at.network == "udp" {
		return nil // SO_REUSEADDR would let another socket take the datagrams
	}
	// To bind again while connections of the last listener are in TIME_WAIT.
	if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return os.NewSyscallError("setsockopt SO_REUSEADDR", err)
	}
	// Accepted sockets inherit it; asyncio servers that are given a descriptor
	// take it for a unix socket and do not set it themselves.
	return os.NewSyscallError("setsockopt TCP_NODELAY",
		unix.SetsockoptInt(s.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
}

func sockaddr(fd int, addr netip.AddrPort) (unix.Sockaddr, error) {
	ip, port := addr.Addr(), int(addr.Port())
	if ip.Is4() {
		return &unix.SockaddrInet4{Addr: ip.As4(), Port: port}, nil
	}
	name := &unix.SockaddrInet6{Addr: ip.As16(), Port: port}
	if ip.Zone() == "" {
		return name, nil
	}
	request, err := unix.NewIfreq(ip.Zone())
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, request)
	}
	if err != nil {
		return nil, fmt.Errorf("interface %q: %w", ip.Zone(), err)
	}
	name.ZoneId = request.Uint32()
	return name, nil
}

func boundAddr(fd int, zone string) (netip.AddrPort, error) {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, os.NewSyscallError("getsockname", err)
	}
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(name.Addr), uint16(name.Port)), nil
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(name.Addr).WithZone(zone), uint16(name.Port)), nil
	}
	return netip.AddrPort{}, fmt.Errorf("getsockname: unexpected %T", name)
}

// explainBind adds what to do about an error of bind or listen.
func explainBind(err error, at endpoint) error {
	switch {
	case errors.Is(err, unix.EACCES) && at.addr.Port() < lowestFreePort:
		return fmt.Errorf("%w: a port below %d needs root or CAP_NET_BIND_SERVICE", err, lowestFreePort)
	case errors.Is(err, unix.EADDRINUSE):
		return takenError{fmt.Errorf("%w (`ss -Hl%cnp 'sport = %d'` shows by whom)", err, at.network[0], at.addr.Port())} // -t, -u: of all kinds together ss says errors where the kernel lacks one
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return takenError{fmt.Errorf("%w: no interface of this host has %s", err, at.addr.Addr())}
	case errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Errorf("%w: this kernel runs without IPv6", err)
	}
	return err
}
