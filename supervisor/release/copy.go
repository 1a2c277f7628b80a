package release

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// cannotLink reports whether a file that cannot be linked may still be copied:
// another file system or mount (EXDEV), a file system without links or a file that
// this user may not link (EPERM, proc_sys_fs(5) on protected_hardlinks), or one
// with as many links as it can have (EMLINK).
func cannotLink(err error) bool {
	return errors.Is(err, unix.EXDEV) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EMLINK) || errors.Is(err, unix.EOPNOTSUPP)
}

// link links a file into another directory, and reports whether it did: else it is to
// be copied, since nobody but root may ever change or own what is in a snapshot.
func (d *directory) link(name string, to *directory, st *unix.Stat_t) (bool, error) {
	if !d.isRoots(name, st) {
		return false, nil
	}
	err := unix.Linkat(d.fd, name, to.fd, name, 0)
	if cannotLink(err) {
		return false, nil
	}
	return err == nil, to.fail("link", name, err)
}

// isRoots reports whether a file is one that only root can change, and that gives
// nobody more rights than he has. To a process that is not root all is its own.
func (d *directory) isRoots(name string, st *unix.Stat_t) bool {
	switch {
	case os.Geteuid() != 0:
		return true
	case st.Uid != 0:
		return false
	case kindOf(st.Mode) == 'l':
		return true
	case st.Mode&(unix.S_ISUID|unix.S_ISGID|unix.S_IWOTH) != 0, st.Mode&unix.S_IWGRP != 0 && st.Gid != 0, d.isListed(name, st):
		return false
	}
	_, err := unix.Lgetxattr(d.byDescriptor(name), "security.capability", nil)
	return err != nil // mostly ENODATA
}

// isListed reports whether an access control list may let others write to a file.
func (d *directory) isListed(name string, st *unix.Stat_t) bool {
	return st.Mode&unix.S_IWGRP != 0 && files.HasList(d.byDescriptor(name))
}

// withoutList is st as it is where nobody is named in an access control list.
func (d *directory) withoutList(name string, st *unix.Stat_t) *unix.Stat_t {
	plain := *st
	plain.Mode = files.WithoutList(d.byDescriptor(name), st.Mode)
	return &plain
}

// byDescriptor is a path for calls that take no descriptor.
func (d *directory) byDescriptor(name string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", d.fd, name)
}

// copyFile copies a file or symbolic link, with the times of the installed one.
func copyFile(ctx context.Context, from, to *directory, name string, st *unix.Stat_t) error {
	if kindOf(st.Mode) == 'l' {
		target, err := from.readLink(name, st.Size)
		if err == nil {
			err = to.fail("symlink", name, unix.Symlinkat(target, to.fd, name))
		}
		if err != nil {
			return err
		}
		return to.setTimes(name, st)
	}
	if err := copyContent(ctx, from, to, name, st); err != nil {
		return err
	}
	if err := to.setTimes(name, st); err != nil {
		return err
	}
	return to.protect(name, from.withoutList(name, st))
}

// copyContent shares the data of a file where the file system can (FICLONE), and
// copies it elsewhere.
func copyContent(ctx context.Context, from, to *directory, name string, st *unix.Stat_t) error {
	src, err := from.openFile(name)
	if err != nil {
		return err
	}
	defer src.Close()
	fd, err := unix.Openat(to.fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return to.fail("create", name, err)
	}
	dst := os.NewFile(uintptr(fd), filepath.Join(to.path, name))
	defer dst.Close()
	if err := unix.IoctlFileClone(fd, int(src.Fd())); err != nil {
		if err := copyData(ctx, dst, src, st.Size); err != nil {
			return err
		}
	}
	var now unix.Stat_t
	if err := unix.Fstat(int(src.Fd()), &now); err != nil {
		return from.fail("stat", name, err)
	}
	if now.Ino != st.Ino || now.Size != st.Size || now.Mtim != st.Mtim || now.Ctim != st.Ctim {
		return fmt.Errorf("%s: %w", filepath.Join(from.path, name), ErrChanging)
	}
	return dst.Close()
}

// copyPart is how much is copied before somebody is heard who wants no more of it.
const copyPart = 16 << 20

