package output

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// maxOver bounds how far a line may take the file beyond its maximal size. A longer
// line is cut: it may have no end.
const maxOver = 1 << 20

// fits is how much of p goes into the file before a rotation: the whole lines that
// do not exceed the maximal size, and at least one line if the file is empty or
// ends within a line.
func (l *Log) fits(p []byte) int {
	room := l.limit - l.size
	if l.limit <= 0 || int64(len(p)) <= room {
		return len(p)
	}
	if room > 0 {
		if end := bytes.LastIndexByte(p[:room], '\n') + 1; end > 0 {
			return end
		}
	}
	unfinished := l.midline && !l.broken
	if l.size > 0 && !unfinished || room < -maxOver {
		return 0
	}
	if end := bytes.IndexByte(p, '\n') + 1; end > 0 {
		return end
	}
	return len(p)
}

// rotate makes room for more, unless the file was moved or truncated meanwhile. If that
// fails, the log goes on in the file, and tries again when it has grown by its maximal
// size.
func (l *Log) rotate() bool {
	if l.closed || l.look() {
		return !l.closed
	}
	err := l.shift()
	if err == nil {
		return true
	}
	l.limit = l.size + l.options.MaxSize
	l.sayStays(err)
	return false
}

func (l *Log) sayStays(err error) {
	if l.options.Log != nil {
		l.options.Log.Error("log file cannot be rotated, it is written further", "file", l.path, "error", err)
	}
}

// shift moves path to path.1, path.1 to path.2 and so on, and goes on in a new file if
// one was open.
func (l *Log) shift() error {
	err := l.options.way().In(filepath.Dir(l.path), func(dir files.Place) error {
		name := filepath.Base(l.path)
		if err := shift(dir, name, l.options.Keep); err != nil {
			return err
		}
		if l.file != nil {
			if err := l.openIn(dir); err != nil {
				return err
			}
		}
		if !l.options.Compress { // else what it comes to is not known yet
			trim(dir, name, l.options)
		}
		return nil
	})
	if err == nil {
		l.tidyLater()
	}
	return err
}

// Rotate rotates the log at path now, and reports whether there was anything in it.
func (f *Files) Rotate(path string) (bool, error) {
	log, err := f.named("rotate", path)
	if err != nil {
		return false, err
	}
	return log.rotateNow()
}

func (l *Log) rotateNow() (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false, &os.PathError{Op: "rotate", Path: l.path, Err: os.ErrClosed}
	}
	if l.file != nil {
		l.look()
		if l.size == 0 {
			return false, nil
		}
		return true, l.shift()
	}
	size := int64(0)
	err := l.inDirectory(func(dir files.Place, name string) error {
		var st unix.Stat_t
		err := unix.Fstatat(dir.FD, name, &st, unix.AT_SYMLINK_NOFOLLOW)
		size = st.Size
		return err
	})
	switch {
	case errors.Is(err, unix.ENOENT):
		return false, nil
	case err != nil || size == 0:
		return false, err
	}
	return true, l.shift()
}

// shift renames no more files than necessary, so that a rotation that fails again
// and again does not push the old ones out.
func shift(dir files.Place, name string, keep int) error {
	if keep <= 0 {
		return failed("remove", dir, name, unix.Unlinkat(dir.FD, name, 0))
	}
	free := 1
	for free < keep && slot(dir, name, free) != "" {
		free++
	}
	for n := free; n > 0; n-- {
		from := name
		if n > 1 {
			if from = slot(dir, name, n-1); from == "" { // somebody has removed it just now
				continue
			}
		}
		if err := shiftOne(dir, from, name, n); err != nil {
			return err
		}
	}
	return nil
}

// shiftOne moves a file to the nth place, compressed or not as it is. What was there is
// gone, in either form.
func shiftOne(dir files.Place, from, name string, n int) error {
	to, other := rotated(name, n), packed(name, n)
	if isPacked(from, name) {
		to, other = other, to
	}
	if err := unix.Unlinkat(dir.FD, other, 0); err != nil && err != unix.ENOENT {
		return failed("remove", dir, other, err)
	}
	return failed("rename", dir, from, unix.Renameat(dir.FD, from, dir.FD, to))
}

// slot is the name of the nth rotated file, "" if there is none. Of both forms, which a
// killed supd leaves, the compressed one is removed: the other one is whole for sure.
func slot(dir files.Place, name string, n int) string {
	plain, packed := rotated(name, n), packed(name, n)
	switch isPlain, isPacked := has(dir, plain), has(dir, packed); {
	case isPlain && isPacked:
		_ = unix.Unlinkat(dir.FD, packed, 0) // what stays is not read
		return plain
	case isPlain:
		return plain
	case isPacked:
		return packed
	}
	return ""
}

// keeps is how many rotated files there may be. A file that is moved out of the way stays.
func (o Options) keeps() int { return max(o.Keep, 1) }

// mostRemoved is how many rotated files are removed at once beyond those that are kept: who
// may write in the directory may make them as fast as they go, and others wait for the log.
const mostRemoved = 1000

// trim removes the oldest rotated files that are too many, or too large together with the
// newer ones. One that cannot be removed is tried again the next time.
func trim(dir files.Place, name string, o Options) {
	var total int64
	for n := 1; n <= o.keeps()+mostRemoved; n++ {
		one := slot(dir, name, n)
		if one == "" {
			return
		}
		var st unix.Stat_t
		if unix.Fstatat(dir.FD, one, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
			total += st.Size
		}
		if n > o.keeps() || n > 1 && o.MaxTotal > 0 && total > o.MaxTotal {
			_ = unix.Unlinkat(dir.FD, one, 0)
		}
	}
}

// has reports whether there is a file with that name, as far as can be told: what cannot be
// looked at can be neither moved nor removed, and a name that is too long is none.
func has(dir files.Place, name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(dir.FD, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil
}

func failed(op string, dir files.Place, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: filepath.Join(dir.Path, name), Err: err}
}
