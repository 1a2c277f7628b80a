package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// MayMake says what keeps this process from making a file at path, and the
// directories above it that are missing. It makes nothing.
func MayMake(path string) error {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist) && dir != "/":
			if _, err := os.Lstat(dir); err == nil {
				return fmt.Errorf("%s is a symbolic link that leads nowhere; make what it leads to, or remove it", dir)
			}
			continue
		case errors.Is(err, unix.ENOTDIR):
			continue // said of what is no directory
		case err != nil:
			return err
		case !info.IsDir():
			return fmt.Errorf("%s is not a directory; choose a path below one", dir)
		}
		if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
			return &os.PathError{Op: "write in", Path: dir, Err: err}
		}
		return holdsFiles(dir)
	}
}

// fixed are file systems that show what the kernel has, and in which nobody makes a file.
var fixed = map[int64]string{
	unix.PROC_SUPER_MAGIC: "proc", unix.SYSFS_MAGIC: "sysfs", unix.CGROUP_SUPER_MAGIC: "cgroup", unix.CGROUP2_SUPER_MAGIC: "cgroup2",
	unix.DEBUGFS_MAGIC: "debugfs", unix.TRACEFS_MAGIC: "tracefs", unix.SECURITYFS_MAGIC: "securityfs",
}

// holdsFiles says why nobody makes a file in a directory, whatever its mode.
func holdsFiles(dir string) error {
	var system unix.Statfs_t
	if unix.Statfs(dir, &system) == nil && fixed[system.Type] != "" {
		return fmt.Errorf("%s is on a file system of the kernel (%s), in which no file can be made; choose another directory", dir, fixed[system.Type])
	}
	if attributes(dir)&unix.STATX_ATTR_IMMUTABLE != 0 {
		return fmt.Errorf("%s is immutable, and no file can be made in it; chattr -i %[1]s, or choose another directory", dir)
	}
	return nil
}

// MayReplace says what keeps a name in a directory from being given to another file, for
// which it is not enough that one can be made: to some directories names are only added.
func MayReplace(dir string) error {
	if attributes(dir)&unix.STATX_ATTR_APPEND != 0 {
		return fmt.Errorf("%s is append-only, and no name in it can be moved or removed; chattr -a %[1]s, or choose another directory", dir)
	}
	return nil
}

// MayBeReplaced says what keeps the name of a file from being given to another one, if
// there is a file.
func MayBeReplaced(path string) error {
	if attributes(path)&(unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND) != 0 {
		return fmt.Errorf("%s is immutable or append-only; chattr -ia %[1]s", path)
	}
	return MayReplace(filepath.Dir(path))
}

// HasRoom says that the file system of a directory has no room for another file.
func HasRoom(dir string) error {
	var system unix.Statfs_t
	if err := unix.Statfs(dir, &system); err != nil {
		return &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	blocks := system.Bfree
	if os.Geteuid() != 0 { // some are root's alone
		blocks = system.Bavail
	}
	if system.Files > 0 && system.Ffree == 0 || system.Blocks > 0 && blocks == 0 { // 0 in all: it does not tell
		return &os.PathError{Op: "write in", Path: dir, Err: unix.ENOSPC}
	}
	return nil
}

// attributes are those of chattr(1), as far as the file system has them.
func attributes(dir string) uint64 {
	var st unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, dir, 0, unix.STATX_TYPE, &st) != nil {
		return 0
	}
	return st.Attributes
}
