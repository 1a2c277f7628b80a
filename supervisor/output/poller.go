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

// watch is one pipe in the poller.
type watch struct {
	poller *poller
	fd     int
	id     int32
}

// add adds a pipe, disarmed.
func (p *poller) add(fd int, c *Capture) (*watch, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	w := &watch{p, fd, p.last}
	if err := unix.EpollCtl(p.epoll.FD, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLONESHOT, Fd: w.id}); err != nil {
		return nil, fmt.Errorf("epoll_ctl: %w", err)
	}
	p.pipes[w.id] = c
	return w, nil
}

// arm makes the poller wake the capture once, as soon as there is something.
func (w *watch) arm() {
	// It fails only for a descriptor that is not in the set.
	_ = unix.EpollCtl(w.poller.epoll.FD, unix.EPOLL_CTL_MOD, w.fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT, Fd: w.id})
}

func (w *watch) remove() {
	w.poller.mu.Lock()
	defer w.poller.mu.Unlock()
	delete(w.poller.pipes, w.id)
	_ = unix.EpollCtl(w.poller.epoll.FD, unix.EPOLL_CTL_DEL, w.fd, nil)
}
