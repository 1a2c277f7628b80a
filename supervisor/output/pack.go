package output

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// packing is a rotated file that is being compressed into another one.
type packing struct {
	from *os.File
	id   fileID
	size int64
	time time.Time // of its last line
	to   *os.File
}

// mostPacked bounds how long the other logs wait: the file may be sparse, and anybody's.
const mostPacked = 16 << 30

// errNothing says that no rotated file is left to be compressed.
var errNothing = errors.New("nothing to be compressed")

// pack compresses the newest rotated file that is not yet, and reports whether there may
// be another one. It takes place under a name of its own and at a rotation's pace: what is
// read is whole at any moment.
func (l *Log) pack() (more bool) {
	p, err := l.beginPacking()
	if err == nil {
		err = p.run()
		err = l.endPacking(p, err)
		p.close()
	}
	if errors.Is(err, errNothing) || errors.Is(err, fs.ErrNotExist) { // somebody has removed it
		return false
	}
	l.sayLoose(err)
	return err == nil
}

// sayLoose reports once that compressing fails, and that it does not any more.
func (l *Log) sayLoose(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loose == (err != nil) || l.closed {
		return
	}
	l.loose = err != nil
	switch log := l.options.Log; {
	case log == nil:
	case err != nil:
		log.Error("rotated log file cannot be compressed, it stays as it is", "file", l.path, "error", err)
	default:
		log.Warn("rotated log files are compressed again", "file", l.path)
	}
}

// beginPacking opens both files, with the rights that a rotation has.
func (l *Log) beginPacking() (*packing, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || !l.options.Compress {
		return nil, errNothing
	}
	p := new(packing)
	err := l.inDirectory(func(dir files.Place, name string) error {
		n, err := loose(dir, name, l.options.keeps())
		if err != nil {
			return err
		}
		if p.from, err = regular(dir, rotated(name, n)); err != nil {
			return err
		}
		if err := p.look(); err != nil {
			return err
		}
		if l.file != nil && p.id == l.id { // it was moved, and cannot be opened anew
			return errNothing
		}
		p.to, err = l.makePack(dir, name)
		return err
	})
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// inDirectory calls do in the directory of the log, which must be there.
func (l *Log) inDirectory(do func(dir files.Place, name string) error) error {
	way := l.options.way()
	way.Make = 0
	return way.In(filepath.Dir(l.path), func(dir files.Place) error { return do(dir, filepath.Base(l.path)) })
}

// loose is the newest rotated file that is not compressed.
func loose(dir files.Place, name string, keep int) (int, error) {
	for n := 1; n <= keep; n++ {
		switch one := slot(dir, name, n); {
		case one == "":
			return 0, errNothing
		case !isPacked(one, name):
			return n, nil
		}
	}
	return 0, errNothing
}

// makePack makes the file to write to. What has its name is of a supd that was killed.
func (l *Log) makePack(dir files.Place, name string) (*os.File, error) {
	name = unfinishedPack(name)
	if err := unix.Unlinkat(dir.FD, name, 0); err != nil && err != unix.ENOENT {
		return nil, failed("remove", dir, name, err)
	}
	file, _, err := openFile(dir, name, l.options)
	return file, err
}

// look notes what the file is like that is compressed.
func (p *packing) look() error {
	var st unix.Stat_t
	if err := unix.Fstat(int(p.from.Fd()), &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	p.id, p.size, p.time = idOf(&st), st.Size, time.Unix(st.Mtim.Unix())
	if p.size > mostPacked {
		return fmt.Errorf("%s has %d bytes, and is compressed up to %d; set max_size", p.from.Name(), p.size, mostPacked)
	}
	return nil
}

// grows reports whether somebody still writes to what was compressed.
func (p *packing) grows() bool {
	info, err := p.from.Stat()
	return err != nil || info.Size() != p.size
}

func (p *packing) close() {
	if p.from != nil {
		p.from.Close()
	}
	if p.to != nil {
		p.to.Close()
	}
}

// run compresses. The other file is complete on its disk afterwards: only then may the
// first one go.
func (p *packing) run() error {
	if err := newPacker(p.to, Identity(p.from)).pack(io.LimitReader(p.from, p.size)); err != nil {
		return err
	}
	times := []unix.Timeval{unix.NsecToTimeval(p.time.UnixNano()), unix.NsecToTimeval(p.time.UnixNano())}
	_ = unix.Futimes(int(p.to.Fd()), times) // --since then reads the file where it need not
	return p.to.Sync()
}

// endPacking puts the compressed file in the place of the other one, wherever that was
// rotated to by now, or removes it.
func (l *Log) endPacking(p *packing, failure error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inDirectory(func(dir files.Place, name string) error {
		made := unfinishedPack(name)
		n := placeOf(dir, name, l.options.keeps(), p.id)
		if failure == nil && p.grows() {
			failure = errNothing
		}
		if failure != nil || n == 0 || l.closed {
			_ = unix.Unlinkat(dir.FD, made, 0) // what stays is replaced by the next
			return failure
		}
		if err := unix.Renameat(dir.FD, made, dir.FD, packed(name, n)); err != nil {
			return failed("rename", dir, made, err)
		}
		err := unix.Unlinkat(dir.FD, rotated(name, n), 0)
		if err != nil {
			_ = unix.Unlinkat(dir.FD, packed(name, n), 0) // it would be there twice
		}
		return failed("remove", dir, rotated(name, n), err)
	})
}

// placeOf is which rotated file has that id; 0 is none.
func placeOf(dir files.Place, name string, keep int, id fileID) int {
	for n := 1; n <= keep; n++ {
		one := slot(dir, name, n)
		var st unix.Stat_t
		switch {
		case one == "":
			return 0
		case isPacked(one, name):
		case unix.Fstatat(dir.FD, one, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && idOf(&st) == id:
			return n
		}
	}
	return 0
}
