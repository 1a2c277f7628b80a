package output

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxLine bounds what is kept of an unfinished line: of a longer one the
	// beginning is written before its end has come.
	maxLine = 64 << 10
	// lineTime is how long the end of a line is waited for before its beginning
	// is written: a prompt has none.
	lineTime = time.Second
)

// buffers are for the time in which a pipe is read only: a thousand idle workers
// hold none.
var buffers = sync.Pool{New: func() any { return new([256 << 10]byte) }}

// Capture reads one worker's pipe into a Log until its end.
type Capture struct {
	log      *Log
	pipe     *os.File
	line     func([]byte)
	matching atomic.Bool
	finish   atomic.Bool
	done     chan struct{}

	rest  []byte // the beginning of an unfinished line
	waits bool   // the read deadline is set for it
	large bool   // the pipe was enlarged
}

// Capture starts to read r in a goroutine, until all its writers have closed it,
// and closes r then. While StopMatching was not called, onLine is called from that
// goroutine with each line, without its end; of a line longer than 64 KiB with
// its pieces. onLine may be nil.
func (l *Log) Capture(r *os.File, onLine func([]byte)) *Capture {
	c := &Capture{log: l, pipe: r, line: onLine, done: make(chan struct{})}
	c.matching.Store(onLine != nil)
	go c.run()
	return c
}

// Done is closed once everything was read and written.
func (c *Capture) Done() <-chan struct{} { return c.done }

// StopMatching ends the calls of onLine.
func (c *Capture) StopMatching() { c.matching.Store(false) }

// Finish ends the capture with what is in the pipe now: the worker is dead, and
// somebody who escaped with it may hold the pipe open for ever.
func (c *Capture) Finish() {
	c.finish.Store(true)
	_ = c.pipe.SetReadDeadline(time.Now()) // fails when the capture has ended already
}

func (c *Capture) run() {
	defer close(c.done)
	defer c.pipe.Close()
	conn, err := c.pipe.SyscallConn()
	if err != nil {
		return
	}
	for ended := false; !ended; {
		err := conn.Read(func(fd uintptr) bool {
			ended = c.drain(fd)
			c.setDeadline()
			return ended // or wait in the poller
		})
		ended = ended || c.expired(conn, err)
	}
	c.flush()
}

// setDeadline bounds the wait for the end of a line, from its beginning on.
func (c *Capture) setDeadline() {
	if waits := len(c.rest) > 0; waits != c.waits {
		c.waits = waits
		at := time.Time{}
		if waits {
			at = time.Now().Add(lineTime)
		}
		_ = c.pipe.SetReadDeadline(at)
	}
	if c.finish.Load() { // in case it came just before
		_ = c.pipe.SetReadDeadline(time.Now())
	}
}

// expired writes an unfinished line whose time is over, and tells whether the
// capture is to end.
func (c *Capture) expired(conn syscall.RawConn, err error) (ended bool) {
	if c.finish.Load() {
		_ = conn.Control(func(fd uintptr) { c.drain(fd) })
		return true
	}
	c.flush()
	c.setDeadline()
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// drain reads until the pipe is empty, and tells whether it has ended.
func (c *Capture) drain(fd uintptr) (ended bool) {
	buffer := buffers.Get().(*[256 << 10]byte)
	defer buffers.Put(buffer)
	held := copy(buffer[:], c.rest)
	defer func() { c.rest = append(c.rest[:0:0], buffer[:held]...) }()
	for {
		n, err := unix.Read(int(fd), buffer[held:])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil: // EAGAIN
			return err != unix.EAGAIN
		case n == 0:
			return true
		}
		if n >= maxLine && !c.large {
			c.large = true
			enlarge(fd)
		}
		held = c.take(buffer[:held+n], held)
	}
}

// take writes the whole lines of data and moves the rest to its beginning. No
// line ends before the byte from.
func (c *Capture) take(data []byte, from int) (held int) {
	end := bytes.LastIndexByte(data[from:], '\n') + 1
	if end > 0 {
		end += from
	} else if len(data) >= maxLine {
		end = len(data)
	}
	if end == 0 {
		return len(data)
	}
	c.emit(data[:end])
	rest := copy(data, data[end:])
	if rest >= maxLine {
		c.emit(data[:rest])
		return 0
	}
	return rest
}

func (c *Capture) emit(data []byte) {
	if c.matching.Load() {
		for line := range bytes.Lines(data) {
			c.line(bytes.TrimRight(line, "\r\n"))
		}
	}
	c.log.write(data)
}

func (c *Capture) flush() {
	if len(c.rest) > 0 {
		c.emit(c.rest)
		c.rest = nil
	}
}
