package statsd

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batchSize = 32      // datagrams that one call receives
	longest   = 8 << 10 // bytes of a datagram; a longer one is refused
)

// batch receives datagrams with recvmmsg(2).
type batch struct {
	headers [batchSize]mmsghdr
	pieces  [batchSize]unix.Iovec
	names   [batchSize]unix.RawSockaddrInet4
	buffers [batchSize][longest]byte
}

// mmsghdr is struct mmsghdr, which x/sys/unix lacks.
type mmsghdr struct {
	unix.Msghdr
	size uint32
	_    [4]byte
}

func newBatch() *batch {
	b := &batch{}
	for i := range b.headers {
		b.pieces[i].Base = &b.buffers[i][0]
		b.pieces[i].SetLen(longest)
		b.headers[i].Iov = &b.pieces[i]
		b.headers[i].SetIovlen(1)
		b.headers[i].Name = (*byte)(unsafe.Pointer(&b.names[i]))
	}
	return b
}

// receive takes what waits at a socket, at most batchSize datagrams. It does not wait,
// whatever whoever shares the socket has made of O_NONBLOCK.
func (b *batch) receive(fd int) (n int) {
	for i := range b.headers {
		b.headers[i].Namelen = unix.SizeofSockaddrInet4
		b.headers[i].Flags = 0
	}
	for {
		got, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers)), batchSize, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(got)
		case unix.EINTR:
		default: // EAGAIN, or what the kernel has kept for the next call: an ICMP error
			return 0
		}
	}
}

// datagram is one of those that came. It is valid until the next call.
func (b *batch) datagram(i int) (text []byte, from netip.AddrPort, whole bool) {
	h := &b.headers[i]
	name := &b.names[i]
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&name.Port))[:])
	return b.buffers[i][:h.size], netip.AddrPortFrom(netip.AddrFrom4(name.Addr), port), h.Flags&unix.MSG_TRUNC == 0
}
