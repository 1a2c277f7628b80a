package output

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Epoll is an epoll instance (epoll(7)) that is itself in Go's poller, so that no thread
// blocks in it. It is never closed.
type Epoll struct {
	FD   int // for epoll_ctl(2)
	file *os.File
	conn syscall.RawConn
}

// NewEpoll makes one with no descriptor in it.
func NewEpoll() (*Epoll, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	// os.NewFile hands a descriptor to Go's poller only if it does not block.
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(fd), "epoll")
	conn, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &Epoll{fd, file, conn}, nil
}

// Close ends Wait. Nobody may use FD any more.
func (e *Epoll) Close() error { return e.file.Close() }

// Wait waits until there are events, and gives them in the room that it gets; none once it
// is closed. It is for one goroutine.
func (e *Epoll) Wait(room []unix.EpollEvent) []unix.EpollEvent {
	n := 0
	_ = e.conn.Read(func(fd uintptr) bool { // fails when it is closed
		n, _ = unix.EpollWait(int(fd), room, 0)
		return n > 0
	})
	return room[:n]
}
