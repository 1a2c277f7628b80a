package output

import (
	"bytes"
	"os"
	"sync"
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

// buffer has room for what has come in a pause of a flood, beside an unfinished
// line.
type buffer [8 * maxLine]byte

// buffers are for the time in which a pipe is read only: a thousand idle workers
// hold none.
var buffers = sync.Pool{New: func() any { return new(buffer) }}

// Capture reads one worker's pipe into a Log until its end.
type Capture struct {
	log    *Log
	pipe   *os.File
	match  matcher
	ready  chan struct{} // with room for one: the pipe has something
	finish chan struct{} // closed by Finish
	end    func()
	done   chan struct{}

	// Of the goroutine that reads.
	rest  []byte    // the beginning of an unfinished line
	since time.Time // when it came
	large bool      // the pipe was enlarged
	pace  pace
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
	c := &Capture{log: l, pipe: r, ready: make(chan struct{}, 1), finish: make(chan struct{}), done: make(chan struct{})}
	c.end = sync.OnceFunc(func() { close(c.finish) })
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
func (c *Capture) Finish() { c.end() }

func (c *Capture) run() {
	defer close(c.done)
	defer c.pipe.Close()
	fd := int(c.pipe.Fd())
	wait, remove := c.watch(fd)
	defer remove()
	for c.read(fd, wait) {
	}
	c.flush()
	c.match.end()
}

// lookAnyway is how often a pipe is read that the poller cannot take.
const lookAnyway = 10 * time.Millisecond

// watch gives what to do before a wait, and after the last one.
func (c *Capture) watch(fd int) (arm, remove func()) {
	p, err := pipes()
	if err == nil {
		var w *watch
		if w, err = p.add(fd, c.ready); err == nil {
			return w.arm, w.remove
		}
	}
	if log := c.log.logger(); log != nil {
		log.Warn("a worker's output is looked for now and then only", "file", c.log.path, "every", lookAnyway, "error", err)
	}
	return func() { time.AfterFunc(lookAnyway, c.wake) }, func() {}
}

func (c *Capture) wake() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

// read reads what there is and waits for more; false is the end.
func (c *Capture) read(fd int, arm func()) (more bool) {
	n, state := c.drain(fd, turn)
	switch {
	case state == ended:
		return false
	case c.finished():
		c.drain(fd, held(fd))
		return false
	case state == drained && !c.pace.goesOn(n):
		arm()
		c.wait()
	}
	c.overdue()
	return true
}

// overdue writes an unfinished line whose time is over.
func (c *Capture) overdue() {
	if len(c.rest) > 0 && time.Since(c.since) >= lineTime {
		c.flush()
	}
}

func (c *Capture) finished() bool {
	select {
	case <-c.finish:
		return true
	default:
		return false
	}
}

// wait returns when the pipe has something, when the capture is to end, or when
// the end of a line has been waited for long enough.
func (c *Capture) wait() {
	var late <-chan time.Time
	if len(c.rest) > 0 {
		timer := time.NewTimer(time.Until(c.since.Add(lineTime)))
		defer timer.Stop()
		late = timer.C
	}
	begin := time.Now()
	select {
	case <-c.ready:
	case <-c.finish:
	case <-late:
	}
	c.pace.waited(time.Since(begin))
}

// held is how much is in the pipe.
func held(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	if err != nil {
		return turn
	}
	return n
}

// state is what a pipe was left in.
type state int

const (
	drained state = iota // it is empty for now
	busy                 // there may be more
	ended                // it has no writer any more
)

// drain reads until the pipe is empty, or so many bytes, and tells how many.
func (c *Capture) drain(fd, most int) (total int, _ state) {
	b := buffers.Get().(*buffer)
	defer buffers.Put(b)
	held, fresh := copy(b[:], c.rest), len(c.rest) == 0
	defer func() { c.keep(b[:held], fresh) }()
	for total < most {
		space := b[held:min(len(b), held+most-total)]
		n, err := unix.Read(fd, space)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return total, drained
		case err != nil || n == 0:
			return total, ended
		}
		if n >= nearlyFull && !c.large {
			c.large = true
			enlarge(fd)
		}
		total += n
		whole := c.write(b[:held+n], held)
		fresh = fresh || whole > 0
		held = copy(b[:], b[whole:held+n])
		if n < len(space) {
			return total, drained // a moment ago; whoever arms is told if not any more
		}
	}
	return total, busy
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
