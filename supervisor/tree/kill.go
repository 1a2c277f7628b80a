package tree

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// kill sends SIGKILL to p if it is still the same process.
func (p Process) kill() bool { return p.send(unix.SIGKILL) }

// send sends signals to p, in their order, if it is still the same process.
func (p Process) send(signals ...unix.Signal) bool {
	fd, err := p.open()
	if err != nil {
		return false // gone
	}
	defer unix.Close(fd)
	for _, sig := range signals {
		if unix.PidfdSendSignal(fd, sig, nil, 0) != nil {
			return false
		}
	}
	return true
}

// open gives a pidfd of p. pidfd_open(2) opens the process that has the pid now, so
// its start is compared afterwards.
func (p Process) open() (int, error) {
	fd, err := unix.PidfdOpen(p.Pid, 0)
	if err != nil {
		return -1, err
	}
	now, err := readStat(p.Pid)
	if err == nil && now.Start != p.Start {
		err = unix.ESRCH
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// awaitEnd waits until all are dead, or until the deadline. It uses one descriptor
// at a time: there may be more processes than descriptors.
func awaitEnd(dying []leftover, deadline time.Time) {
	for _, p := range dying {
		fd, err := p.open()
		if err != nil {
			continue
		}
		await(fd, unix.POLLIN, deadline)
		unix.Close(fd)
	}
}

// await waits for an event of one descriptor until the deadline.
func await(fd int, event int16, deadline time.Time) {
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return
		}
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: event}}, int(left.Milliseconds())+1)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
