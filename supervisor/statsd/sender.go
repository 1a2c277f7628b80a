package statsd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// From linux/inet_diag.h and linux/sock_diag.h, which x/sys/unix lacks.
const (
	sockDiagByFamily = 20
	inetDiagUID      = 64 // offset of idiag_uid in struct inet_diag_msg
)

// inetRequest is a struct nlmsghdr followed by a struct inet_diag_req_v2. Ports are in
// network order.
type inetRequest struct {
	unix.NlMsghdr
	family, protocol, ext, _ uint8
	states                   uint32
	sport, dport             [2]byte
	src, dst                 [16]byte
	device                   uint32
	cookie                   [2]uint32
}

// diag is a socket that asks the kernel about others (sock_diag(7)).
type diag struct{ fd int }

func openDiag() (*diag, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	return &diag{fd}, nil
}

// errNoSocket says that nobody has a socket there any more.
var errNoSocket = errors.New("there is no such socket")

// owner gives the uid that the udp socket at from was made with, of which a datagram
// came to the port at to. The kernel answers at once: it looks for this one alone.
func (d *diag) owner(from, to netip.AddrPort) (uid int, err error) {
	request := inetRequest{
		NlMsghdr: unix.NlMsghdr{Type: sockDiagByFamily, Flags: unix.NLM_F_REQUEST},
		family:   unix.AF_INET, protocol: unix.IPPROTO_UDP, states: ^uint32(0),
		cookie: [2]uint32{^uint32(0), ^uint32(0)}, // INET_DIAG_NOCOOKIE
	}
	// Of udp, source and destination are those of a datagram that the socket would
	// receive (net/ipv4/udp_diag.c): the wrong way round, as they say there.
	binary.BigEndian.PutUint16(request.sport[:], to.Port())
	binary.BigEndian.PutUint16(request.dport[:], from.Port())
	copy(request.src[:], to.Addr().AsSlice())
	copy(request.dst[:], from.Addr().AsSlice())
	request.Len = uint32(unsafe.Sizeof(request))
	text := unsafe.Slice((*byte)(unsafe.Pointer(&request)), request.Len)
	if err := unix.Sendto(d.fd, text, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, os.NewSyscallError("sendto", err)
	}
	var reply [512]byte
	n, _, err := unix.Recvfrom(d.fd, reply[:], 0)
	if err != nil {
		return 0, os.NewSyscallError("recvfrom", err)
	}
	return ownerIn(reply[:n])
}

func ownerIn(reply []byte) (uid int, err error) {
	order := binary.NativeEndian
	if len(reply) < unix.SizeofNlMsghdr+4 {
		return 0, fmt.Errorf("sock_diag: answer of %d bytes is too short", len(reply))
	}
	body := reply[unix.SizeofNlMsghdr:]
	if order.Uint16(reply[4:]) == unix.NLMSG_ERROR {
		errno := unix.Errno(-int32(order.Uint32(body)))
		if errno == unix.ENOENT {
			// It is also what a kernel says that has no module udp_diag.
			return 0, errNoSocket
		}
		return 0, fmt.Errorf("sock_diag: %w", errno)
	}
	if len(body) < inetDiagUID+4 {
		return 0, fmt.Errorf("sock_diag: answer of %d bytes is too short", len(reply))
	}
	return int(order.Uint32(body[inetDiagUID:])), nil
}

// Senders are remembered by their port for sendersAge. In that time a socket may be
// closed and another user get its port: what that one sends then counts.
const (
	sendersAge  = time.Second
	sendersMost = 4096 // of one time: a flood from many ports takes no memory
)

// senders knows whose socket a datagram came from.
type senders struct {
	ask   func(from, to netip.AddrPort) (uid int, err error)
	now   func() time.Time
	since time.Time
	known map[senderKey]int // -1: nobody's
	wrong error             // why nothing could be found out the last time
}

type senderKey struct {
	from netip.AddrPort
	to   uint16
}

func newSenders(ask func(from, to netip.AddrPort) (int, error)) *senders {
	return &senders{ask: ask, now: time.Now, known: map[senderKey]int{}}
}

// is reports whether the sender's socket is of a uid. If it cannot be found out, it is
// not.
func (s *senders) is(uid int, from, to netip.AddrPort) bool {
	key := senderKey{from, to.Port()}
	if now := s.now(); now.Sub(s.since) >= sendersAge || len(s.known) >= sendersMost {
		clear(s.known)
		s.since = now
	}
	owner, known := s.known[key]
	if !known {
		var err error
		if owner, err = s.ask(from, to); err != nil {
			owner = -1
		}
		if !errors.Is(err, errNoSocket) {
			s.wrong = err
		}
		s.known[key] = owner
	}
	return owner == uid
}
