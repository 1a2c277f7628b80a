package output

import (
	"cmp"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// Open opens the log at path, and makes it and its directory (0750) if they are
// missing. A path with a beginning such as Journal is no file.
func Open(path string, o Options) (*Log, error) {
	if o.outlets == nil {
		o.outlets = newOutlets(o.Log)
	}
	l := &Log{path: path, options: o}
	err := l.begin()
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (l *Log) begin() (err error) {
	switch {
	case strings.HasPrefix(l.path, None):
		l.sink = nowhere{}
	case strings.HasPrefix(l.path, Stdout):
		l.sink = l.options.outlets.standard()
	case strings.HasPrefix(l.path, Syslog):
		l.sink, err = l.options.outlets.syslog(l.options.Address)
	case strings.HasPrefix(l.path, Journal):
		l.sink, err = openJournal(cmp.Or(l.options.journal, journalSocket))
	default:
		err = l.open()
	}
	return err
}

func (l *Log) isFile() bool { return isFile(l.path) }

// isPlain reports whether it is a file of lines as the workers write them.
func (l *Log) isPlain() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.isFile() && l.options.Prefix == NoPrefix
}

// Reopen opens the file at the log's path, after it was moved.
func (l *Log) Reopen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return &os.PathError{Op: "reopen", Path: l.path, Err: os.ErrClosed}
	}
	if !l.isFile() || l.rests() {
		return nil
	}
	return l.open()
}

// Close closes the file; what is written later is dropped.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.sink != nil {
		return l.sink.close()
	}
	if l.file == nil {
		return nil
	}
	l.stopAging()
	return l.file.Close()
}

// Stats gives how many bytes of output were written, and how many were dropped
// because they could not be.
func (l *Log) Stats() (written, dropped int64) { return l.written.Load(), l.dropped.Load() }

// change sets the options that are wanted and not set yet: the size from now on, owner and
// mode for the next file.
func (l *Log) change() {
	o := l.wanted.Swap(nil)
	if o == nil {
		return
	}
	isMoved := o.Address != l.options.Address && strings.HasPrefix(l.path, Syslog)
	l.options, l.limit = *o, o.MaxSize
	if isMoved {
		if err := l.begin(); err != nil {
			l.sink = nowhere{} // configs has checked it before
		}
	}
	l.age()
	l.tidyLater()
}

func (l *Log) account() *files.Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.options.As
}

func (l *Log) keeps() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.options.keeps()
}

func (l *Log) logger() *slog.Logger {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.options.Log
}

var newline = []byte("\n")

// write appends p, which is whole lines unless a line is too long or was not ended
// in time. If another capture's line is unfinished, write ends it.
func (l *Log) write(from *Capture, p []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.change() // whoever changes it may still wait for the lock
	if l.sink != nil {
		l.sink.write(l, from, p)
		return
	}
	if !l.closed && time.Since(l.looked) >= lookAgain {
		l.look()
	}
	if l.options.Prefix != NoPrefix {
		l.writePrefixed(from, p)
		return
	}
	l.broken = l.broken || l.midline && l.last != from
	l.writeFile(from, p)
}

// writeFile writes p to the file, or to the one that it is rotated to on the way. from is
// nil where p is not what that capture holds.
func (l *Log) writeFile(from *Capture, p []byte) {
	for len(p) > 0 {
		n := l.fits(p)
		if n == 0 && l.rotate() {
			continue
		} else if n == 0 {
			n = len(p)
		}
		l.last = from // here, since a rotation has just cleared it
		l.append(from.intake(), p[:n])
		p = p[n:]
	}
}

// append writes p, and drops what cannot be written. After a broken line it begins
// a new one. If in is not nil, p is the first of what it holds.
func (l *Log) append(in *intake, p []byte) {
	in.writes(len(p), l.id, l.end(in), l.broken)
	l.put(p)
	in.wrote(len(p), l.size, l.midline && !l.broken)
}

