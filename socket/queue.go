package socket

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Queue is how many connections wait to be accepted, and how many may: the
// backlog as the kernel took it. A unix socket whose queue is full refuses with
// EAGAIN; tcp drops, and the client tries again after a second. A udp socket
// has no such queue: errors.ErrUnsupported.
//
// TCP's are in tcp(7)'s TCP_INFO, of a listener as unacked and sacked; a unix
// socket's come from sock_diag(7).
func (s *Socket) Queue() (length, limit int, err error) {
	switch s.at.network {
	case "tcp":
		info, err := unix.GetsockoptTCPInfo(s.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return 0, 0, fmt.Errorf("%s: getsockopt TCP_INFO: %w", s.spec.Listen, err)
		}
		return int(info.Unacked), int(info.Sacked), nil
	case "unix":
		var waiting, most uint32
		waiting, most, err = askUnix(s.fd, detailQueue)
		length, limit = int(waiting), int(most)
	default:
		err = errors.ErrUnsupported
	}
	if err != nil {
		return 0, 0, fmt.Errorf("%s: accept queue: %w", s.spec.Listen, err)
	}
	return length, limit, nil
}

// Drops is how many connections the kernel has dropped since the socket was opened,
// since its queue was full or for another reason. It counts them for tcp alone, modulo
// 2^32: -1 is any other socket, which refuses instead (unix(7)), or Linux before 4.12.
func (s *Socket) Drops() (int64, error) {
	if s.at.network != "tcp" {
		return -1, nil
	}
	n, err := DropsOf(s.fd)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", s.spec.Listen, err)
	}
	return n, nil
}

// DropsOf is how much the kernel has dropped of what came for a socket, modulo 2^32: it
// counts datagrams, and connections of tcp. -1 is Linux before 4.12.
func DropsOf(fd int) (int64, error) {
	var info [9]uint32 // SK_MEMINFO_VARS of linux/sock_diag.h
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	const drops = 8 // SK_MEMINFO_DROPS
	switch {
	case errno == unix.ENOPROTOOPT:
		return -1, nil
	case errno != 0:
		return 0, fmt.Errorf("getsockopt SO_MEMINFO: %w", errno)
	case int(size) <= drops*4:
		return -1, nil
	}
	return int64(info[drops]), nil
}
