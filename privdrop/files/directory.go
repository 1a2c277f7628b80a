package files

import (
	"os"

	"golang.org/x/sys/unix"
)

// MakeDirectories makes a directory and those above it, each with mode 0755
// whatever the umask is: users go through them to what is theirs. One that is
// there stays as it is. The way there must be one that nobody but root, or this
// process's user, can change.
func MakeDirectories(dir string) error {
	return Way{Make: 0o755, GID: -1, Any: true}.In(dir, func(Place) error { return nil })
}

// IsPrivate reports whether st is that of a directory which nobody but this
// process's user, and root, can enter.
func IsPrivate(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFDIR && st.Mode&0o077 == 0 && int(st.Uid) == os.Geteuid()
}
