package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Way is how this process goes to a directory in which it does something on behalf of
// an app. The path is walked from / by descriptors, and nothing in it is looked up a
// second time.
//
// As far as nobody but root can change where the path leads (see Trust; on the way,
// groups of the system's own that the app is not in may write, as syslog may to
// Ubuntu's /var/log), it is done with root's rights. Below the first directory that
// somebody else may write in it is done with the app's: whoever leads root elsewhere
// there gets no further than the app does by itself. Without an app, or with one that
// runs as root, it is refused there with an *UntrustedError.
//
// A process that is not root has no more rights than the app, and goes with its own.
type Way struct {
	As   *Account
	Make uint32 // mode of the directory if it is to be made, with those above it (0755); 0: it is to be there
	GID  int    // group of the one that is made; -1: of whoever makes it
	// Any lets the directory itself be anybody's, and asks for the way to it alone: what
	// is done in there then harms nobody, whoever may write in it.
	Any bool
}

// Place is a directory at the end of a Way.
type Place struct {
	FD   int // O_PATH, for openat(2) and the like
	Path string
	// Shared says of a sticky directory that others may write in, as /tmp is, that root
	// is at work there: what is in there counts only if it is Sole.
	Shared bool
	// Lent says that the rights are the app's.
	Lent bool
}

// In calls do in the directory. do may run on another thread, which has the rights; it
// must not leave anything behind that runs later. It is called twice where it returns
// an *UntrustedError about what is in there.
func (w Way) In(dir string, do func(Place) error) error {
	end := uint32(0)
	if w.Any {
		end = unix.S_IFDIR
	}
	return w.walk(dir, end, func(walk *walker, path string) error { return walk.in(path, do) })
}

// walk calls do with a path to go on with, twice where it returns an *UntrustedError.
func (w Way) walk(path string, end uint32, do func(walk *walker, path string) error) error {
	if !filepath.IsAbs(path) {
		return &os.PathError{Op: "open", Path: path, Err: errors.New("is not absolute")}
	}
	path = filepath.Clean(path)
	walk := w.walker()
	walk.all, walk.end = os.Geteuid() != 0, end
	defer walk.close()
	if w.Make != 0 {
		walk.make = &making{mode: w.Make, gid: w.GID, own: len(path)}
	}
	err := do(walk, path)
	why, untrusted := errors.AsType[*UntrustedError](err)
	if !untrusted || w.As == nil || w.As.UID == 0 {
		return err
	}
	return OnThreadOfItsOwn(func() error {
		if !w.As.Become() {
			return why
		}
		walk.all, walk.lent = true, true
		if err := do(walk, walk.left); err != nil {
			return fmt.Errorf("%w (with the rights of uid %d, for %s %s)", err, w.As.UID, why.Path, why.Why)
		}
		return nil
	})
}

func (w Way) walker() *walker {
	return &walker{trust: Trust{SystemGroups: true, Except: w.As.groups()}, fd: -1}
}

// Untrusted says why somebody else than root could change where a directory or a file is,
// or what is in it: an *UntrustedError, or nil where that is not so or it is not there. The
// app counts as somebody else.
func (w Way) Untrusted(path string) error {
	walk := w.walker()
	defer walk.close()
	err := walk.reach(filepath.Clean(path))
	switch {
	case err != nil:
	case walk.st.Mode&unix.S_IFMT == unix.S_IFDIR:
		err = walk.judgeWay()
	default:
		err = walk.judgeThing()
	}
	if IsUntrusted(err) {
		return err
	}
	return nil
}

// in goes on along a path to a directory.
func (w *walker) in(path string, do func(Place) error) error {
	if err := w.reach(path); err != nil {
		return err
	}
	w.left = ""
	if err := w.judgeEnd(); err != nil {
		return err
	}
	shared := !w.all && w.st.Mode&unix.S_ISVTX != 0 && w.judgeEntries() != nil
	return do(Place{FD: w.fd, Path: w.path, Shared: shared, Lent: w.lent})
}

// judgeEnd is about the directory that the path leads to.
func (w *walker) judgeEnd() error {
	if w.end == unix.S_IFDIR && w.st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return nil
	}
	return w.judgeWay()
}

// OpenOwn opens a regular file to be read, that is root's or the app's own and that
// not everybody may write to. Symbolic links to it are followed.
func (w Way) OpenOwn(path string) (file *os.File, err error) {
	err = w.walk(path, unix.S_IFREG, func(walk *walker, rest string) error {
		if err := walk.reach(rest); err != nil {
			return err
		}
		if err := walk.judgeOwn(w.As); err != nil {
			return err
		}
		fd, err := OpenFound(walk.fd, path, unix.O_RDONLY)
		if err == nil {
			file = os.NewFile(uintptr(fd), path)
		}
		return err
	})
	return file, err
}

// judgeOwn is about whose the file at the end is. The error is of no kind that would
// let it be tried with the app's rights.
func (w *walker) judgeOwn(as *Account) error {
	uid, own := int(w.st.Uid), os.Geteuid()
	if as != nil {
		own = as.UID
	}
	switch {
	case w.st.Mode&unix.S_IFMT != unix.S_IFREG:
		return &os.PathError{Op: "read", Path: w.path, Err: errors.New("is not a regular file")}
	case uid != 0 && uid != own && !outside(uid):
		return fmt.Errorf("%s belongs to uid %d, neither to root nor to uid %d; chown it", w.path, uid, own)
	case w.st.Mode&unix.S_IWOTH != 0:
		return fmt.Errorf("%s has mode %04o: everybody may write to it; chmod o-w %s", w.path, w.st.Mode&0o7777, w.path)
	}
	return nil
}

