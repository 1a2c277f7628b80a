package socket

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// Private begins the name of every directory that is made beside a socket, for the time
// that this takes or for as long as there is the socket.
const Private = ".supd-"

// inode identifies a file, whatever its names are. It is not given to another
// file while one name of it is left.
type inode struct{ dev, ino uint64 }

// directory is an open directory. Everything below it is done relative to its
// descriptor, so that nobody who may rename things further up can lead a root
// process elsewhere.
type directory struct {
	fd   int
	path string // for messages, and to be removed
}

func openDirectory(p string) (*directory, error) {
	return openDirectoryAt(unix.AT_FDCWD, p, p, 0)
}

// openBy opens a directory that others may have a hand in.
func openBy(way files.Way, p string) (*directory, error) {
	fd, err := way.Open(p)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return openDirectoryAt(fd, ".", p, 0) // to be read
}

func openDirectoryAt(parent int, name, full string, flags int) (*directory, error) {
	fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|flags, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: full, Err: err}
	}
	return &directory{fd: fd, path: full}, nil
}

func (d *directory) close() error { return os.NewSyscallError("close", unix.Close(d.fd)) }

// exists reports whether the directory has a name: one that was removed while it was
// open has none (unlink(2)), and takes no new entries.
func (d *directory) exists() bool {
	var st unix.Stat_t
	return unix.Fstat(d.fd, &st) == nil && st.Nlink > 0
}

func (d *directory) fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: path.Join(d.path, name), Err: err}
}

// lookup finds the inode and type (S_IFMT) of a name, without following a
// symbolic link.
func (d *directory) lookup(name string) (inode, uint32, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return inode{}, 0, d.fail("stat", name, err)
	}
	return inode{uint64(st.Dev), st.Ino}, st.Mode & unix.S_IFMT, nil
}

// remove deletes a file or, with unix.AT_REMOVEDIR, a directory. One that is
// gone already is no error.
func (d *directory) remove(name string, flags int) error {
	err := unix.Unlinkat(d.fd, name, flags)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return d.fail("unlink", name, err)
}

// moveTo renames a file into another directory. With renameat2(2)'s flag
// RENAME_NOREPLACE a file system that does not know it (EINVAL) replaces: what
// the caller has looked for just before.
func (d *directory) moveTo(name string, to *directory, as string, flags uint) error {
	err := unix.Renameat2(d.fd, name, to.fd, as, flags)
	if errors.Is(err, unix.EINVAL) {
		err = unix.Renameat(d.fd, name, to.fd, as)
	}
	return to.fail("rename to", as, err)
}

// names lists a directory that nobody else can fill.
func (d *directory) names() (all []string, err error) {
	err = d.eachName(math.MaxInt, func(name string) { all = append(all, name) })
	return all, err
}

// mostNames is how many names of a directory are looked at that others may fill.
const mostNames = 20_000

// privateNames lists the directories that supds have made beside a socket, or may have: the
// error may be files.ErrManyNames, then there may be others.
func (d *directory) privateNames() (found []string, err error) {
	err = d.eachName(mostNames, func(name string) {
		if isPrivate(name) {
			found = append(found, name)
		}
	})
	return found, err
}

func (d *directory) eachName(most int, each func(string)) error {
	again, err := openDirectoryAt(d.fd, ".", d.path, 0) // reading moves an offset
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(again.fd), d.path)
	defer file.Close()
	return files.EachName(file, most, func(name string) bool { each(name); return true })
}

// lock marks a directory as used, until it is closed; the error says that another
// process uses it. A supd that is killed leaves none locked.
func (d *directory) lock() error { return unix.Flock(d.fd, unix.LOCK_EX|unix.LOCK_NB) }

func (d *directory) readLink(name string) (string, error) {
	text := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(d.fd, name, text)
	if err != nil {
		return "", d.fail("readlink", name, err)
	}
	return string(text[:n]), nil
}

// makePrivate makes a directory in d that only this process's user can enter, and
// locks it. Between the two another supd may take it for one that is not used.
func (d *directory) makePrivate() (p *directory, err error) {
	for range 3 {
		if p, err = d.tryPrivate(); err != nil {
			return nil, err
		}
		if p.lock() == nil && p.exists() {
			return p, nil
		}
		p.close()
	}
	return nil, fmt.Errorf("%s: others remove what is made there", d.path)
}

func (d *directory) tryPrivate() (*directory, error) {
	name := Private + rand.Text()[:10]
	if err := unix.Mkdirat(d.fd, name, 0o700); err != nil {
		return nil, d.fail("mkdir", name, err)
	}
	p, err := openDirectoryAt(d.fd, name, path.Join(d.path, name), unix.O_NOFOLLOW)
	if err != nil {
		return nil, err
	}
	// Whoever owns d may have put another directory in its place meanwhile.
	if err := p.checkPrivate(); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// checkPrivate is nil when nobody but this process's user (and root) can enter d.
func (d *directory) checkPrivate() error {
	var st unix.Stat_t
	if err := unix.Fstat(d.fd, &st); err != nil {
		return d.fail("stat", "", err)
	}
	if !files.IsPrivate(&st) {
		return fmt.Errorf("%s: belongs to uid %d with mode %04o; want uid %d and mode 0700", d.path, st.Uid, st.Mode&0o7777, os.Geteuid())
	}
	return nil
}
