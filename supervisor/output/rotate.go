package output

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strconv"
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
	err := l.shift()
	if err == nil {
		err = l.open()
	}
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
func (l *Log) shift() error {
	if l.options.Keep <= 0 {
		return os.Remove(l.path)
	}
	free := 1
	for free < l.options.Keep && exists(l.numbered(free)) {
		free++
	}
	for n := free; n > 0; n-- {
		if err := os.Rename(l.numbered(n-1), l.numbered(n)); err != nil {
			return err
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func (l *Log) numbered(n int) string {
	if n == 0 {
		return l.path
	}
	return l.path + "." + strconv.Itoa(n)
}
