package socket

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// ErrTaken says, to errors.Is, of an Open or Check that another process has the
// address, or that no interface has it: both may be otherwise the next time.
var ErrTaken = errors.New("the address cannot be had now")

type takenError struct{ error }

func (e takenError) Unwrap() error        { return e.error }
func (e takenError) Is(target error) bool { return target == ErrTaken }

// Check says what keeps Open from opening the socket now. It leaves nothing behind and
// never listens. A tcp or udp address is bound for an instant, for the kernel alone
// knows its rules; no connection comes in meanwhile.
//
// handed has the inodes of sockets that would be handed to whoever opens this one: by
// the supd that runs, or its workers. One of them at the very address is no obstacle;
// with closed, one that has it in any way: a socket that its supd closes before.
func Check(s Spec, handed map[uint64]bool, closed bool) error {
	sock, err := newSocket(s)
	if err != nil {
		return err
	}
	if sock.at.network == "unix" {
		err = sock.checkUnix(handed)
	} else if err = sock.checkInet(); errors.Is(err, unix.EADDRINUSE) && sock.isHanded(handed, closed) {
		err = nil
	}
	if err == nil {
		err = sock.checkOwner()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.Listen, err)
	}
	return nil
}

func (s *Socket) checkInet() error {
	defer s.closeFd()
	err := s.name(s.at.addr)
	if errors.Is(err, unix.EAFNOSUPPORT) && s.at.all {
		s.closeFd()
		err = s.name(netip.AddrPortFrom(netip.IPv4Unspecified(), s.at.addr.Port()))
	}
	if err != nil {
		return explainBind(err, s.at)
	}
	return nil
}

// isHanded reports whether one of the inodes is a socket at this address. Its lines
// in /proc/net are "sl local_address rem_address st … inode" (proc_net(5)).
func (s *Socket) isHanded(handed map[uint64]bool, closed bool) bool {
	for _, table := range []string{s.at.network, s.at.network + "6"} {
		text, err := os.ReadFile("/proc/net/" + table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) < 10 || s.at.network == "tcp" && fields[3] != tcpListen {
				continue
			}
			inode, err := strconv.ParseUint(fields[9], 10, 64)
			addr, ok := procAddr(fields[1])
			if err != nil || !ok || !handed[inode] {
				continue
			}
			other := s.at.network + ":" + addr.String()
			if addr == netip.AddrPortFrom(s.at.addr.Addr().WithZone(""), s.at.addr.Port()) || closed && Exclude(s.at.String(), other) != "" {
				return true
			}
		}
	}
	return false
}

const (
	tcpListen     = "0A"    // TCP_LISTEN
	acceptsFlag   = 1 << 16 // SO_ACCEPTCON, of the flags in /proc/net/unix
	procUnixInode = 6
	procUnixFlags = 3
)

// procAddr reads "0100007F:0050": words of four bytes in the machine's order, and the
// port.
func procAddr(text string) (addr netip.AddrPort, ok bool) {
	host, port, _ := strings.Cut(text, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	words, err2 := hex.DecodeString(host)
	if err != nil || err2 != nil || len(words)%4 != 0 {
		return addr, false
	}
	for i := 0; i < len(words); i += 4 {
		binary.NativeEndian.PutUint32(words[i:], binary.BigEndian.Uint32(words[i:]))
	}
	ip, ok := netip.AddrFromSlice(words)
	return netip.AddrPortFrom(ip, uint16(n)), ok
}

// checkUnix goes by what clearWay and bindUnix do.
func (s *Socket) checkUnix(handed map[uint64]bool) error {
	var st unix.Stat_t
	switch err := unix.Lstat(s.at.path, &st); {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return files.MayMake(s.at.path)
	case err != nil:
		return &os.PathError{Op: "stat", Path: s.at.path, Err: err}
	case st.Mode&unix.S_IFMT != unix.S_IFSOCK:
		return errOccupied(s.at.path)
	case leadsToOne(st.Ino, handed):
		return nil
	}
	if err := checkUnused(s.at.path); err != nil {
		return err
	}
	return files.MayMake(s.at.path)
}

// leadsToOne reports whether the file is that of one of the listening sockets. Only
// inodes are compared: the numbers of file systems differ, see boundFile.
func leadsToOne(file uint64, sockets map[uint64]bool) bool {
	text, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) <= procUnixInode {
			continue
		}
		flags, err := strconv.ParseUint(fields[procUnixFlags], 16, 32)
		inode, err2 := strconv.ParseUint(fields[procUnixInode], 10, 64)
		if err != nil || err2 != nil || flags&acceptsFlag == 0 || !sockets[inode] {
			continue
		}
		if ino, _, err := askInode(uint32(inode), detailFile); err == nil && ino == uint32(file) {
			return true
		}
	}
	return false
}

// checkOwner says no to what chown(2) refuses to all but root.
func (s *Socket) checkOwner() error {
	if s.spec.Owner == (Owner{}) || os.Geteuid() == 0 {
		return nil
	}
	uid, gid := s.spec.Owner.ids()
	groups, err := os.Getgroups()
	if err == nil && (uid == -1 || uid == os.Geteuid()) && (gid == -1 || gid == os.Getegid() || slices.Contains(groups, gid)) {
		return nil
	}
	return errOwner(uid, gid, unix.EPERM)
}
