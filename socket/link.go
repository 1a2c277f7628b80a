package socket

import (
	"crypto/rand"
	"errors"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// link is a second name of a unix socket's inode, in a private directory. With
// it a path that somebody removed can be put back, and the mode be changed
// without trusting the path; the descriptor serves neither (linkat(2) with
// AT_EMPTY_PATH fails with EXDEV, fchmod(2) changes another inode).
type link struct {
	dir  *directory
	name string
	own  bool // dir is for this link alone
}

// newLink links the staged socket into keep or, if that is another file system,
// into the stage itself, which then has to stay.
func newLink(from, keep *directory) (*link, error) {
	l := &link{dir: keep, name: rand.Text()}
	err := unix.Linkat(from.fd, staged, keep.fd, l.name, 0)
	if errors.Is(err, unix.EXDEV) {
		l = &link{dir: from, name: "kept", own: true}
		err = unix.Linkat(from.fd, staged, from.fd, l.name, 0)
	}
	if err != nil {
		return nil, l.dir.fail("link", l.name, err)
	}
	return l, nil
}

func (l *link) in(d *directory) bool { return l != nil && l.dir == d }

func (l *link) unlink() error { return l.dir.remove(l.name, 0) }

// remove removes the link, and its directory if that is for the link alone.
func (l *link) remove() error {
	err := l.unlink()
	if !l.own {
		return err
	}
	up, openErr := openDirectoryAt(l.dir.fd, "..", path.Dir(l.dir.path), 0)
	if errors.Is(openErr, unix.ENOENT) {
		return errors.Join(err, l.dir.close()) // somebody removed the directory already
	}
	if openErr == nil {
		err = errors.Join(err, up.remove(path.Base(l.dir.path), unix.AT_REMOVEDIR), up.close())
	}
	return errors.Join(err, openErr, l.dir.close())
}

// restore puts the inode at a name in parent, atomically. The flags are
// renameat2(2)'s.
func (l *link) restore(parent *directory, name string, flags uint) error {
	fresh := rand.Text()
	if err := unix.Linkat(l.dir.fd, l.name, l.dir.fd, fresh, 0); err != nil {
		return l.dir.fail("link", l.name, err)
	}
	err := l.dir.moveTo(fresh, parent, name, flags)
	// rename(2) leaves both names if they are one inode already.
	return errors.Join(err, l.dir.remove(fresh, 0))
}

// sweep removes the private directories that a supd which was killed has left
// in d for the socket of inode gone.
func sweep(d *directory, gone inode) error {
	names, err := d.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, privateName) {
			err = errors.Join(err, sweepOne(d, name, gone))
		}
	}
	return err
}

func sweepOne(d *directory, name string, gone inode) error {
	dir, err := openDirectoryAt(d.fd, name, path.Join(d.path, name), unix.O_NOFOLLOW)
	if err != nil {
		return nil // not one of ours
	}
	old := &link{dir: dir, name: "kept", own: true}
	if found, _, err := dir.lookup(old.name); err == nil && found == gone && dir.checkPrivate() == nil {
		return old.remove()
	}
	return dir.close()
}
