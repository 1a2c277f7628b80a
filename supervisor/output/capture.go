package output

import (
	"bytes"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Capture starts a goroutine that reads r, which Pipe has made, until all writers
// have closed it, and then closes r. Until StopMatching is called, the goroutine
// calls onLine with each line without its end, or with the first 64 KiB of a longer
// one. onLine must not keep the slice. It may be nil.
//
// Output is written to the log as whole lines. Exceptions are a line that is not
// ended within a second, and one longer than 64 KiB: if another capture writes to
// the same log before the line is ended, its rest gets a line of its own.
//
// Output that was read and is not in the log yet is lost if supd is killed; see
// CaptureAs.
func (l *Log) Capture(r *os.File, onLine func([]byte)) *Capture { return l.CaptureAs("", r, onLine) }

// CaptureAs is Capture for a worker that outlives supd. Output that was read and is
// not in the log yet is held in a file of that name in the directory of
// Files.KeepIn. A supd that is killed at any moment then loses and doubles nothing,
// if the next one calls CaptureAs with the same name and with the reading end of
// the same pipe, see Reopen. A new worker needs a new name: that of a file, without
// a dot at its beginning.
//
// Without that directory it is Capture. So it is if the file cannot be made, which
// is logged.
//
// The fields go to the journal with each line of the worker; a log file has none.
func (l *Log) CaptureAs(name string, r *os.File, onLine func([]byte), fields ...Field) *Capture {
	c := &Capture{log: l, pipe: r, name: name, room: usualPipe, fields: encode(fields), ready: make(chan struct{}, 1),
		finish: make(chan struct{}), done: make(chan struct{})}
	c.end = sync.OnceFunc(func() { close(c.finish) })
	c.match.call = onLine
	c.match.on.Store(onLine != nil)
	if l.files != nil {
		l.files.taken(name)
	}
	go c.run()
	return c
}

// Done is closed once everything was read and written, or after Leave.
func (c *Capture) Done() <-chan struct{} { return c.done }

// StopMatching ends the calls of onLine.
func (c *Capture) StopMatching() { c.match.on.Store(false) }

// Finish ends the capture with what is in the pipe now: the worker is dead, and a
// descendant that escaped may hold the pipe open, or fill it, for ever.
func (c *Capture) Finish() {
	c.end()
	c.rouse()
}

// What a Capture is to do at the end of a read.
const (
	stays  int32 = iota
	asked        // to leave
	leaves       // for good
)

// Leave ends the capture with what was read so far, for a supd that gives its place
// to another. Nothing is lost: what is in the pipe stays there.
func (c *Capture) Leave() {
	c.stay.CompareAndSwap(stays, asked)
	c.wake()
}

// Stay takes Leave back, and reports whether the capture goes on: one that leaves already
// is done soon.
func (c *Capture) Stay() bool { return c.stay.CompareAndSwap(asked, stays) }

// Left gives, after Done, the pipe of a capture that was ended by Leave. The caller
// closes it or passes it on, see Inherited. It is nil if everything had been read
// before.
func (c *Capture) Left() *os.File {
	<-c.done
	return c.left
}

func (c *Capture) run() {
	c.log.hold()
	c.fd = int(c.pipe.Fd())
	_ = unix.SetNonblock(c.fd, true) // Fd may have changed that; it cannot fail for an open descriptor
	c.resume()
	c.watch = c.watched()
	c.goOn()
}

// goOn reads until the end. It also returns when the worker has been silent for a while:
// most are, and each goroutine has a stack. The next one begins with rouse.
func (c *Capture) goOn() {
	c.late = time.NewTimer(lineTime)
	defer c.late.Stop()
	for c.read() {
		c.follow()
		if c.silent && c.park() {
			return
		}
	}
	c.over()
}

// park reports whether this goroutine is to end. Another one may run by then.
func (c *Capture) park() bool {
	c.silent = false
	c.parked.Store(true)
	if len(c.ready) > 0 || isClosed(c.finish) {
		return !c.parked.CompareAndSwap(true, false)
	}
	return true
}

// rouse begins a goroutine where there is none.
func (c *Capture) rouse() {
	if c.parked.CompareAndSwap(true, false) {
		go c.goOn()
	}
}

func (c *Capture) over() {
	defer close(c.done)
	defer func() { c.log.release(c.left != nil) }()
	if c.watch != nil {
		c.watch.remove()
	}
	if c.left != nil {
		c.leaveIntake()
		return
	}
	c.flush()
	c.match.end()
	if c.in != nil {
		c.in.remove()
	}
	c.pipe.Close()
}

// lookAnyway is the pause between two reads of a pipe that the poller cannot take.
const lookAnyway = 10 * time.Millisecond

// watched adds the pipe to the poller.
func (c *Capture) watched() *watch {
	p, err := pipes()
	if err == nil {
		var w *watch
		if w, err = p.add(c.fd, c); err == nil {
			return w
		}
	}
	if log := c.log.logger(); log != nil {
		log.Warn("a worker's output is looked for now and then only", "file", c.log.path, "every", lookAnyway, "error", err)
	}
	return nil
}

// arm makes something wake the capture.
func (c *Capture) arm() {
	if c.watch == nil || c.watch.arm() != nil {
		time.AfterFunc(lookAnyway, c.wake)
	}
}

// wake says that there may be something to read.
func (c *Capture) wake() {
	select {
	case c.ready <- struct{}{}:
	default: // it knows already
	}
	c.rouse()
}

// read reads what there is and waits for more; false is the end.
func (c *Capture) read() (more bool) {
	n, state := c.drain(c.fd, maxRead)
	switch {
	case state == ended:
		return false
	case c.stay.CompareAndSwap(asked, leaves):
		c.left = c.pipe
		return false
	case isClosed(c.finish):
		c.drain(c.fd, inPipe(c.fd))
		return false
	case state != drained:
	case c.pace.goesOn(n, c.room):
		if c.watch != nil {
			c.watch.rest()
		}
		c.pace.sleep()
	default:
		c.arm()
		c.wait()
	}
	c.overdue()
	return true
}

// overdue writes an unfinished line that has waited for its end long enough.
func (c *Capture) overdue() {
	if len(c.in.held()) > 0 && time.Since(c.since) >= lineTime {
		c.flush()
	}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// wait returns when the pipe has something, when the capture is to end, or when a
// line has waited for its end long enough. After a silence it gives memory back.
func (c *Capture) wait() {
	unended := len(c.in.held()) > 0
	begin, after := time.Now(), lineTime
	if unended {
		after = c.since.Add(lineTime).Sub(begin)
	}
	c.late.Reset(after)
	select {
	case <-c.ready:
	case <-c.finish:
	case <-c.late.C:
		if c.silent = !unended; c.silent {
			c.in.shrink()
		}
	}
	c.pace.waited(time.Since(begin))
}

// inPipe is how many bytes are in the pipe.
func inPipe(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	if err != nil {
		return 0 // it is no pipe; then ask sees no end either
	}
	return n
}

const (
	drained pipeState = iota // it is empty for now
	busy                     // there may be more
	ended                    // it has no writer any more
)

// ask gives the state of a pipe that seems to be empty.
func ask(fd int) pipeState {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	switch _, err := unix.Poll(fds, 0); {
	case err == unix.EINTR, fds[0].Revents&unix.POLLIN != 0:
		return busy
	case fds[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0:
		return ended
	}
	return drained
}

// drain reads until the pipe is empty, or until it has read most bytes, and returns
// how many it has read.
func (c *Capture) drain(fd, most int) (total int, _ pipeState) {
	for total < most {
		there := inPipe(fd)
		if there == 0 {
			if s := ask(fd); s != busy {
				return total, s
			}
			continue
		}
		n, err := c.take(fd, min(there, most-total))
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 { // somebody else has read it
			return total, drained
		}
		if n >= nearlyFull && !c.large {
			c.large = true
			c.room = enlarge(fd)
		}
		total += n
		if n == there {
			return total, drained // it was a moment ago; if not any more, arm says so
		}
	}
	return total, busy
}

// take takes up to n bytes from the pipe, and passes whole lines on.
func (c *Capture) take(fd, n int) (int, error) {
	if c.in == nil {
		c.begin()
	}
	n = min(n, c.in.space())
	if err := c.in.reserve(n); err != nil {
		c.withoutFile(err)
	}
	held := len(c.in.held())
	n, err := c.in.take(fd, n)
	if n > 0 {
		c.write(held)
	}
	return n, err
}

// write passes on the whole lines that are held, or all whole characters if the last line
// is too long to be held. No line ends before the byte from.
func (c *Capture) write(from int) {
	held := c.in.held()
	end := bytes.LastIndexByte(held[from:], '\n') + 1
	if end > 0 {
		end += from
	}
	if len(held)-end >= maxLine {
		end = wholeCharacters(held) // the rest of one is not read yet
	}
	if end > 0 {
		c.emit(held[:end])
	}
	if len(held) > end && (end > 0 || from == 0) {
		c.since = time.Now()
	}
	c.in.compact()
}

// intake gives the capture's intake, or nil if c is nil.
func (c *Capture) intake() *intake {
	if c == nil {
		return nil
	}
	return c.in
}

// emit passes on data, which is the beginning of what is held.
func (c *Capture) emit(data []byte) {
	c.log.write(c, data)
	c.match.pass(data)
}

func (c *Capture) flush() {
	if held := c.in.held(); len(held) > 0 {
		c.emit(held)
	}
}
