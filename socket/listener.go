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
	dup, err := unix.FcntlInt(uintptr(s.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(dup), s.spec.Listen)
	defer file.Close() // net.FileListener duplicates it once more
	l, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	return &listener{l, sync.OnceValue(func() error { return errors.Join(l.Close(), s.Close()) })}, nil
}

// listener is closed once, however many ask for it: at a second time the
// descriptor's number may be somebody else's.
type listener struct {
	net.Listener
	close func() error
}

func (l *listener) Close() error { return l.close() }
