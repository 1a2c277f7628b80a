package socket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
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
		length, limit, err = unixQueue(s.fd)
	default:
		err = errors.ErrUnsupported
	}
	if err != nil {
		return 0, 0, fmt.Errorf("%s: accept queue: %w", s.spec.Listen, err)
	}
	return length, limit, nil
}

// From linux/sock_diag.h and linux/unix_diag.h, which x/sys/unix lacks.
const (
	sockDiagByFamily = 20
	showQueue        = 0x10 // UDIAG_SHOW_RQLEN
	attrQueue        = 4    // UNIX_DIAG_RQLEN
	diagReplyLen     = 16   // struct unix_diag_msg
)

// diagRequest is a struct nlmsghdr followed by a struct unix_diag_req.
type diagRequest struct {
	unix.NlMsghdr
	family   uint8
	protocol uint8
	_        uint16
	states   uint32
	inode    uint32
	show     uint32
	cookie   [2]uint32
}

func unixQueue(fd int) (length, limit int, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, 0, os.NewSyscallError("fstat", err)
	}
	diag, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, 0, os.NewSyscallError("socket", err)
	}
	defer unix.Close(diag)
	request := diagRequest{
		NlMsghdr: unix.NlMsghdr{Type: sockDiagByFamily, Flags: unix.NLM_F_REQUEST},
		family:   unix.AF_UNIX,
		states:   ^uint32(0),
		inode:    uint32(st.Ino),
		show:     showQueue,
		cookie:   [2]uint32{^uint32(0), ^uint32(0)}, // INET_DIAG_NOCOOKIE
	}
	request.Len = uint32(unsafe.Sizeof(request))
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(&request)), request.Len)
	if err := unix.Sendto(diag, bytes, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, 0, os.NewSyscallError("sendto", err)
	}
	reply := make([]byte, 512)
	n, _, err := unix.Recvfrom(diag, reply, 0)
	if err != nil {
		return 0, 0, os.NewSyscallError("recvfrom", err)
	}
	return readQueue(reply[:n])
}

// readQueue finds the queue in the kernel's one answer.
func readQueue(reply []byte) (length, limit int, err error) {
	order := binary.NativeEndian
	if len(reply) < unix.SizeofNlMsghdr+4 {
		return 0, 0, fmt.Errorf("sock_diag: answer of %d bytes is too short", len(reply))
	}
	body := reply[unix.SizeofNlMsghdr:]
	if order.Uint16(reply[4:]) == unix.NLMSG_ERROR {
		errno := unix.Errno(-int32(order.Uint32(body)))
		return 0, 0, fmt.Errorf("sock_diag: %w (is the module unix_diag there?)", errno)
	}
	attrs := body[min(diagReplyLen, len(body)):]
	for len(attrs) >= unix.SizeofRtAttr {
		size, kind := int(order.Uint16(attrs)), order.Uint16(attrs[2:])
		if size < unix.SizeofRtAttr || size > len(attrs) {
			break
		}
		if kind == attrQueue && size >= unix.SizeofRtAttr+8 {
			return int(order.Uint32(attrs[4:])), int(order.Uint32(attrs[8:])), nil
		}
		attrs = attrs[min((size+3)&^3, len(attrs)):]
	}
	return 0, 0, errors.New("sock_diag: answer without UNIX_DIAG_RQLEN")
}
