package privdrop

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Process is a launched or adopted process. Its descriptor keeps meaning this very process,
// also when the pid has been used again (pidfd_open(2)).
type Process struct {
	Pid int
	fd  int
}

// Fd is the pidfd: readable to poll(2) once the process has ended. It is the
// Process's own, close-on-exec.
func (p *Process) Fd() int { return p.fd }

// Signal sends sig to the process. The error is unix.ESRCH once it was reaped;
// a zombie takes every signal.
func (p *Process) Signal(sig unix.Signal) error {
	if err := unix.PidfdSendSignal(p.fd, sig, nil, 0); err != nil {
		return fmt.Errorf("%s to pid %d: %w", SignalName(sig), p.Pid, err)
	}
	return nil
}

// Alive reports whether the process has not ended yet; a zombie has.
func (p *Process) Alive() bool {
	ended, err := p.ended(0)
	return err == nil && !ended
}

// Close gives the descriptor back. The process goes on.
func (p *Process) Close() error { return unix.Close(p.fd) }

// ended waits for the end for that many milliseconds at most, -1 is forever.
func (p *Process) ended(milliseconds int) (bool, error) {
	fds := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, milliseconds)
		if err != unix.EINTR {
			return n == 1 && fds[0].Revents&unix.POLLIN != 0, err
		}
	}
}

// reap waits for the end and takes the zombie away, unless another goroutine
// that reaps all children was faster (ECHILD). A descriptor with O_NONBLOCK
// refuses to wait.
func (p *Process) reap() {
	for {
		switch unix.Waitid(unix.P_PIDFD, p.fd, nil, unix.WEXITED, nil) {
		case unix.EINTR:
		case unix.EAGAIN:
			p.ended(-1)
		default:
			return
		}
	}
}
