package statsd

import (
	"errors"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"supd/socket"
)

// Origin is a launch of a worker, as labels name it.
type Origin struct {
	App     string `json:"app"`
	Process string `json:"process"`
	Slot    int    `json:"slot"`
	Release string `json:"release,omitempty"`
}

// Source is who sends to a port.
type Source struct {
	Origin
	Launch  string // names the launch, also to the supd that comes next
	UID     int    // datagrams of others count as refused
	Ignored bool   // a candidate, whose one request is supd's: nothing of it counts
}

// Port receives the datagrams of one launch.
type Port struct {
	reader *Reader
	source Source
	fd     int
	id     int32 // in the reader's epoll set; 0: in none
	addr   netip.AddrPort
	inode  uint64
	tally  *tally // nil: nothing of it counts
	drops  uint32 // as the kernel counted them the last time
}

// room is how many bytes of datagrams may wait, with the kernel's own record of each:
// some thousands of gunicorn's, more than come in while the reader pauses.
const room = 4 << 20

// listen binds a port of the kernel's choice on loopback, or the given one.
func listen(port uint16) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(port), Addr: loopback}); err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("bind", err)
	}
	return fd, nil
}

var loopback = [4]byte{127, 0, 0, 1}

// newPort looks at a socket, which is the port's from then on; the caller's after an
// error.
func newPort(fd int, s Source) (*Port, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, os.NewSyscallError("fstat", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return nil, os.NewSyscallError("getsockname", err)
	}
	at, ok := name.(*unix.SockaddrInet4)
	if !ok || at.Addr != loopback || at.Port == 0 {
		return nil, errors.New("is no udp socket on 127.0.0.1")
	}
	if kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_DGRAM {
		return nil, errors.New("is no udp socket on 127.0.0.1")
	}
	// With CAP_NET_ADMIN beyond net.core.rmem_max, else up to that (socket(7)).
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, room)
	}
	addr := netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port))
	return &Port{source: s, fd: fd, addr: addr, inode: st.Ino}, nil
}

// Addr is where the worker sends to.
func (p *Port) Addr() netip.AddrPort { return p.addr }

// Fd is the socket, which stays the port's.
func (p *Port) Fd() int { return p.fd }

// Inode tells the socket from all others.
func (p *Port) Inode() uint64 { return p.inode }

// dropped is how many datagrams the kernel has dropped since the socket was made, since
// too many waited; modulo 2^32. Where it does not say it is 0.
func (p *Port) dropped() uint32 {
	n, err := socket.DropsOf(p.fd)
	if err != nil {
		return 0
	}
	return uint32(max(n, 0))
}

// countDrops adds what the kernel has dropped since the last time.
func (p *Port) countDrops() {
	now := p.dropped()
	if p.tally != nil {
		p.tally.slot.Dropped += int64(now - p.drops)
	}
	p.drops = now
}
