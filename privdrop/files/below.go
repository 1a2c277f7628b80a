package files

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// MostLevels is how deep directories are in each other that are looked at: each costs a
// descriptor, and who has made them may have meant that.
const MostLevels = 128

// UntrustedBelow gives what somebody else than root could change of a directory and of all
// that is in it, up to most of these; groups of the system's own may write on the way alone.
// What is in a directory of somebody else's is not looked at, nor where symbolic links lead.
// The error says why it has not seen everything.
func UntrustedBelow(dir string, most int) ([]*UntrustedError, error) {
	b := &below{most: most}
	err := Way{}.In(dir, func(p Place) error {
		top := walker{fd: p.FD, path: p.Path}
		if err := top.look(); err != nil {
			return err
		}
		if err := top.judgeThing(); err != nil {
			return err
		}
		fd, err := OpenFound(p.FD, p.Path, unix.O_RDONLY|unix.O_DIRECTORY)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return b.directory(fd, p.Path, 0)
	})
	if why, untrusted := errors.AsType[*UntrustedError](err); untrusted {
		return []*UntrustedError{why}, nil
	}
	return b.found, err
}

// below goes through a tree. It has a descriptor for each level, and a part of what is in
// that directory.
type below struct {
	most  int
	found []*UntrustedError
}

func (b *below) enough() bool { return len(b.found) >= b.most }

func (b *below) directory(fd int, path string, depth int) error {
	if depth == MostLevels {
		return &os.PathError{Op: "look at", Path: Shortened(path), Err: fmt.Errorf("is more than %d directories deep", MostLevels)}
	}
	buffer := make([]byte, 16<<10)
	for !b.enough() {
		n, err := unix.ReadDirent(fd, buffer)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return &os.PathError{Op: "read", Path: Shortened(path), Err: err}
		}
		if n == 0 {
			return nil
		}
		_, _, names := unix.ParseDirent(buffer[:n], -1, nil)
		for _, name := range names {
			if b.enough() {
				return nil
			}
			if err := b.name(fd, name, filepath.Join(path, name), depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// name looks at one name in a directory, and at what is in it.
func (b *below) name(dir int, name, path string, depth int) error {
	if len(path) >= unix.PathMax {
		return &os.PathError{Op: "look at", Path: Shortened(path), Err: unix.ENAMETOOLONG}
	}
	w := Way{}.walker()
	defer w.close()
	err := w.step(dir, name, path)
	switch {
	case errors.Is(err, unix.ENOENT): // it went meanwhile
		return nil
	case err != nil || w.st.Mode&unix.S_IFMT == unix.S_IFLNK: // which nobody can change
		return err
	}
	if err = w.judgeOwner(""); err == nil {
		err = w.judgeThing()
	}
	if why, untrusted := errors.AsType[*UntrustedError](err); untrusted {
		b.found = append(b.found, why)
		return nil
	}
	if err != nil || w.st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return err
	}
	fd, err := OpenFound(w.fd, path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	w.close()
	w.fd = -1
	return b.directory(fd, path, depth+1)
}

// Shortened leaves of a long path what tells where to look.
func Shortened(path string) string {
	const most = 200
	if len(path) <= most {
		return path
	}
	return path[:most] + "…"
}
