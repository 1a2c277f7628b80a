package socket

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// boundFile is the file of a unix socket as sock_diag(7) tells it: the lower half
// of its inode number, and the kernel's own number of its file system.
type boundFile struct{ ino, dev uint32 }

// fileOf finds the file that a unix socket was bound to. While the socket is
// open its inode is given to no other file, even if all its names are gone.
func fileOf(fd int) (boundFile, error) {
	ino, dev, err := askUnix(fd, detailFile)
	return boundFile{ino, dev}, err
}

func (f boundFile) at(d *directory, name string) bool {
	if d == nil {
		return false
	}
	_, err := f.inode(d, name)
	return err == nil
}

// inode is that of a name in d if it leads to the file.
func (f boundFile) inode(d *directory, name string) (inode, error) {
	found, kind, err := d.lookup(name)
	if err != nil {
		return inode{}, err
	}
	if kind == unix.S_IFSOCK && uint32(found.ino) == f.ino {
		if kernelDevice(found.dev) == f.dev {
			return found, nil
		}
		// btrfs and overlayfs give stat(2) other numbers than they have.
		if dev, err := d.kernelDevice(); err != nil || dev == f.dev {
			return found, err
		}
	}
	return inode{}, d.fail("find", name, errors.New("another file"))
}

// kernelDevice is how the kernel packs a device number inside (MKDEV).
func kernelDevice(dev uint64) uint32 { return unix.Major(dev)<<20 | unix.Minor(dev) }

// kernelDevice asks for the number of d's file system with a socket that is bound
// there for the purpose.
func (d *directory) kernelDevice() (dev uint32, err error) {
	stage, err := newStage(d)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stage.leave(false)) }()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	if err := stage.bindHere(fd); err != nil {
		return 0, err
	}
	file, err := fileOf(fd)
	return file.dev, err
}

// boundName is the path that a unix socket was bound to, or "".
func boundName(fd int) string {
	name, err := unix.Getsockname(fd)
	if local, ok := name.(*unix.SockaddrUnix); ok && err == nil {
		return local.Name
	}
	return ""
}

// describe says what a descriptor is, for a message.
func describe(fd int) string {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return "no socket"
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return "a socket of an unknown family"
	}
	if local, ok := name.(*unix.SockaddrUnix); ok {
		return strings.TrimSpace("unix:" + local.Name)
	}
	addr, err := boundAddr(fd, "")
	if err != nil {
		return "a socket of an unknown family"
	}
	if kind == unix.SOCK_DGRAM {
		return "udp:" + addr.String()
	}
	return "tcp:" + addr.String()
}
