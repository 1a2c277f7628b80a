package main

import (
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"supd/supervisor"
)

// store is systemd's store of descriptors: what is in there comes back to the next
// supd, under its name. systemd keeps one description once, however often it is
// sent, and removes by itself a listener that was shut down.
type store struct {
	systemd systemd
	wake    chan struct{}

	mu      sync.Mutex // the owner's goroutine must not wait for systemd
	changes []supervisor.Kept
}

// openStore gives nil where systemd keeps nothing. It says so in FDSTORE since
// version 254; for older ones the unit does.
func openStore(s systemd) *store {
	room, err := strconv.Atoi(os.Getenv("FDSTORE"))
	if s.socket == "" || err != nil || room <= 0 {
		return nil
	}
	return &store{systemd: s, wake: make(chan struct{}, 1)}
}

// keep has the supervisor's sockets kept from now on.
func (s *store) keep(supd *supervisor.Supervisor) {
	go func() {
		for range s.wake {
			s.pass()
		}
	}()
	supd.KeepSockets(s.changed)
}

func (s *store) changed(changes []supervisor.Kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes = append(s.changes, changes...)
	poke(s.wake)
}

func (s *store) pass() {
	s.mu.Lock()
	changes := s.changes
	s.changes = nil
	s.mu.Unlock()
	for _, c := range changes {
		if len(c.Fds) == 0 {
			s.systemd.tell(nil, "FDSTOREREMOVE=1", "FDNAME="+c.Key)
			continue
		}
		s.systemd.tell(c.Fds, "FDSTORE=1", "FDNAME="+c.Key)
		for _, fd := range c.Fds {
			unix.Close(fd)
		}
	}
}
