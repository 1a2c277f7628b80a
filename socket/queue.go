package socket

import (
	"errors"
	"fmt"

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
