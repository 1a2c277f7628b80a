package files

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Remove removes a file, or a directory with all that is in it, however much that is and
// however deep: whoever has filled it may have meant to keep this process busy, or to
// take all its descriptors. It has two open, and stops when ctx ends, with its cause.
// What is not there is no error.
//
// Nobody else may rename what is in the directory that the path is in.
func Remove(ctx context.Context, path string) error {
	r := &remover{ctx: ctx, fresh: rand.Text() + "-"}
	var err error
	r.above, err = unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err == nil {
		defer unix.Close(r.above)
		err = r.remove(r.above, filepath.Base(path))
	}
	if err != nil && context.Cause(ctx) != err {
		err = &os.PathError{Op: "remove", Path: path, Err: err}
	}
	return err
}

// remover has one directory open, and what is in that one at a time. Directories that are
// deeper are moved up first, so that no path gets long and no descriptor is held for each
// of its steps.
type remover struct {
	ctx   context.Context
	above int
	fresh string // begins the names of what is moved
	moved int
}

// remove removes a name in a directory.
func (r *remover) remove(dir int, name string) error {
	if done, err := unlink(dir, name); done {
		return err
	}
	top, err := openToRemove(dir, name)
	if err != nil {
		return err
	}
	defer unix.Close(top)
	for {
		names, err := r.some(top)
		if err != nil {
			return err
		}
		if len(names) == 0 {
			return gone(unix.Unlinkat(dir, name, unix.AT_REMOVEDIR))
		}
		for _, name := range names {
			if err := r.flatten(top, name); err != nil {
				return err
			}
		}
	}
}

// flatten removes a name in the topmost directory. The directories in it take its place.
func (r *remover) flatten(top int, name string) error {
	if done, err := unlink(top, name); done {
		return err
	}
	dir, err := openToRemove(top, name)
	if err != nil {
		return gone(err)
	}
	defer unix.Close(dir)
	for {
		names, err := r.some(dir)
		if err != nil {
			return err
		}
		if len(names) == 0 {
			return gone(unix.Unlinkat(top, name, unix.AT_REMOVEDIR))
		}
		for _, name := range names {
			done, err := unlink(dir, name)
			if !done {
				r.moved++
				err = gone(unix.Renameat(dir, name, top, r.fresh+strconv.Itoa(r.moved)))
			}
			if err != nil {
				return err
			}
		}
	}
}

// unlink removes a file or an empty directory, and reports whether that is all: else it
// is a directory with something in it.
func unlink(dir int, name string) (done bool, err error) {
	err = gone(unix.Unlinkat(dir, name, 0))
	if err != unix.EISDIR && err != unix.EPERM { // POSIX has EPERM for a directory
		return true, err
	}
	err = gone(unix.Unlinkat(dir, name, unix.AT_REMOVEDIR))
	if err == unix.ENOTEMPTY || err == unix.EEXIST {
		return false, nil
	}
	return true, err
}

// openToRemove opens a directory, whatever its mode is.
func openToRemove(dir int, name string) (int, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(dir, name, flags, 0)
	if err != unix.EACCES {
		return fd, err
	}
	if err := ChmodAt(dir, name, unix.S_IFDIR, 0o700); err != nil { // one's own: root is not refused
		return -1, err
	}
	return unix.Openat(dir, name, flags, 0)
}

// some reads a part of what is in a directory; none is that it is empty.
func (r *remover) some(dir int) (names []string, err error) {
	if err := context.Cause(r.ctx); err != nil {
		return nil, err
	}
	if _, err := unix.Seek(dir, 0, 0); err != nil {
		return nil, err
	}
	buffer := make([]byte, 16<<10)
	for {
		n, err := unix.ReadDirent(dir, buffer)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return nil, err
		}
		if _, _, names = unix.ParseDirent(buffer[:n], -1, nil); len(names) > 0 { // "." and ".." are left out
			return names, nil
		}
	}
}

// gone takes what is not there for removed.
func gone(err error) error {
	if err == unix.ENOENT {
		return nil
	}
	return err
}
