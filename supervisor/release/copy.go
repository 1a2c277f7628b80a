package release

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// cannotLink reports whether a file that cannot be linked may still be copied:
// another file system or mount (EXDEV), a file system without links or a file that
// this user may not link (EPERM, proc_sys_fs(5) on protected_hardlinks), or one
// with as many links as it can have (EMLINK).
func cannotLink(err error) bool {
	return errors.Is(err, unix.EXDEV) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EMLINK) || errors.Is(err, unix.EOPNOTSUPP)
}

// copyFile copies a file or symbolic link, with the owner, mode and times of the
// installed one.
func copyFile(from, to *directory, name string, st *unix.Stat_t) error {
	var err error
	if kindOf(st.Mode) == 'l' {
		var target string
		if target, err = from.link(name, st.Size); err == nil {
			err = to.fail("symlink", name, unix.Symlinkat(target, to.fd, name))
		}
	} else {
		err = copyContent(from, to, name, st)
	}
	if err != nil {
		return err
	}
	if err := owned(unix.Fchownat(to.fd, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW)); err != nil {
		return to.fail("chown", name, err)
	}
	if kindOf(st.Mode) == 'f' { // after chown(2), which takes setuid away; a link has no mode
		if err := unix.Fchmodat(to.fd, name, st.Mode&0o7777, 0); err != nil {
			return to.fail("chmod", name, err)
		}
	}
	return to.setTimes(name, st)
}

// copyContent shares the data of a file where the file system can (FICLONE), and
// copies it elsewhere.
func copyContent(from, to *directory, name string, st *unix.Stat_t) error {
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
		if _, err := io.Copy(dst, src); err != nil {
			return err
		}
	}
	var now unix.Stat_t
	if err := unix.Fstat(int(src.Fd()), &now); err != nil {
		return from.fail("stat", name, err)
	}
	if now.Ino != st.Ino || now.Size != st.Size || now.Mtim != st.Mtim {
		return fmt.Errorf("%s: %w", filepath.Join(from.path, name), ErrChanging)
	}
	return dst.Close()
}

// make makes a directory in d that only this process's user can enter.
func (d *directory) make(name string) (*directory, error) {
	if err := unix.Mkdirat(d.fd, name, 0o700); err != nil {
		return nil, d.fail("mkdir", name, err)
	}
	return d.open(name)
}

// become gives d, once it is filled, the owner, mode and times of the installed
// directory.
func (d *directory) become(st *unix.Stat_t) error {
	if err := owned(unix.Fchown(d.fd, int(st.Uid), int(st.Gid))); err != nil {
		return d.fail("chown", "", err)
	}
	if err := d.setTimes(".", st); err != nil {
		return err
	}
	return d.fail("chmod", "", unix.Fchmod(d.fd, st.Mode&0o7777)) // may close it
}

// setTimes sets the times of a name; a link is not followed.
func (d *directory) setTimes(name string, st *unix.Stat_t) error {
	times := []unix.Timespec{st.Atim, st.Mtim}
	return d.fail("utimensat", name, unix.UtimesNanoAt(d.fd, name, times, unix.AT_SYMLINK_NOFOLLOW))
}

// owned ignores a refused chown(2) of a user who is not root: the copy is the
// user's own.
func owned(err error) error {
	if errors.Is(err, unix.EPERM) && os.Geteuid() != 0 {
		return nil
	}
	return err
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
