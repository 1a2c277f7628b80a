package release

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// directory is an open directory. What is beneath it is reached relative to its
// descriptor and without following links, so that nobody who may rename things in
// an installed tree can lead root elsewhere.
type directory struct {
	fd    int
	path  string // for messages
	depth int    // 0 is the one that was opened by its path
}

func openDirectory(path string) (*directory, error) {
	return openDirectoryAt(unix.AT_FDCWD, path, path)
}

func openDirectoryAt(parent int, name, full string) (*directory, error) {
	for {
		fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		switch {
		case err == nil:
			return &directory{fd: fd, path: full}, nil
		case !errors.Is(err, unix.EINTR):
			return nil, &os.PathError{Op: "open", Path: full, Err: err}
		}
	}
}

func (d *directory) close() { unix.Close(d.fd) }

func (d *directory) open(name string) (*directory, error) {
	child, err := openDirectoryAt(d.fd, name, filepath.Join(d.path, name))
	if err == nil {
		child.depth = d.depth + 1
	}
	return child, err
}

// openFile opens a file to read. O_NONBLOCK, since it may have become a fifo.
func (d *directory) openFile(name string) (*os.File, error) {
	fd, err := unix.Openat(d.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, d.fail("open", name, err)
	}
	return os.NewFile(uintptr(fd), filepath.Join(d.path, name)), nil
}

func (d *directory) fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: filepath.Join(d.path, name), Err: err}
}

// stat looks at a name, without following a link.
func (d *directory) stat(name string) (unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, d.fail("stat", name, err)
}

// self looks at the directory.
func (d *directory) self() (unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstat(d.fd, &st)
	return st, d.fail("stat", "", err)
}

// names lists the directory, sorted, if there is room for all. It works once, since
// reading moves the offset.
func (d *directory) names(left room) ([]string, error) {
	var names []string
	buf := make([]byte, 16<<10)
	for {
		n, err := unix.ReadDirent(d.fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, d.fail("read", "", err)
		}
		if n == 0 {
			slices.Sort(names)
			return names, nil
		}
		before := len(names)
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
		for _, name := range names[before:] {
			if !left.has(name) {
				return nil, fmt.Errorf("%s: %w", d.path, errMany)
			}
		}
	}
}

// readLink reads a symbolic link.
func (d *directory) readLink(name string, size int64) (string, error) {
	buf := make([]byte, min(size, unix.PathMax)+1)
	n, err := unix.Readlinkat(d.fd, name, buf)
	if errors.Is(err, unix.EINVAL) {
		err = unix.ENOENT // it is no link any more
	}
	if err != nil {
		return "", d.fail("readlink", name, err)
	}
	return string(buf[:n]), nil
}
