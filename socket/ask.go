package socket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sockDiagByFamily is SOCK_DIAG_BY_FAMILY of linux/sock_diag.h, which x/sys/unix lacks.
const sockDiagByFamily = 20

// Diag asks the kernel about the sockets of others (sock_diag(7)).
type Diag struct{ fd int }

// OpenDiag makes one, for one goroutine at a time.
func OpenDiag() (*Diag, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	return &Diag{fd}, nil
}

// Close ends it.
func (d *Diag) Close() error { return os.NewSyscallError("close", unix.Close(d.fd)) }

// ask sends a request for one socket, and gives what follows the header of the answer. The
// kernel answers at once. The error is an Errno where it says one.
func (d *Diag) ask(request []byte) (body []byte, err error) {
	if err := unix.Sendto(d.fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, os.NewSyscallError("sendto", err)
	}
	reply := make([]byte, 512)
	n, _, err := unix.Recvfrom(d.fd, reply, 0)
	if err != nil {
		return nil, os.NewSyscallError("recvfrom", err)
	}
	return bodyOf(reply[:n])
}

func bodyOf(reply []byte) ([]byte, error) {
	order := binary.NativeEndian
	if len(reply) < unix.SizeofNlMsghdr+4 {
		return nil, fmt.Errorf("sock_diag: answer of %d bytes is too short", len(reply))
	}
	body := reply[unix.SizeofNlMsghdr:]
	if order.Uint16(reply[4:]) == unix.NLMSG_ERROR {
		return nil, fmt.Errorf("sock_diag: %w", unix.Errno(-int32(order.Uint32(body))))
	}
	return body, nil
}

// noCookie asks for whichever socket it is: INET_DIAG_NOCOOKIE.
var noCookie = [2]uint32{^uint32(0), ^uint32(0)}

// inetRequest is a struct nlmsghdr followed by a struct inet_diag_req_v2
// (linux/inet_diag.h). Ports are in network order.
type inetRequest struct {
	unix.NlMsghdr
	family, protocol, ext, _ uint8
	states                   uint32
	sport, dport             [2]byte
	src, dst                 [16]byte
	device                   uint32
	cookie                   [2]uint32
}

// inetDiagUID is the offset of idiag_uid in struct inet_diag_msg.
const inetDiagUID = 64

// ErrNoSocket says that nobody has a socket there any more.
var ErrNoSocket = errors.New("there is no such socket")

// SenderOf gives the uid that the udp socket at from was made with, of which a datagram
// came to the socket at to; both are addresses of IPv4.
func (d *Diag) SenderOf(from, to netip.AddrPort) (uid int, err error) {
	request := inetRequest{
		NlMsghdr: unix.NlMsghdr{Type: sockDiagByFamily, Flags: unix.NLM_F_REQUEST},
		family:   unix.AF_INET, protocol: unix.IPPROTO_UDP, states: ^uint32(0), cookie: noCookie,
	}
	// Of udp, source and destination are those of a datagram that the socket would
	// receive (net/ipv4/udp_diag.c): the wrong way round, as they say there.
	binary.BigEndian.PutUint16(request.sport[:], to.Port())
	binary.BigEndian.PutUint16(request.dport[:], from.Port())
	copy(request.src[:], to.Addr().AsSlice())
	copy(request.dst[:], from.Addr().AsSlice())
	request.Len = uint32(unsafe.Sizeof(request))
	body, err := d.ask(unsafe.Slice((*byte)(unsafe.Pointer(&request)), request.Len))
	switch {
	case errors.Is(err, unix.ENOENT): // also where the kernel has no module udp_diag
		return 0, ErrNoSocket
	case err != nil:
		return 0, err
	case len(body) < inetDiagUID+4:
		return 0, fmt.Errorf("sock_diag: answer of %d bytes is too short", len(body))
	}
	return int(binary.NativeEndian.Uint32(body[inetDiagUID:])), nil
}
