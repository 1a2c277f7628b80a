package privdrop

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Exit is how a process ended. Not Known is the end of one that this process
// cannot reap, before Linux 6.15 and while its parent does not reap it.
type Exit struct {
	Known  bool
	Status unix.WaitStatus // wait(2)
}

// reapTime is how long Done waits for the parent to reap what has ended, as it is
// only then that the kernel tells others the status. PID 1 and other reapers take
// microseconds; a parent that takes longer may never do it.
const reapTime = time.Second

// Done waits until the process has ended, child of this process or not. It costs
// a goroutine and a descriptor, but no thread, and reaps nothing: a caller that
// is the parent does, and may be faster than Done. The error is that of ctx when
// it was done first.
func (p *Process) Done(ctx context.Context) (Exit, error) { return p.done(ctx, reapTime) }

func (p *Process) done(ctx context.Context, patience time.Duration) (Exit, error) {
	file, conn, err := p.watched()
	if err != nil {
		return Exit{}, err
	}
	defer file.Close()
	stop := context.AfterFunc(ctx, func() { file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err = conn.Read(func(fd uintptr) bool { return polled(fd) != 0 })
	switch {
	case err != nil && ctx.Err() != nil:
		return Exit{}, ctx.Err()
	case err != nil:
		return Exit{}, err
	}
	file.SetReadDeadline(time.Now().Add(patience))
	var exit Exit
	conn.Read(func(fd uintptr) (told bool) {
		reaped := polled(fd)&unix.POLLHUP != 0 // asked before: the status is there by then
		exit, told = exitOf(int(fd))
		return told || reaped || ctx.Err() != nil
	}) // an error is the deadline: the process has ended nevertheless
	return exit, nil
}

// watched gives the pidfd to Go's poller, which closes what it is given, and
// takes what does not block. O_NONBLOCK is then the original's too: it means
// something to waitid(2) alone, see reap.
func (p *Process) watched() (*os.File, syscall.RawConn, error) {
	fd, err := unix.FcntlInt(uintptr(p.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("dup pidfd", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, nil, os.NewSyscallError("pidfd, O_NONBLOCK", err)
	}
	file := os.NewFile(uintptr(fd), "pidfd")
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
	}
	return file, conn, err
}

// polled is POLLIN for a process that has ended, with POLLHUP once it was reaped.
func polled(pidfd uintptr) int16 {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, 0); err != unix.EINTR {
			return fds[0].Revents
		}
	}
}

// exitOf asks the kernel for the status of a process that has ended; told is
// false while there may be another answer later.
func exitOf(pidfd int) (exit Exit, told bool) {
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	err := unix.IoctlPidfdInfo(pidfd, &info)
	if errors.Is(err, unix.EINTR) {
		return Exit{}, false
	}
	if err != nil { // it was reaped, or this is before Linux 6.13
		return Exit{}, true
	}
	if info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return Exit{}, false
	}
	return Exit{Known: true, Status: unix.WaitStatus(info.Exit_code)}, true
}
