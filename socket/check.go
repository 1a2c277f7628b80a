package socket

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

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
// A socket that is handed on at the very address is no obstacle; with closed, one that
// has it in any way: a socket that its supd closes before.
func Check(s Spec, handed *Handed, closed bool) error {
	sock, err := newSocket(s)
	if err != nil {
		return err
	}
	if sock.at.network == "unix" {
		err = sock.checkUnix(handed)
	} else if err = sock.checkInet(); errors.Is(err, unix.EADDRINUSE) && handed.has(sock.at, closed) {
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

// checkUnix goes by what clearWay and bindUnix do.
func (s *Socket) checkUnix(handed *Handed) error {
	var st unix.Stat_t
	switch err := unix.Lstat(s.at.path, &st); {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return s.mayMake()
	case err != nil:
		return &os.PathError{Op: "stat", Path: s.at.path, Err: err}
	case st.Mode&unix.S_IFMT != unix.S_IFSOCK:
		return errOccupied(s.at.path)
	case handed.hasFile(st.Ino):
		return nil
	}
	if err := checkUnused(s.at.path); err != nil {
		return err
	}
	return s.mayMake()
}

// mayMake: a socket is made beside its place, and moved there.
func (s *Socket) mayMake() error {
	return cmp.Or(s.spec.way().MayMake(s.at.path), files.MayReplace(filepath.Dir(s.at.path)))
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
