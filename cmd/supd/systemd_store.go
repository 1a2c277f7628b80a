package main

import (
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"supd/supervisor"
)

// store is systemd's store of descriptors: systemd gives them to the next supd,
// under their names. It keeps an open file description once, however often it is
// sent, and by itself removes a listener that was shut down.
type store struct {
	systemd systemd
	wake    chan struct{}

	mu      sync.Mutex // the owner's goroutine must not wait for systemd
	changes []supervisor.Kept
}

// openStore gives nil if systemd keeps nothing. Since version 254 it sets FDSTORE
// to what it keeps; for older ones the unit sets it.
func openStore(s systemd) *store {
	room, err := strconv.Atoi(os.Getenv("FDSTORE"))
	if s.socket == "" || err != nil || room <= 0 {
		return nil
	}
	return &store{systemd: s, wake: make(chan struct{}, 1)}
}

// keep stores the supervisor's sockets from now on.
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
