package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"supd/supervisor/output"
)

// logFile is a log that is being read, through rotations and truncations.
type logFile struct {
	path string
	open func(path string, n int) (output.Text, error)
	file output.Text // nil while there is none
	size int64       // of file when it was opened

	before []logPart // rotated files of which lines are wanted as well, the newest first
}

// logPart is where the wanted lines of a rotated file begin. It is open only while it is
// read: there may be many.
type logPart struct {
	n     int // it was path.n
	info  *textInfo
	begin int64
}

// textInfo is what is known of a file: the same one has the same id, also after it was
// rotated and compressed.
type textInfo struct {
	fs.FileInfo
	id uint64
}

// openLog opens the log, or the nth file that it was rotated to.
func (l *logFile) openLog(n int) (output.Text, *textInfo, error) {
	f, err := l.open(l.path, n)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, &textInfo{info, output.Identity(f)}, nil
}

// openAt opens the log where its last lines begin, those that were written since a time
// if that is not zero; in a rotated file if the newer ones have too few. errUndated says
// that no line tells when it was written.
func (l *logFile) openAt(search *search, lines int, since time.Time) error {
	f, info, err := l.openLog(0)
	if err != nil {
		return err
	}
	l.file, l.size = f, info.Size()
	begin, found, err := beginOf(sought{f, search}, l.size, lines, since)
	if err == nil {
		_, err = f.Seek(begin, io.SeekStart)
	}
	isDated := found.isDated
	for n := 1; err == nil && begin == 0 && found.lines < lines && n <= mostRotated; n++ {
		var part logPart
		if part, err = l.lookAt(n, info); err != nil || part.info == nil {
			break
		}
		if !since.IsZero() && part.info.ModTime().Before(since) {
			break
		}
		var more wantedLines
		if part, more, err = l.beginIn(search, part, lines-found.lines, since); err != nil {
			break
		}
		l.before = append(l.before, part)
		info, begin = part.info, part.begin
		found.lines += more.lines
		isDated = isDated || more.isDated
	}
	switch {
	case err != nil:
		return err
	case !since.IsZero() && !isDated && l.size > 0:
		return errUndated
	}
	return nil
}

// mostRotated bounds how many rotated files are read.
const mostRotated = 1000

// lookAt finds the nth rotated file. Its info is nil where there is none, or none that
// can be shown, or where it is the newer one, which was rotated this very moment.
func (l *logFile) lookAt(n int, newer *textInfo) (logPart, error) {
	f, info, err := l.openLog(n)
	if err != nil {
		return logPart{}, nil
	}
	defer f.Close()
	if info.id == newer.id {
		return logPart{}, nil
	}
	return logPart{n: n, info: info}, nil
}

// beginIn finds where the wanted lines of a rotated file begin.
func (l *logFile) beginIn(search *search, p logPart, lines int, since time.Time) (logPart, wantedLines, error) {
	f := l.reopen(p)
	if f == nil {
		return p, wantedLines{}, nil
	}
	defer f.Close()
	var found wantedLines
	var err error
	p.begin, found, err = beginOf(sought{f, search}, p.info.Size(), lines, since)
	return p, found, err
}

// reopen opens a rotated file, which may have been rotated further since; nil is that it
// is gone.
func (l *logFile) reopen(p logPart) output.Text {
	for n := p.n; n <= p.n+1; n++ {
		f, info, err := l.openLog(n)
		if err != nil {
			continue
		}
		if info.id == p.info.id {
			return f
		}
		f.Close()
	}
	return nil
}

// mostSought is how much of a log and its rotated files is read to find where the wanted
// lines begin. A worker that owns its log may make it of any length, without a line in it.
const mostSought = 1 << 30

var errLong = fmt.Errorf("no line begins in the %d MiB of the log that were looked at: it seems to be no text", mostSought>>20)

// search is for whoever asks for lines, and no longer than he does.
type search struct {
	ctx  context.Context
	left int64 // bytes that may be read yet
}

// sought is a file that is searched.
type sought struct {
	output.Text
	by *search
}

func (s sought) ReadAt(b []byte, at int64) (int, error) {
	if err := context.Cause(s.by.ctx); err != nil {
		return 0, err
	}
	if s.by.left -= int64(len(b)); s.by.left < 0 {
		return 0, errLong
	}
	return s.Text.ReadAt(b, at)
}

// wantedLines is what was found in a file.
type wantedLines struct {
	lines   int
	isDated bool // a line tells when it was written
}

// beginOf is where the last lines of the first size bytes begin, and those since a time
// if that is not zero.
func beginOf(f output.Text, size int64, lines int, since time.Time) (begin int64, found wantedLines, err error) {
	if begin, found.lines, err = lastLines(f, size, lines); err != nil || since.IsZero() {
		return begin, found, err
	}
	dated, isDated, err := linesSince(f, size, since)
	found.isDated = isDated
	return max(begin, dated), found, err
}

// lastLines is where the last lines of the first size bytes begin, and how many there
// are, up to the wanted number. A last line without a newline counts.
func lastLines(f output.Text, size int64, wanted int) (begin int64, found int, err error) {
	at, end := size, size
	block := make([]byte, 64<<10)
	for end > 0 && found < wanted {
		b := block[:min(end, int64(len(block)))]
		end -= int64(len(b))
		switch _, err := f.ReadAt(b, end); {
		case errors.Is(err, errLong) && found > 0:
			return at, wanted, nil // they have to do
		case err != nil:
			return 0, 0, fmt.Errorf("reading a log: %w", err)
		}
		for found < wanted {
			i := bytes.LastIndexByte(b, '\n')
			if i < 0 {
				break
			}
			if after := end + int64(i) + 1; after < size {
				at, found = after, found+1
			}
			b = b[:i]
		}
	}
	if found < wanted && size > 0 {
		at, found = 0, found+1
	}
	return at, found, nil
}

// writeLast writes what openAt has found, and no more than there was then: a
// worker may be writing faster than anybody reads.
func (l *logFile) writeLast(w io.Writer) error {
	for _, p := range slices.Backward(l.before) {
		f := l.reopen(p)
		if f == nil {
			continue
		}
		_, err := f.Seek(p.begin, io.SeekStart)
		if err == nil {
			err = writeUpTo(w, f, p.info.Size())
		}
		f.Close()
		if err != nil {
			return err
		}
	}
	return writeUpTo(w, l.file, l.size)
}

func writeUpTo(w io.Writer, f output.Text, size int64) error {
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
		if output.Identity(l.file) == info.id {
			f.Close()
			return l.rewind(info.Size())
		}
		if err := l.writeNew(w); err != nil {
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
	if l.file != nil {
		l.file.Close()
	}
}
