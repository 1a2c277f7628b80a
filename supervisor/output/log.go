package output

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Options say what a log file is like.
type Options struct {
	MaxSize int64 // bytes; the file is rotated before it grows beyond. 0: never
	Keep    int   // rotated files: path.1 is the newest
	UID     int   // owner of new files; -1 keeps supd's
	GID     int
	Mode    fs.FileMode // of new files
	Log     *slog.Logger
}

// Log is a log file that several captures write to. It is always open for
// appending, so that truncating it from outside (logrotate's copytruncate) leaves
// no hole; one that was moved away is noticed within a second of the next write.
type Log struct {
	path    string
	options Options

	written atomic.Int64
	dropped atomic.Int64

	// The readers of several workers write whole lines; one lock a write is what
	// keeps a line from being cut in two by another or by a rotation.
	mu      sync.Mutex
	file    *os.File
	size    int64
	id      fileID
	looked  time.Time // at path, whether it still is the file
	midline bool      // the file ends within a line
	torn    bool      // that line's rest was dropped
	failing bool
	closed  bool
}

// fileID tells files apart.
type fileID struct{ device, inode uint64 }

// Open opens the log at path, with its directory (0750, of the options' owner) if that
// is missing.
func Open(path string, o Options) (*Log, error) {
	l := &Log{path: path, options: o}
	if err := l.makeDirectory(); err != nil {
		return nil, err
	}
	if err := l.open(); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *Log) makeDirectory() error {
	dir := filepath.Dir(l.path)
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Chown(dir, -1, l.options.GID)
}

// open puts a fresh file in the place of the current one, or changes nothing.
func (l *Log) open() error {
	fd, err := unix.Open(l.path, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, uint32(l.options.Mode))
	if err != nil {
		return &os.PathError{Op: "open", Path: l.path, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return &os.PathError{Op: "stat", Path: l.path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return fmt.Errorf("%s is not a regular file", l.path)
	}
	if st.Size == 0 {
		// Not more than what the directory's owner could do anyway.
		_ = unix.Fchown(fd, l.options.UID, l.options.GID)
	}
	if l.file != nil {
		l.file.Close()
	}
	l.file = os.NewFile(uintptr(fd), l.path)
	l.size, l.id, l.midline, l.looked = st.Size, fileID{uint64(st.Dev), st.Ino}, false, time.Now()
	return nil
}

// Reopen opens the file at the log's path, after it was moved.
func (l *Log) Reopen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open()
}

// Close closes the file; what is written later is dropped.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return l.file.Close()
}

// Stats tells how many bytes were written, and how many dropped because they
// could not be.
func (l *Log) Stats() (written, dropped int64) { return l.written.Load(), l.dropped.Load() }

// write appends p, which holds whole lines except where a line is too long or
// was not ended in time.
func (l *Log) write(p []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.look()
	for len(p) > 0 {
		n := l.fits(p)
		if n == 0 {
			l.rotate()
			continue
		}
		l.append(p[:n])
		p = p[n:]
	}
}

// fits tells how much of p goes into the file: all that ends with a line and
// does not exceed the size, and at least one line in an empty file or one that
// ends within a line.
func (l *Log) fits(p []byte) int {
	room := l.options.MaxSize - l.size
	if l.options.MaxSize == 0 || int64(len(p)) <= room {
		return len(p)
	}
	if room > 0 {
		if end := bytes.LastIndexByte(p[:room], '\n') + 1; end > 0 {
			return end
		}
	}
	if l.size > 0 && !l.midline {
		return 0
	}
	if end := bytes.IndexByte(p, '\n') + 1; end > 0 {
		return end
	}
	return len(p)
}

// append writes p. After a line of which the rest was dropped, what follows
// begins a line of its own.
func (l *Log) append(p []byte) {
	if l.torn {
		if _, err := l.file.Write([]byte("\n")); err != nil {
			l.dropped.Add(int64(len(p)))
			return
		}
		l.size++
		l.torn, l.midline = false, false
	}
	n, err := l.file.Write(p) // os.File goes on after a short write
	l.size += int64(n)
	l.written.Add(int64(n))
	l.dropped.Add(int64(len(p) - n))
	if n > 0 {
		l.midline = p[n-1] != '\n'
	}
	l.torn = err != nil && l.midline
	l.say(err)
}

// say reports trouble once, and once that it is over.
func (l *Log) say(err error) {
	switch {
	case l.options.Log == nil || l.closed:
	case err != nil && !l.failing:
		l.options.Log.Error("log file cannot be written, output is dropped", "file", l.path, "error", err)
	case err == nil && l.failing:
		l.options.Log.Warn("log file is written again", "file", l.path, "dropped_bytes", l.dropped.Load())
	}
	l.failing = err != nil
}

// lookAgain is how long a moved or truncated file may go unnoticed.
const lookAgain = time.Second

// look opens the file anew if somebody has moved it, and learns its size if
// somebody has truncated it.
func (l *Log) look() {
	now := time.Now()
	if now.Sub(l.looked) < lookAgain || l.closed {
		return
	}
	l.looked = now
	var at, have unix.Stat_t
	if err := unix.Stat(l.path, &at); err != nil || (fileID{uint64(at.Dev), at.Ino}) != l.id {
		l.say(l.open())
		return
	}
	if unix.Fstat(int(l.file.Fd()), &have) == nil {
		l.size = have.Size
	}
}

// rotate moves path to path.1, path.1 to path.2 and so on. If that fails the
// file is written further, and the next try is made when as much was written
// again.
func (l *Log) rotate() {
	err := l.shift()
	if err == nil {
		err = l.open()
	}
	if err != nil {
		l.size = 0
		if l.options.Log != nil {
			l.options.Log.Error("log file cannot be rotated", "file", l.path, "error", err)
		}
	}
}

func (l *Log) shift() error {
	if l.options.Keep == 0 {
		return os.Remove(l.path)
	}
	for n := l.options.Keep; n > 0; n-- {
		err := os.Rename(l.numbered(n-1), l.numbered(n))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (l *Log) numbered(n int) string {
	if n == 0 {
		return l.path
	}
	return fmt.Sprintf("%s.%d", l.path, n)
}
