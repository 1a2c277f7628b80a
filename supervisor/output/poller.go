package output

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// poller wakes captures whose pipe has something to read. It is one epoll instance
// for all pipes.
//
// A pipe in Go's own poller would wake a thread at every write, also while it is
// being read: with short lines that costs the worker a quarter of its speed. Here
// a pipe is armed once for each wait (EPOLLONESHOT), and not while it is read.
type poller struct {
	epoll *Epoll

	mu    sync.Mutex // captures come and go in goroutines of their own
	last  int32
	pipes map[int32]*Capture
}

// pipes is the poller of all captures, made when the first one needs it.
var pipes = sync.OnceValues(newPoller)

func newPoller() (*poller, error) {
	epoll, err := NewEpoll()
	if err != nil {
		return nil, err
	}
	p := &poller{epoll: epoll, pipes: map[int32]*Capture{}}
	go func() {
		room := make([]unix.EpollEvent, 64)
		for {
			p.tell(epoll.Wait(room))
		}
	}()
	return p, nil
}

func (p *poller) tell(events []unix.EpollEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range events {
		if c := p.pipes[e.Fd]; c != nil { // else it is gone
			c.wake()
		}
	}
}

// watch is one pipe in the poller. It belongs to the goroutine that reads the pipe.
type watch struct {
	poller  *poller
	fd      int
	id      int32
	resting bool // the pipe is not in the epoll instance
}

// add adds a pipe, disarmed.
func (p *poller) add(fd int, c *Capture) (*watch, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	w := &watch{poller: p, fd: fd, id: p.last}
	if err := w.control(unix.EPOLL_CTL_ADD, 0); err != nil {
		return nil, fmt.Errorf("epoll_ctl: %w", err)
	}
	p.pipes[w.id] = c
	return w, nil
}

func (w *watch) control(op int, events uint32) error {
	return unix.EpollCtl(w.poller.epoll.FD, op, w.fd, &unix.EpollEvent{Events: events | unix.EPOLLONESHOT, Fd: w.id})
}

// arm makes the poller wake the capture once, as soon as there is something. The error is
// that it will not.
func (w *watch) arm() error {
	op := unix.EPOLL_CTL_MOD
	if w.resting {
		op = unix.EPOLL_CTL_ADD
	}
	err := w.control(op, unix.EPOLLIN)
	w.resting = w.resting && err != nil
	return err
}

// rest takes the pipe out until it is armed again, for a worker that writes without
// pause: each of its writes asks everybody who has the pipe in an epoll instance, armed or
// not (pipe_write in fs/pipe.c), and costs it a tenth more.
func (w *watch) rest() {
	if !w.resting {
		w.resting = w.control(unix.EPOLL_CTL_DEL, 0) == nil
	}
}

func (w *watch) remove() {
	w.poller.mu.Lock()
	defer w.poller.mu.Unlock()
	delete(w.poller.pipes, w.id)
	w.rest()
}
