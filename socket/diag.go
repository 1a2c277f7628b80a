package socket

import (
	"encoding/binary"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// diagReplyLen is the size of struct unix_diag_msg (linux/unix_diag.h), which x/sys/unix
// lacks.
const diagReplyLen = 16

// detail is one thing that the kernel tells of a unix socket.
type detail struct {
	name string
	show uint32 // UDIAG_SHOW_…, which asks for it
	attr uint16 // UNIX_DIAG_…, which brings it
	size int    // of its payload, in bytes
}

var (
	detailFile  = detail{"UNIX_DIAG_VFS", 0x2, 1, 8}
	detailQueue = detail{"UNIX_DIAG_RQLEN", 0x10, 4, 8}
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

// askUnix asks for a detail of the unix socket fd (sock_diag(7)). Both of them
// are two numbers.
func askUnix(fd int, d detail) (first, second uint32, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, 0, os.NewSyscallError("fstat", err)
	}
	return askInode(uint32(st.Ino), d)
}

// askInode is askUnix for a socket of another process.
func askInode(inode uint32, d detail) (first, second uint32, err error) {
	diag, err := OpenDiag()
	if err != nil {
		return 0, 0, err
	}
	defer diag.Close()
	request := diagRequest{
		NlMsghdr: unix.NlMsghdr{Type: sockDiagByFamily, Flags: unix.NLM_F_REQUEST},
		family:   unix.AF_UNIX,
		states:   ^uint32(0),
		inode:    inode,
		show:     d.show,
		cookie:   noCookie,
	}
	request.Len = uint32(unsafe.Sizeof(request))
	body, err := diag.ask(unsafe.Slice((*byte)(unsafe.Pointer(&request)), request.Len))
	if err != nil {
		return 0, 0, fmt.Errorf("%w (is the module unix_diag there?)", err)
	}
	payload, err := d.find(body)
	if err != nil {
		return 0, 0, err
	}
	return binary.NativeEndian.Uint32(payload), binary.NativeEndian.Uint32(payload[4:]), nil
}

// find finds the detail's payload in the kernel's one answer.
func (d detail) find(body []byte) ([]byte, error) {
	order := binary.NativeEndian
	attrs := body[min(diagReplyLen, len(body)):]
	for len(attrs) >= unix.SizeofRtAttr {
		size, kind := int(order.Uint16(attrs)), order.Uint16(attrs[2:])
		if size < unix.SizeofRtAttr || size > len(attrs) {
			break
		}
		if kind == d.attr && size >= unix.SizeofRtAttr+d.size {
			return attrs[unix.SizeofRtAttr : unix.SizeofRtAttr+d.size], nil
		}
		attrs = attrs[min((size+3)&^3, len(attrs)):]
	}
	return nil, fmt.Errorf("sock_diag: answer without %s", d.name)
}
