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
	// turn is how much is read before the capture looks up, whether it is to end.
	turn = 4 << 20
)

// buffer is twice as large as an unfinished line and what a pipe holds.
type buffer [2 * maxLine]byte

// buffers are for the time in which a pipe is read only: a thousand idle workers
// hold none.
var buffers = sync.Pool{New: func() any { return new(buffer) }}

// Capture reads one worker's pipe into a Log until its end.
type Capture struct {
	log    *Log
	pipe   *os.File
	match  matcher
	finish atomic.Bool
	done   chan struct{}

	// Of the goroutine that reads.
	rest  []byte    // the beginning of an unfinished line
	since time.Time // when it came
	armed bool      // the read deadline is set
	large bool      // the pipe was enlarged
}

// Capture starts to read r, which Pipe has made, in a goroutine until all its
// writers have closed it, and closes r then. While StopMatching was not called,
// onLine is called from that goroutine with each line without its end, or with
// the first 64 KiB of a longer one. It must not keep the slice. It may be nil.
//
// Output is written to the log as whole lines. Exceptions are a line that is not
// ended within a second, and one longer than 64 KiB: if another capture writes to
// the same log before it is ended, its rest is put on a line of its own.
func (l *Log) Capture(r *os.File, onLine func([]byte)) *Capture {
	c := &Capture{log: l, pipe: r, done: make(chan struct{})}
	c.match.call = onLine
	c.match.on.Store(onLine != nil)
	go c.run()
	return c
}

// Done is closed once everything was read and written.
func (c *Capture) Done() <-chan struct{} { return c.done }

// StopMatching ends the calls of onLine.
func (c *Capture) StopMatching() { c.match.on.Store(false) }

// Finish ends the capture with what is in the pipe now: the worker is dead, and
// somebody who escaped with it may hold the pipe open, or fill it, for ever.
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
	for c.read(conn) {
	}
	c.flush()
	c.match.end()
}

// read waits in the poller until there is something, and tells whether more may
// come.
func (c *Capture) read(conn syscall.RawConn) (more bool) {
	state := drained
	err := conn.Read(func(fd uintptr) bool {
		state = c.drain(int(fd), turn)
		c.arm()
		return state != drained
	})
	switch {
	case state == ended:
		return false
	case c.finish.Load():
		_ = conn.Control(func(fd uintptr) { c.drain(int(fd), held(int(fd))) })
		return false
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.overdue()
		return true
	}
	return err == nil
}

// held is how much is in the pipe.
func held(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	if err != nil {
		return turn
	}
	return n
}

// arm bounds the wait for the end of a line. The deadline is not moved for each
// line: overdue sees whether it was meant for the one that is unfinished now.
func (c *Capture) arm() {
	if len(c.rest) > 0 && !c.armed {
		c.armed = true
		_ = c.pipe.SetReadDeadline(c.since.Add(lineTime))
		c.hurry()
	}
}

// hurry renews the deadline of a Finish that came just before another was set.
func (c *Capture) hurry() {
	if c.finish.Load() {
		_ = c.pipe.SetReadDeadline(time.Now())
	}
}

// overdue writes an unfinished line whose time is over.
func (c *Capture) overdue() {
	if time.Since(c.since) >= lineTime {
		c.flush()
	}
	c.armed = false
	_ = c.pipe.SetReadDeadline(time.Time{})
	c.hurry()
	c.arm()
}

// state is what a pipe was left in.
type state int

const (
	drained state = iota // it is empty for now
	busy                 // there may be more
	ended                // it has no writer any more
)

// drain reads until the pipe is empty, or so many bytes.
func (c *Capture) drain(fd, most int) state {
	b := buffers.Get().(*buffer)
	defer buffers.Put(b)
	held, fresh := copy(b[:], c.rest), len(c.rest) == 0
	defer func() { c.keep(b[:held], fresh) }()
	for most > 0 {
		n, err := unix.Read(fd, b[held:min(len(b), held+most)])
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return drained
		case err != nil || n == 0:
			return ended
		}
		if n >= maxLine && !c.large {
			c.large = true
			enlarge(fd)
		}
		most -= n
		whole := c.write(b[:held+n], held)
		fresh = fresh || whole > 0
		held = copy(b[:], b[whole:held+n])
	}
	return busy
}

// keep remembers the beginning of a line for the time in which no buffer is held.
func (c *Capture) keep(rest []byte, fresh bool) {
	c.rest = append(c.rest[:0], rest...)
	if len(rest) == 0 {
		c.rest = nil
	} else if fresh {
		c.since = time.Now()
	}
}

// write passes on the whole lines of data, or all if the last is too long to be
// kept, and tells how much that was. No line ends before the byte from.
func (c *Capture) write(data []byte, from int) int {
	end := bytes.LastIndexByte(data[from:], '\n') + 1
	if end > 0 {
		end += from
	}
	if len(data)-end >= maxLine {
		end = len(data)
	}
	if end > 0 {
		c.emit(data[:end])
	}
	return end
}

func (c *Capture) emit(data []byte) {
	c.log.write(c, data)
	c.match.pass(data)
}

func (c *Capture) flush() {
	if len(c.rest) > 0 {
		c.emit(c.rest)
		c.rest = nil
	}
}
