package socket

import (
	"crypto/rand"
	"errors"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
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
	l, err := keep.linkOf(from, staged)
	if errors.Is(err, unix.EXDEV) {
		return from.ownLinkOf(from, staged)
	}
	return l, err
}

// linkOf links a file of another directory into this one.
func (d *directory) linkOf(from *directory, name string) (*link, error) {
	return d.newLink(from, name, &link{dir: d, name: rand.Text()})
}

// ownName is the name of a link in a directory of its own.
const ownName = "kept"

// ownLinkOf is linkOf for a directory that is for the link alone.
func (d *directory) ownLinkOf(from *directory, name string) (*link, error) {
	return d.newLink(from, name, &link{dir: d, name: ownName, own: true})
}

func (d *directory) newLink(from *directory, name string, l *link) (*link, error) {
	if err := unix.Linkat(from.fd, name, d.fd, l.name, 0); err != nil {
		return nil, d.fail("link", l.name, err)
	}
	return l, nil
}

func (l *link) in(d *directory) bool { return l != nil && l.dir == d }

func (l *link) unlink() error { return l.dir.remove(l.name, 0) }

// leave closes what is open for the link, which stays. Without one it does
// nothing.
func (l *link) leave() error {
	if l == nil || !l.own {
		return nil
	}
	return l.dir.close()
}

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
// in d for the socket of inode gone. Whoever fills d keeps no socket from it: sweepStages
// says so.
func sweep(d *directory, gone inode) error {
	names, err := d.privateNames()
	if errors.Is(err, files.ErrManyNames) {
		err = nil
	}
	for _, name := range names {
		err = errors.Join(err, sweepOne(d, name, gone))
	}
	return err
}

func isPrivate(name string) bool { return strings.HasPrefix(name, Private) }

func sweepOne(d *directory, name string, gone inode) error {
	old := ownLinkIn(d, name)
	if old == nil {
		return nil
	}
	if found, _, err := old.dir.lookup(old.name); err == nil && found == gone {
		return old.remove()
	}
	return old.leave()
}

// ownLinkIn opens the private directory name in d, or gives nil if it is none of
// ours.
func ownLinkIn(d *directory, name string) *link {
	dir, err := openDirectoryAt(d.fd, name, path.Join(d.path, name), unix.O_NOFOLLOW)
	if err != nil {
		return nil
	}
	if dir.checkPrivate() != nil {
		dir.close()
		return nil
	}
	return &link{dir: dir, name: ownName, own: true}
}
