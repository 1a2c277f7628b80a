package launch

import (
	"os"

	"golang.org/x/sys/unix"

	"supd/socket"
	"supd/supervisor/output"
)

// Passed are the descriptors that came through an execve, by what they are.
type Passed map[string]int

// take gives a descriptor away, once.
func (p Passed) take(name string) (fd int, ok bool) {
	fd, ok = p[name]
	delete(p, name)
	return fd, ok
}

func (p Passed) has(name string) bool {
	_, is := p[name]
	return is
}

// passedOutput and passedStatsd are the names of what is passed of a launch.
func passedOutput(s stream, launch string) string { return "output " + s.file(launch) }
func passedStatsd(launch string) string           { return "statsd " + launch }

// Close closes what nobody has taken.
func (p Passed) Close() {
	for _, fd := range p {
		socket.CloseFd(fd)
	}
}

// Passing is the descriptors that are to go through an execve.
type Passing struct {
	Fds  Passed
	undo []func()
}

// Add lets a descriptor through.
func (p *Passing) Add(name string, fd int) {
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
		return
	}
	p.Fds[name] = fd
	p.undo = append(p.undo, func() { unix.CloseOnExec(fd) })
}

// Undo puts all back as it was, after an execve that has failed.
func (p *Passing) Undo() {
	for _, undo := range p.undo {
		undo()
	}
}

// StopReading ends the reading of the worker's output, for good or until Leave is
// undone. It returns at once; what is closed says that nobody reads any more.
func (w *Worker) StopReading() (stopped []<-chan struct{}) {
	w.eachCapture(func(_ stream, c *output.Capture) {
		c.Leave()
		stopped = append(stopped, c.Done())
	})
	return stopped
}

// ReadOn takes StopReading back. What leaves already is read again as soon as it has left:
// wait is called with what waits for that, in a goroutine, and gives what is to be done
// then by whoever owns the worker.
func (w *Worker) ReadOn(wait func(left func() (again func()))) {
	w.eachCapture(func(s stream, c *output.Capture) {
		if c.Stay() {
			return
		}
		wait(func() func() {
			pipe := c.Left()
			return func() {
				if pipe != nil {
					w.captureAgain(s, pipe)
				}
			}
		})
	})
}

// captureAgain is captureFrom for a worker that may have ended meanwhile: of its last words
// those are read that are there.
func (w *Worker) captureAgain(s stream, pipe *os.File) {
	w.reading.Lock()
	defer w.reading.Unlock()
	if w.readOver {
		w.capture(s, pipe).Finish()
		return
	}
	w.captureFrom(s, pipe)
}

// Leave passes on what is open for the worker, whose output nobody reads any more:
// what it says in the meantime waits.
func (w *Worker) Leave(p *Passing) {
	name := w.spec.File()
	w.eachCapture(func(s stream, c *output.Capture) {
		if pipe := c.Left(); pipe != nil {
			p.Add(passedOutput(s, name), int(pipe.Fd()))
			p.undo = append(p.undo, func() { w.captureFrom(s, pipe) })
		}
	})
	if w.notify != nil {
		if file, err := w.notify.conn.File(); err == nil {
			p.Add("notify "+name, int(file.Fd()))
			p.undo = append(p.undo, func() { file.Close() })
		}
	}
	w.leaveStatsd(p)
}
