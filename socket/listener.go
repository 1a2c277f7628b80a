package socket

import (
	"errors"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Listener is for a program that serves the socket itself. To close it closes the
// socket, too.
func (s *Socket) Listener() (net.Listener, error) {
	l, err := s.served()
	if err != nil {
		return nil, err
	}
	return &listener{l, sync.OnceValue(func() error { return errors.Join(l.Close(), s.Close()) })}, nil
}

// served is a listener with a descriptor of its own: to close it closes that alone.
func (s *Socket) served() (net.Listener, error) {
	dup, err := unix.FcntlInt(uintptr(s.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(dup), s.spec.Listen)
	defer file.Close() // net.FileListener duplicates it once more
	return net.FileListener(file)
}

// listener is closed once, however many ask for it: at a second time the
// descriptor's number may be somebody else's.
type listener struct {
	net.Listener
	close func() error
}

func (l *listener) Close() error { return l.close() }
