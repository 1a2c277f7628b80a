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
		return nil
	}
}