// copyData copies what a file has, and leaves holes where it has some (SEEK_DATA of
// lseek(2)): whoever made it may have written little of a large size.
func copyData(ctx context.Context, dst, src *os.File, size int64) error {
	for at := int64(0); at < size; {
		if err := context.Cause(ctx); err != nil { // also where its owner makes holes all the time
			return err
		}
		begin, err := unix.Seek(int(src.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // the rest is a hole
			break
		}
		if err != nil { // the file system does not know
			begin = at
		}
		end, err := unix.Seek(int(src.Fd()), begin, unix.SEEK_HOLE)
		if err != nil {
			end = size
		}
		if err := copyRange(ctx, dst, src, begin, min(end, size)); err != nil {
			return err
		}
		at = end
	}
	return dst.Truncate(size)
}

func copyRange(ctx context.Context, dst, src *os.File, begin, end int64) error {
	for _, f := range []*os.File{dst, src} {
		if _, err := f.Seek(begin, io.SeekStart); err != nil {
			return err
		}
	}
	for at := begin; at < end; at += copyPart {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if _, err := io.CopyN(dst, src, min(copyPart, end-at)); errors.Is(err, io.EOF) {
			return nil // it has become shorter, as its size will tell
		} else if err != nil {
			return err
		}
	}
	return nil
}

// make makes a directory in d that only this process's user can enter.
func (d *directory) make(name string) (*directory, error) {
	if err := unix.Mkdirat(d.fd, name, 0o700); err != nil {
		return nil, d.fail("mkdir", name, err)
	}
	child, err := d.open(name)
	if err != nil {
		return nil, err
	}
	if err := files.DropLists(child.fd); err != nil {
		child.close()
		return nil, d.fail("setfacl", name, err)
	}
	return child, nil
}

// become gives d, once it is filled, the times of the installed directory, and
// protects it.
func (d *directory) become(st *unix.Stat_t) error {
	if err := d.setTimes(".", st); err != nil {
		return err
	}
	return d.protect(".", st) // may close it
}

// protect makes a copy root's, with the group and mode of the installed file, less what
// lets others write to it or gives them rights: set-user-ID and the like. Whoever could
// read the installed one as its owner may read the copy; who is named in an access control
// list alone may not.
func (d *directory) protect(name string, st *unix.Stat_t) error {
	mode := st.Mode & 0o1777
	if os.Geteuid() == 0 {
		mode &^= unix.S_IWGRP | unix.S_IWOTH
		if err := unix.Fchownat(d.fd, name, 0, int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return d.fail("chown", name, err)
		}
	}
	if err := unix.Fchmodat(d.fd, name, mode, 0); err != nil {
		return d.fail("chmod", name, err)
	}
	if os.Geteuid() != 0 || st.Uid == 0 || mode>>6&0o5&^mode == 0 {
		return nil
	}
	err := unix.Lsetxattr(d.byDescriptor(name), files.AccessList, readers(mode, st.Uid), 0)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("%s can only be read by its owner, uid %d, and the file system of the snapshots has no access control lists: make it root's, and let a group read it (chown, chmod)", filepath.Join(d.path, name), st.Uid)
	}
	return d.fail("setfacl", name, err)
}

// readers is an access control list that lets one more user read what the owner may by
// the mode.
func readers(mode, uid uint32) []byte {
	const undefined = ^uint32(0)
	read, group := mode>>6&0o5, mode>>3&0o7
	list := binary.LittleEndian.AppendUint32(nil, files.ListVersion)
	for _, e := range []struct {
		tag  uint16
		perm uint32
		id   uint32
	}{
		{files.ListOwner, mode >> 6 & 0o7, undefined},
		{files.ListUser, read, uid},
		{files.ListGroup, group, undefined},
		{files.ListMask, read | group, undefined},
		{files.ListOthers, mode & 0o7, undefined},
	} {
		list = binary.LittleEndian.AppendUint16(list, e.tag)
		list = binary.LittleEndian.AppendUint16(list, uint16(e.perm))
		list = binary.LittleEndian.AppendUint32(list, e.id)
	}
	return list
}

// setTimes sets the times of a name; a link is not followed.
func (d *directory) setTimes(name string, st *unix.Stat_t) error {
	times := []unix.Timespec{st.Atim, st.Mtim}
	return d.fail("utimensat", name, unix.UtimesNanoAt(d.fd, name, times, unix.AT_SYMLINK_NOFOLLOW))
}

// typeName names the type of what is neither a file, a directory nor a link.
func typeName(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFIFO:
		return "a fifo"
	case unix.S_IFSOCK:
		return "a socket"
	}
	return "a device"
}
