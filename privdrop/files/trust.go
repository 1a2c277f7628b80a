package files

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Trust says whose a path must be in every step, so that nobody else decides where it
// leads or what is there: each directory on the way, each symbolic link, and the thing
// itself belong to root or to UID, and nobody else may write to them. To a directory on
// the way others may write where it is sticky, as /tmp is: what is in it they can
// neither rename nor remove (inode(7)).
//
// The group may write where it is root's, or a group of UID alone, as those are that
// user accounts have (useradd(8), USERGROUPS_ENAB). Access control lists count: what
// they permit shows in the mode (acl(5)).
type Trust struct {
	UID int
	// SystemGroups lets groups of the system's own write to directories on the way,
	// but for those in Except.
	SystemGroups bool
	Except       []int
}

// Own trusts what belongs to this process's user.
func Own() Trust { return Trust{UID: os.Geteuid()} }

// UntrustedError is about a path that is somebody else's in a step.
type UntrustedError struct {
	Path   string // of the step
	Why    string
	Remedy string // a command
}

func (e *UntrustedError) Error() string { return e.Path + " " + e.Why + "; " + e.Remedy }

// Check walks an absolute path from the root directory on. The error of a path that is
// somebody else's is an *UntrustedError; where a step is not there it is
// fs.ErrNotExist, and all before it may be trusted.
func (t Trust) Check(path string) error {
	fd, err := t.walk(path)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// CheckWay is Check of all but the mode of what the path leads to, which need not be there:
// that nobody else can put something in its place.
func (t Trust) CheckWay(path string) error {
	w := walker{trust: t, fd: -1}
	defer w.close()
	if err := w.reach(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Open is Check, and opens what was found with the flags of open(2). It does not wait
// for the other end of a FIFO.
func (t Trust) Open(path string, flags int) (*os.File, error) {
	found, err := t.walk(path)
	if err != nil {
		return nil, err
	}
	defer unix.Close(found)
	fd, err := OpenFound(found, path, flags)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// OpenFound opens what an O_PATH descriptor is of, whatever has the name by now
// (open(2)). It does not wait for the other end of a FIFO, nor for who holds a lease.
func OpenFound(found int, path string, flags int) (fd int, err error) {
	fd, err = unix.Open(fmt.Sprintf("/proc/self/fd/%d", found), flags|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

// OpenRegular opens a file to be read, if it is a regular one: another may do something
// as soon as it is opened, as a tape or a watchdog does. Symbolic links are followed.
func OpenRegular(path string) (fd int, err error) {
	found, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(found)
	var st unix.Stat_t
	switch err := unix.Fstat(found, &st); {
	case err != nil:
		return -1, &os.PathError{Op: "stat", Path: path, Err: err}
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return -1, &os.PathError{Op: "read", Path: path, Err: errors.New("is not a regular file")}
	}
	return OpenFound(found, path, unix.O_RDONLY)
}

// mostLinks is how many symbolic links the kernel follows in a path
// (path_resolution(7)).
const mostLinks = 40

// walk gives a descriptor (O_PATH) of what the path leads to.
func (t Trust) walk(path string) (fd int, err error) {
	if !filepath.IsAbs(path) {
		return -1, &os.PathError{Op: "open", Path: path, Err: errors.New("is not absolute")}
	}
	w := walker{trust: t, fd: -1}
	defer w.close()
	if err := w.reach(path); err != nil {
		return -1, err
	}
	if err := w.judgeThing(); err != nil {
		return -1, err
	}
	fd, w.fd = w.fd, -1
	return fd, nil
}

// reach goes to what the path leads to.
func (w *walker) reach(path string) error {
	rest := path
	for links := 0; ; {
		link, err := w.follow(rest)
		if err != nil || link == "" {
			return err
		}
		if links++; links > mostLinks {
			return &os.PathError{Op: "open", Path: path, Err: unix.ELOOP}
		}
		rest = link
	}
}

// walker stands somewhere on a path.
type walker struct {
	trust Trust
	all   bool   // nothing is asked: the thread has no more rights than the app
	end   uint32 // of this type (S_IFMT) what is at the end may be anybody's
	lent  bool   // it has the app's
	make  *making
	fd    int
	path  string // that leads here without symbolic links
	st    unix.Stat_t
	left  string // after an *UntrustedError: the way from here
}

func (w *walker) close() {
	if w.fd >= 0 {
		unix.Close(w.fd)
	}
}

// follow goes on along a path, up to its end or to a symbolic link; then it returns the
// path to go on with.
func (w *walker) follow(path string) (link string, err error) {
	if filepath.IsAbs(path) {
		if err := w.step(unix.AT_FDCWD, "/", "/"); err != nil {
			return "", err
		}
		if err := w.judgeOwner(path); err != nil {
			return "", err
		}
	}
	for path != "" {
		name, rest, _ := strings.Cut(path, "/")
		w.left = path
		if path = rest; name == "" || name == "." {
			continue
		}
		if err := w.judgeWay(); err != nil {
			return "", err
		}
		parent, at := w.fd, w.path
		w.fd = -1
		err := w.step(parent, name, filepath.Join(at, name))
		if w.makes(err, name, path) {
			err = w.makeStep(parent, name, filepath.Join(at, name), path)
		}
		if err == nil {
			err = w.judgeOwner(path)
		}
		if isLink := w.fd >= 0 && w.st.Mode&unix.S_IFMT == unix.S_IFLNK; isLink {
			link := ""
			if err == nil {
				link, err = w.target()
			}
			unix.Close(w.fd)
			w.fd, w.path = parent, at // where a relative one begins
			if bad := w.look(); err != nil || bad != nil {
				return "", cmp.Or(err, bad)
			}
			w.make.linked(len(rest))
			return link + "/" + rest, nil
		}
		unix.Close(parent)
		if w.left = path; err != nil {
			return "", err
		}
	}
	return "", nil
}

// step goes to what has a name in a directory.
func (w *walker) step(parent int, name, path string) error {
	fd, err := unix.Openat(parent, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	w.close()
	w.fd, w.path = fd, path
	return w.look()
}

// judgeOwner is about whose a step is, before the rest of the path.
func (w *walker) judgeOwner(rest string) error {
	uid := int(w.st.Uid)
	switch {
	case w.all, uid == 0, uid == w.trust.UID, outside(uid):
		return nil
	case w.end == w.st.Mode&unix.S_IFMT && strings.Trim(rest, "/") == "":
		return nil
	}
	return w.untrusted(fmt.Sprintf("belongs to uid %d, and not to %s", uid, w.trust), fmt.Sprintf("chown -h %d %s", w.trust.UID, w.path))
}

func (w *walker) look() error {
	if err := unix.Fstat(w.fd, &w.st); err != nil {
		return &os.PathError{Op: "stat", Path: w.path, Err: err}
	}
	return nil
}

// target is where the symbolic link leads.
func (w *walker) target() (string, error) {
	text := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(w.fd, "", text)
	if err != nil {
		return "", &os.PathError{Op: "readlink", Path: w.path, Err: err}
	}
	return string(text[:n]), nil
}

// judgeWay is about a directory on the way.
func (w *walker) judgeWay() error {
	switch {
	case w.st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return &os.PathError{Op: "open", Path: w.path, Err: unix.ENOTDIR}
	case w.all, w.st.Mode&unix.S_ISVTX != 0:
		return nil
	}
	return w.judgeEntries()
}

// judgeEntries is about who may change what is in a directory on the way.
func (w *walker) judgeEntries() error {
	if w.st.Mode&unix.S_IWOTH == 0 && w.trust.ofSystem(w.st.Gid) && !w.hasList() {
		return nil
	}
	return w.judgeThing()
}

func (t Trust) ofSystem(gid uint32) bool {
	return t.SystemGroups && !slices.Contains(t.Except, int(gid)) && isSystemGroup(gid)
}

// judgeThing is about what the path leads to.
func (w *walker) judgeThing() error {
	remedy := func(bits string) string { return "chmod " + bits + " " + w.path }
	group := w.st.Mode&unix.S_IWGRP != 0
	switch {
	case w.st.Mode&unix.S_IWOTH != 0:
		return w.untrusted(fmt.Sprintf("has mode %04o: everybody may write to it", w.st.Mode&0o7777), remedy("go-w"))
	case group && !w.trust.hasGroup(int(w.st.Gid)):
		return w.untrusted(fmt.Sprintf("has mode %04o: its group, gid %d, may write to it", w.st.Mode&0o7777, w.st.Gid), remedy("g-w"))
	case group && w.hasList():
		return w.untrusted("has an access control list: others may write to it", "setfacl -b "+w.path)
	}
	return nil
}

// hasList reports whether there is an access control list beside the mode. Which it is
// cannot be asked of an O_PATH descriptor itself.
func (w *walker) hasList() bool {
	size, err := unix.Getxattr(fmt.Sprintf("/proc/self/fd/%d", w.fd), AccessList, nil)
	return err == nil && size > 0
}

func (w *walker) untrusted(why, remedy string) error {
	return &UntrustedError{Path: w.path, Why: why, Remedy: remedy}
}

func (t Trust) String() string {
	if t.UID == 0 {
		return "root"
	}
	return fmt.Sprintf("root or uid %d, who supd runs as", t.UID)
}

// hasGroup reports whether what a group may do only root, or UID, may.
func (t Trust) hasGroup(gid int) bool {
	return gid == 0 || t.UID != 0 && gid == os.Getegid() && isAlone(t.UID, gid)
}

// IsOurs is an error unless an open file is a regular one that belongs to root or to
// this process's user, and nobody else may write to it.
func IsOurs(file *os.File) error {
	w := walker{trust: Own(), fd: int(file.Fd()), path: file.Name()}
	if err := w.look(); err != nil {
		return err
	}
	uid := int(w.st.Uid)
	switch {
	case w.st.Mode&unix.S_IFMT != unix.S_IFREG:
		return &os.PathError{Op: "read", Path: w.path, Err: errors.New("is not a regular file")}
	case uid != 0 && uid != w.trust.UID && !outside(uid):
		return w.untrusted(fmt.Sprintf("belongs to uid %d, and not to %s", uid, w.trust), fmt.Sprintf("chown %d %s", w.trust.UID, w.path))
	}
	return w.judgeThing()
}

// ReadOurs reads a file that only this process's user, or root, can have written. Its
// directory is known to be theirs; the name is not followed where it is a symbolic
// link. A file of more bytes than most is an error.
func ReadOurs(path string, most int64) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := IsOurs(file); err != nil {
		return nil, err
	}
	return ReadUpTo(file, most)
}

// ReadUpTo reads a file that has no more bytes than most.
func ReadUpTo(file *os.File, most int64) ([]byte, error) {
	var text bytes.Buffer
	if info, err := file.Stat(); err == nil {
		text.Grow(int(min(info.Size(), most)) + bytes.MinRead)
	}
	n, err := text.ReadFrom(io.LimitReader(file, most+1))
	if err == nil && n > most {
		err = fmt.Errorf("%s: longer than %d bytes", file.Name(), most)
	}
	return text.Bytes(), err
}

// IsUntrusted reports whether an error says that a path is somebody else's.
func IsUntrusted(err error) bool {
	_, is := errors.AsType[*UntrustedError](err)
	return is
}

// CheckPlanned is Check of what may have to be made yet.
func (t Trust) CheckPlanned(path string) error {
	if err := t.Check(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