// end is where the next write goes, which an intake has to know exactly: the file
// may have been truncated since it was looked at.
func (l *Log) end(in *intake) int64 {
	var st unix.Stat_t
	if in == nil || in.path == "" || unix.Fstat(l.fd, &st) != nil {
		return l.size
	}
	return st.Size
}

func (l *Log) put(p []byte) {
	if l.broken {
		n, err := l.file.Write(newline)
		l.size += int64(n)
		if err != nil {
			l.counts(0, len(p))
			l.say(err)
			return
		}
		l.broken, l.midline = false, false
	}
	isFirst := l.size == 0
	n, err := l.file.Write(p) // os.File goes on after a short write
	l.size += int64(n)
	if isFirst && l.options.MaxAge > 0 {
		l.born = time.Now()
		l.age()
	}
	l.counts(n, len(p)-n)
	if n > 0 {
		l.midline = p[n-1] != '\n'
	}
	l.broken = err != nil && l.midline
	l.say(err)
}

// say reports trouble once, and once that it is over.
func (l *Log) say(err error) {
	if l.failing == (err != nil) || l.closed {
		return
	}
	l.failing = err != nil
	what := "log file"
	if !l.isFile() {
		what = "journal"
	}
	switch log := l.options.Log; {
	case log == nil:
	case err != nil:
		log.Error(what+" cannot be written, output is dropped", "file", l.path, "error", err)
	default:
		log.Warn(what+" is written again", "file", l.path, "dropped_bytes", l.dropped.Load())
	}
}

// lookAgain is how long a moved or truncated file may go unnoticed.
const lookAgain = time.Second

// look opens the file anew if it was moved, and reads its size, which is smaller if
// it was truncated. It reports whether the file was moved or truncated.
func (l *Log) look() (changed bool) {
	l.looked = time.Now()
	var at unix.Stat_t
	if unix.Lstat(l.path, &at) != nil || idOf(&at) != l.id {
		return l.replace()
	}
	changed = at.Size < l.size
	if changed {
		l.midline, l.broken = false, false
	}
	l.size = at.Size
	return changed
}

// replace opens or makes the file at path. If it cannot, the log goes on in the
// moved one.
func (l *Log) replace() bool {
	err := l.open()
	if err != nil && !l.lost && l.options.Log != nil {
		l.options.Log.Error("log file was moved and cannot be opened anew, it is written where it is now", "file", l.path, "error", err)
	}
	l.lost = err != nil
	return err == nil
}

// open puts the file at path in the place of the current one, or changes nothing.
func (l *Log) open() error {
	await(l.settled)
	return l.options.way().In(filepath.Dir(l.path), l.openIn)
}

func (l *Log) openIn(dir files.Place) error {
	name := filepath.Base(l.path)
	file, st, err := openFile(dir, name, l.options)
	if dir.Lent && errors.Is(err, unix.EACCES) {
		// It is another user's, or root's, as an earlier supd made it. Who may write in
		// the directory may move it out of the way.
		if shift(dir, name, l.options.keeps()) == nil {
			file, st, err = openFile(dir, name, l.options)
		}
	}
	if err != nil {
		return err
	}
	if l.file != nil {
		l.file.Close()
	}
	if id := idOf(st); id != l.id || st.Size < l.size { // another one, or truncated
		l.id, l.last, l.broken = id, nil, false
		l.midline, l.born = !endsWithLine(file, st.Size), birth(file)
	}
	l.file, l.fd, l.size, l.limit, l.looked = file, int(file.Fd()), st.Size, l.options.MaxSize, time.Now()
	l.age()
	return nil
}

// goOn lets a capture end a line whose beginning was written by an earlier supd, or
// by this one under the same name.
func (l *Log) goOn(c *Capture) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := c.in.state()
	ownLast := l.last == nil && s.midline == 1 && s.file == l.id && s.size == l.size
	if l.midline && (ownLast || l.last != nil && l.last.name == c.name) {
		l.last = c
	}
}