// Open opens the directory (O_PATH), for what this process does in it with its own
// rights, relative to the descriptor. Where the way there was gone with the app's
// rights, the app must be able to make and remove everything in there: so nothing is
// done that it could not do.
func (w Way) Open(dir string) (fd int, err error) {
	fd = -1
	err = w.In(dir, func(p Place) error {
		if err := p.lendable(w.As); err != nil {
			return err
		}
		fd, err = unix.FcntlInt(uintptr(p.FD), unix.F_DUPFD_CLOEXEC, 0)
		return p.fail("open", "", err)
	})
	return fd, err
}

// lendable reports whether all that can be done in the place the app can do as well.
func (p Place) lendable(as *Account) error {
	if !p.Lent {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(p.FD, &st); err != nil {
		return p.fail("stat", "", err)
	}
	if st.Mode&unix.S_ISVTX != 0 && int(st.Uid) != as.UID {
		return p.fail("write in", "", errors.New("is sticky and another user's"))
	}
	return p.writable()
}

func (p Place) writable() error {
	return p.fail("write in", "", unix.Faccessat(p.FD, ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS))
}

// MayMake is the function of that name, with the rights that the Way gives.
func (w Way) MayMake(path string) error {
	if err := MayMake(path); err != nil {
		return err
	}
	w.Make = 0
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		err := w.In(dir, func(p Place) error {
			if w.Any {
				if err := p.lendable(w.As); err != nil {
					return err
				}
			}
			return p.writable()
		})
		if dir == "/" || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
}

// Open opens what has a name in the place, which no symbolic link may be. A regular
// file it must be; that is the caller's to see.
func (p Place) Open(name string, flags int, mode uint32) (int, unix.Stat_t, error) {
	var st unix.Stat_t
	fd, err := unix.Openat(p.FD, name, flags|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, mode)
	if err != nil {
		return -1, st, p.fail("open", name, err)
	}
	err = p.fail("stat", name, unix.Fstat(fd, &st))
	if err == nil {
		err = p.Sole(name, &st)
	}
	if err != nil {
		unix.Close(fd)
		return -1, st, err
	}
	return fd, st, nil
}

// Sole wants of a file in a shared place that it is this process's own and has no other
// name: a stranger's would be read or changed by him, and a second name in there may be
// his link to a file of root's elsewhere (proc_sys_fs(5), protected_hardlinks).
func (p Place) Sole(name string, st *unix.Stat_t) error {
	path := filepath.Join(p.Path, name)
	switch {
	case !p.Shared:
		return nil
	case int(st.Uid) != os.Geteuid():
		return &UntrustedError{path, fmt.Sprintf("belongs to uid %d, in a directory that everybody may write in", st.Uid), "remove it, or choose another directory"}
	case st.Nlink > 1:
		return &UntrustedError{path, "has another name besides, in a directory that everybody may write in", "remove it, or choose another directory"}
	}
	return nil
}

func (p Place) fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: filepath.Join(p.Path, name), Err: err}
}

// making says which of the steps that are missing are made, and how.
type making struct {
	mode uint32 // of the last one
	gid  int
	own  int // so many bytes at the end of what is left of the path are not from symbolic links
}

// linked notes that only so many bytes at the end of the path are not from a link.
func (m *making) linked(rest int) {
	if m != nil {
		m.own = min(m.own, rest)
	}
}

// makes reports whether a step that failed is to be made. Where a symbolic link leads
// nowhere nothing is made: that is more likely a mistake.
func (w *walker) makes(err error, name, rest string) bool {
	return w.make != nil && errors.Is(err, fs.ErrNotExist) && name != ".." && len(name)+len(rest) <= w.make.own
}

// makeStep makes a directory, and goes there.
func (w *walker) makeStep(parent int, name, path, rest string) error {
	if err := unix.Mkdirat(parent, name, 0o700); err != nil && err != unix.EEXIST {
		return &os.PathError{Op: "mkdir", Path: path, Err: err}
	} else if err == nil {
		mode, gid := uint32(0o755), -1
		if rest == "" {
			mode, gid = w.make.mode, w.make.gid
		}
		if err := finish(parent, name, mode, gid); err != nil {
			return &os.PathError{Op: "mkdir", Path: path, Err: err}
		}
	}
	return w.step(parent, name, path)
}

// finish gives a directory that was made just now its mode and group. Who may write in
// the parent can have put another one in its place, or a link: then it is not changed.
func finish(parent int, name string, mode uint32, gid int) error {
	fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	uid, _ := unix.SetfsuidRetUid(-1)
	if int(st.Uid) != uid || st.Mode&0o077 != 0 {
		return errors.New("others have put another directory in its place")
	}
	if gid >= 0 {
		if err := unix.Fchown(fd, -1, gid); err != nil {
			return err
		}
	}
	return unix.Fchmod(fd, mode)
}
