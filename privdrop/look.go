package privdrop

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// found is what a worker finds at a path, whatever it is (O_PATH).
type found struct {
	fd   int
	path string
	st   unix.Stat_t
	as   *files.Account // who looks
}

// look looks at what the worker finds at path, with the rights of as: a link that the app's
// user has made may lead to what only root may see, of which nothing is to be told. The error
// is an errno.
func (v View) look(path string, as *files.Account) (*found, error) {
	f, at := &found{path: path, as: as}, v.Find(path)
	var err error
	f.fd, err = unix.Open(at, unix.O_PATH|unix.O_CLOEXEC, 0)
	if isLess(as) && (err != nil || !v.isPublic(f.fd)) { // a thread costs more than all the rest
		if err == nil {
			f.close()
		}
		f.fd, err = v.lookAs(at, as)
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Fstat(f.fd, &f.st); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *found) close() { unix.Close(f.fd) }

func (f *found) is(kind uint32) bool { return f.st.Mode&unix.S_IFMT == kind }

// open opens it to be read, if it is a regular file. It never waits.
func (f *found) open() (fd int, err error) {
	if !f.is(unix.S_IFREG) {
		return -1, &os.PathError{Op: "read", Path: f.path, Err: errors.New("is not a regular file")}
	}
	if f.st.Mode&0o444 == 0o444 || !isLess(f.as) {
		return files.OpenFound(f.fd, f.path, unix.O_RDONLY)
	}
	err = with(f.as, func() error {
		fd, err = files.OpenFound(f.fd, f.path, unix.O_RDONLY)
		return err
	})
	return fd, err
}

// Open opens the regular file that the worker finds at path, to be read, with the rights of
// as; nil is this process. It never waits.
func (v View) Open(path string, as *files.Account) (*os.File, error) {
	f, err := v.look(path, as)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer f.close()
	fd, err := f.open()
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// isLess reports whether somebody has fewer rights than this process.
func isLess(as *files.Account) bool { return as != nil && as.UID != 0 && os.Geteuid() == 0 }

// isPublic reports whether everybody may go to what is open: by the modes of the directories
// that it is really in, as far as the worker has them.
func (v View) isPublic(fd int) bool {
	at, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil || !filepath.IsAbs(at) {
		return false
	}
	top := "/"
	if m := v.mountOf(at); m != nil {
		top = m.From
	}
	for at != top {
		at = filepath.Dir(at)
		var st unix.Stat_t
		if unix.Stat(at, &st) != nil || st.Mode&0o111 != 0o111 {
			return false
		}
	}
	return true
}

// mountOf is what shows the worker a path of this process, nil for one that it has itself.
func (v View) mountOf(path string) *Mount {
	for i := range v {
		if beneath(path, v[i].From) {
			return &v[i]
		}
	}
	return nil
}

// lookAs looks with the account's rights alone. Those to get to a mount's other end it need
// not have.
func (v View) lookAs(path string, as *files.Account) (fd int, err error) {
	from := unix.AT_FDCWD
	if m := v.mountOf(path); m != nil {
		if from, err = unix.Open(m.From, unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
			return -1, err
		}
		defer unix.Close(from)
		path = "./" + strings.TrimPrefix(path[len(m.From):], "/")
	}
	err = with(as, func() error {
		fd, err = unix.Openat(from, path, unix.O_PATH|unix.O_CLOEXEC, 0)
		return err
	})
	return fd, err
}

// with does something with an account's rights to files. Where this process cannot take
// them, that is EACCES.
func with(as *files.Account, do func() error) error {
	return files.OnThreadOfItsOwn(func() error {
		if !as.Become() {
			return unix.EACCES
		}
		return do()
	})
}
