package files

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// ChmodAt changes the mode of what has a name in a directory, which has to be of the kind
// (S_IFSOCK and the like, inode(7)): never of what a link leads to. It needs /proc, as the
// C library's fchmodat(3) does for AT_SYMLINK_NOFOLLOW before Linux 6.6.
func ChmodAt(dir int, name string, kind, mode uint32) error {
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	switch err := unix.Fstat(fd, &st); {
	case err != nil:
		return err
	case st.Mode&unix.S_IFMT != kind:
		return unix.EINVAL
	}
	return unix.Fchmodat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(fd), mode, 0)
}
