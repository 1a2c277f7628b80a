package files

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// MakeDirectories makes a directory and those above it, each with mode 0755
// whatever the umask is: users go through them to what is theirs. One that is
// there stays as it is.
func MakeDirectories(dir string) error {
	err := unix.Mkdir(dir, 0o755)
	if errors.Is(err, unix.ENOENT) {
		if err := MakeDirectories(filepath.Dir(dir)); err != nil {
			return err
		}
		err = unix.Mkdir(dir, 0o755)
	}
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "mkdir", Path: dir, Err: err}
	}
	return os.Chmod(dir, 0o755)
}

// IsPrivate reports whether st is that of a directory which nobody but this
// process's user, and root, can enter.
func IsPrivate(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFDIR && st.Mode&0o077 == 0 && int(st.Uid) == os.Geteuid()
}
