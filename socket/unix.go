package socket

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// bindUnix makes the socket in a private directory beside its path, gives it
// its owner, group and mode there, listens, and only then renames it into
// place: nobody ever finds it unfinished, and umask(2), which belongs to the
// whole process, need not be touched. On an error nothing is left but s.fd.
func (s *Socket) bindUnix(keep *directory) (err error) {
	parent, name, err := s.makeParent()
	if err != nil {
		return err
	}
	defer parent.close()
	flags, err := clearWay(parent, name, s.at.path)
	if err != nil {
		return err
	}
	stage, err := newStage(parent)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.leave(err == nil && s.kept.in(stage.directory))) }()
	if err := s.prepare(stage, keep); err != nil {
		return err
	}
	err = stage.moveTo(staged, parent, name, flags)
	if err != nil && s.kept != nil {
		err = errors.Join(err, s.kept.unlink())
	}
	return err
}

// makeParent opens the directory that the socket is in, and makes it if it is missing.
func (s *Socket) makeParent() (parent *directory, name string, err error) {
	way := s.spec.way()
	way.Make = 0o755
	parent, err = openBy(way, path.Dir(s.at.path))
	return parent, path.Base(s.at.path), err
}

func (s *Socket) openParent() (*directory, error) { return openBy(s.spec.way(), path.Dir(s.at.path)) }

// prepare makes the socket in stage: bound, owned, listening, kept.
func (s *Socket) prepare(stage *stage, keep *directory) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	s.fd = fd
	if err := stage.bind(fd, s.at.path); err != nil {
		return err
	}
	if s.file, _, err = stage.lookup(staged); err != nil {
		return err
	}
	if err := setOwner(stage.directory, staged, s.spec.Owner, s.spec.mode()); err != nil {
		return err
	}
	if err := s.listen(); err != nil {
		return err
	}
	if keep != nil {
		s.kept, err = newLink(stage.directory, keep)
	}
	return err
}

// setOwner changes owner, group and mode of a socket in a private directory. The
// mode comes last: the new owner must not get the old one's.
func setOwner(d *directory, name string, who Owner, mode fs.FileMode) error {
	if who != (Owner{}) {
		uid, gid := who.ids()
		err := unix.Fchownat(d.fd, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, unix.EPERM) {
			return errOwner(uid, gid, err)
		}
		if err != nil {
			return d.fail("chown", name, err)
		}
	}
	return d.fail("chmod", name, files.ChmodAt(d.fd, name, unix.S_IFSOCK, uint32(mode)))
}

// clearWay looks at what is at a socket's path. It returns the flags of the
// rename (renameat2(2)) that may put a new socket there, or an error if none may.
func clearWay(parent *directory, name, p string) (flags uint, err error) {
	found, kind, err := parent.lookup(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return unix.RENAME_NOREPLACE, nil
	case err != nil:
		return 0, err
	case kind != unix.S_IFSOCK:
		return 0, errOccupied(p)
	}
	if err := checkUnused(p); err != nil {
		return 0, err
	}
	return 0, sweep(parent, found)
}

// checkUnused is nil if nobody listens any more on the unix socket at p.
func checkUnused(p string) error {
	switch err := tryConnect(p); {
	case errors.Is(err, unix.ECONNREFUSED):
		return nil
	case err == nil, errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EPROTOTYPE):
		// EAGAIN is a full queue, EPROTOTYPE another type of socket: both live.
		return takenError{fmt.Errorf("another process is listening on %s; stop it first (`ss -xlp` shows it)", p)}
	default:
		return fmt.Errorf("cannot report whether a process is listening on %s: %w", p, err)
	}
}

func errOccupied(p string) error {
	return fmt.Errorf("%s is there and is not a socket; it is left alone, remove it or choose another path", p)
}

func errOwner(uid, gid int, err error) error {
	return fmt.Errorf("chown to uid %d, gid %d: %w: only root may give a socket away", uid, gid, err)
}

func tryConnect(p string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer CloseFd(fd)
	return unix.Connect(fd, &unix.SockaddrUnix{Name: p})
}

// atPath reports whether the path leads to this very socket.
func (s *Socket) atPath() bool {
	var st unix.Stat_t
	err := unix.Lstat(s.at.path, &st)
	return err == nil && s.file == inode{uint64(st.Dev), st.Ino}
}

func (s *Socket) removePath() error {
	if s.at.network != "unix" || !s.atPath() {
		return nil
	}
	parent, err := s.openParent()
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer parent.close()
	name := path.Base(s.at.path)
	if found, _, err := parent.lookup(name); err != nil || found != s.file {
		return nil // it was removed meanwhile
	}
	return parent.remove(name, 0)
}
