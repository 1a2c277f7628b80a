package socket

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

const (
	// closeTime is how long a close may wait in the kernel, far above what one takes.
	closeTime = 5 * time.Millisecond
	// readerTime is how long the close of a connection waits for who reads it.
	readerTime = time.Second
)

// CloseFd is close(2) of a descriptor at whose socket others may have left descriptors of
// theirs (SCM_RIGHTS, unix(7)), such as in the queue of a listener. With the last descriptor
// of that socket the kernel closes those too, in this thread; and if they are the last of
// connections with SO_LINGER (socket(7)), it would wait for what they have not sent, for as
// long as whoever has put them there likes. A signal ends that wait: Go's runtime does
// nothing at a SIGURG of this process.
func CloseFd(fd int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pid, thread, over := os.Getpid(), unix.Gettid(), make(chan struct{})
	defer close(over)
	late := time.AfterFunc(closeTime, func() {
		again := time.NewTicker(closeTime)
		defer again.Stop()
		for {
			unix.Tgkill(pid, thread, unix.SIGURG)
			select {
			case <-again.C:
			case <-over:
				return
			}
		}
	})
	defer late.Stop()
	return os.NewSyscallError("close", unix.Close(fd))
}

// Close closes a connection that this program has accepted, and calls closed then: soon,
// as CloseFd does, but where a reader of it waits in the kernel for the same reason, Close
// comes back before.
func Close(c net.Conn, closed func()) error {
	late, cancel := context.WithTimeout(context.Background(), readerTime)
	defer cancel()
	var err error
	if _, e := files.Soon(late, func() {
		defer closed()
		err = closeLast(c)
	}); e != nil {
		return e
	}
	return err
}

// closeLast closes a connection or a listener of the net package, which does not close the
// last of its descriptors then.
func closeLast(c interface{ Close() error }) error {
	last, err := copyOf(c)
	if err != nil { // there is no descriptor left
		go c.Close()
		return err
	}
	return errors.Join(c.Close(), CloseFd(last))
}

func copyOf(c any) (fd int, err error) {
	of, is := c.(syscall.Conn)
	if !is {
		return -1, errors.ErrUnsupported
	}
	raw, err := of.SyscallConn()
	if err != nil {
		return -1, err
	}
	if e := raw.Control(func(its uintptr) { fd, err = unix.FcntlInt(its, unix.F_DUPFD_CLOEXEC, 0) }); e != nil {
		return -1, e
	}
	return fd, os.NewSyscallError("fcntl", err)
}
