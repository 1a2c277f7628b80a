package control

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// logFile is a log that is being read, through rotations and truncations.
type logFile struct {
	path string
	open func(path string, n int) (*os.File, error)
	file *os.File // nil while there is none
	size int64    // of file when it was opened

	before     *os.File // the rotated file, if lines of it are wanted as well
	beforeSize int64
}

// openLog opens the log, or the nth file that it was rotated to.
func (l *logFile) openLog(n int) (*os.File, fs.FileInfo, error) {
	f, err := l.open(l.path, n)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// openAt opens the log where its last lines begin, in the rotated file if the
// current one has too few.
func (l *logFile) openAt(lines int) error {
	f, info, err := l.openLog(0)
	if err != nil {
		return err
	}
	l.file, l.size = f, info.Size()
	found, err := seekLines(f, l.size, lines)
	if err != nil || found == lines {
		return err
	}
	before, beforeInfo, err := l.openLog(1)
	if err != nil {
		return nil // there is none, or none that can be shown
	}
	if os.SameFile(info, beforeInfo) { // rotated this very moment
		return before.Close()
	}
	l.before, l.beforeSize = before, beforeInfo.Size()
	_, err = seekLines(before, l.beforeSize, lines-found)
	return err
}

// seekLines sets the offset to where the last lines of the first size bytes begin,
// and returns how many there are, up to the wanted number. A last line without a
// newline counts.
func seekLines(f *os.File, size int64, wanted int) (found int, err error) {
	at, end := size, size
	block := make([]byte, 64<<10)
	for end > 0 && found < wanted {
		b := block[:min(end, int64(len(block)))]
		end -= int64(len(b))
		if _, err := f.ReadAt(b, end); err != nil {
			return 0, fmt.Errorf("reading a log: %w", err)
		}
		for i := len(b) - 1; i >= 0 && found < wanted; i-- {
			if after := end + int64(i) + 1; b[i] == '\n' && after < size {
				at, found = after, found+1
			}
		}
	}
	if found < wanted && size > 0 {
		at, found = 0, found+1
	}
	_, err = f.Seek(at, io.SeekStart)
	return found, err
}

// writeLast writes what openAt has found, and no more than there was then: a
// worker may be writing faster than anybody reads.
func (l *logFile) writeLast(w io.Writer) error {
	if err := writeUpTo(w, l.before, l.beforeSize); err != nil {
		return err
	}
	return writeUpTo(w, l.file, l.size)
}

func writeUpTo(w io.Writer, f *os.File, size int64) error {
	if f == nil {
		return nil
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, io.LimitReader(f, size-at))
	return err
}

// writeNew writes what has been added.
func (l *logFile) writeNew(w io.Writer) error {
	if l.file == nil {
		return nil
	}
	_, err := io.Copy(w, l.file)
	return err
}

// renew goes on with the file that is at the path now. If it is another one, the
// rest of the old one comes first; if it was truncated, it is read from its
// beginning.
func (l *logFile) renew(w io.Writer) error {
	f, info, err := l.openLog(0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // moved away, and not yet made anew
	}
	if err != nil {
		return err
	}
	if l.file != nil {
		old, err := l.file.Stat()
		if err == nil && os.SameFile(old, info) {
			f.Close()
			return l.rewind(info.Size())
		}
		if err = errors.Join(err, l.writeNew(w)); err != nil {
			f.Close()
			return err
		}
		l.file.Close()
	}
	l.file = f
	return nil
}

func (l *logFile) rewind(size int64) error {
	at, err := l.file.Seek(0, io.SeekCurrent)
	if err != nil || at <= size {
		return err
	}
	_, err = l.file.Seek(0, io.SeekStart)
	return err
}

func (l *logFile) close() {
	for _, f := range []*os.File{l.file, l.before} {
		if f != nil {
			f.Close()
		}
	}
}
