package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/socket"
)

// Open listens on the control socket. The socket that a dead supd left is
// replaced; one that answers is an error, for a second supd must not start. From
// the first instant the path has the group and mode that c says.
func Open(c configs.Control) (net.Listener, error) {
	s, err := socket.Open(socket.Spec{Name: "control", Listen: "unix:" + c.Socket, Group: c.Group, Mode: fs.FileMode(c.Mode)})
	if err != nil {
		if answers(c.Socket) {
			return nil, fmt.Errorf("supd is already running: a process is listening on %s", c.Socket)
		}
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l, err := goListener(s.Fd(), c.Socket)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("control socket: %w", err), s.Close())
	}
	return &listener{l, sync.OnceValue(func() error { return errors.Join(l.Close(), s.Close()) })}, nil
}

func answers(path string) bool {
	c, err := net.Dial("unix", path)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// listener is closed once, whoever asks for it: the number of a descriptor that
// is closed twice may be somebody else's by then.
type listener struct {
	net.Listener
	close func() error
}

func (l *listener) Close() error { return l.close() }

// goListener gives the runtime's poller a duplicate of the descriptor.
func goListener(fd int, name string) (net.Listener, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(dup), name)
	defer file.Close() // net.FileListener duplicates it once more
	return net.FileListener(file)
}
