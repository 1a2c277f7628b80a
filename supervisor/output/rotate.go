package output

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"

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

// rotate moves path to path.1, path.1 to path.2 and so on, unless the file was
// moved or truncated meanwhile. If that fails, the log goes on in the file, and
// tries again when it has grown by its maximal size.
func (l *Log) rotate() bool {
	if l.closed || l.look() {
		return !l.closed
	}
	err := l.options.way().In(filepath.Dir(l.path), func(dir files.Place) error {
		if err := shift(dir, filepath.Base(l.path), l.options.Keep); err != nil {
			return err
		}
		return l.openIn(dir)
	})
	if err == nil {
		return true
	}
	l.limit = l.size + l.options.MaxSize
	if l.options.Log != nil {
		l.options.Log.Error("log file cannot be rotated, it is written further", "file", l.path, "error", err)
	}
	return false
}

// shift renames no more files than necessary, so that a rotation that fails again
// and again does not push the old ones out.
func shift(dir files.Place, name string, keep int) error {
	if keep <= 0 {
		return failed("remove", dir, name, unix.Unlinkat(dir.FD, name, 0))
	}
	free := 1
	for free < keep && has(dir, rotated(name, free)) {
		free++
	}
	for n := free; n > 0; n-- {
		from, to := rotated(name, n-1), rotated(name, n)
		if err := unix.Renameat(dir.FD, from, dir.FD, to); err != nil {
			return failed("rename", dir, from, err)
		}
	}
	return nil
}

func has(dir files.Place, name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(dir.FD, name, &st, unix.AT_SYMLINK_NOFOLLOW) != unix.ENOENT
}

func failed(op string, dir files.Place, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: filepath.Join(dir.Path, name), Err: err}
}

func rotated(path string, n int) string {
	if n == 0 {
		return path
	}
	return path + "." + strconv.Itoa(n)
}
