package main

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// readyFd is a descriptor that supd was started with: supd writes a newline to it
// when it is ready and answers control requests (s6's notification-fd). 0 is none.
type readyFd int

func (fd *readyFd) String() string { return strconv.Itoa(int(*fd)) }

// Set refuses a descriptor that was not open when supd was started: those of Go's
// runtime are neither pipes nor sockets nor devices.
func (fd *readyFd) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n <= 2 {
		return fmt.Errorf("want the number of a descriptor above 2")
	}
	var stat unix.Stat_t
	if err := unix.Fstat(n, &stat); err != nil {
		return fmt.Errorf("descriptor %d is not open", n)
	}
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFIFO, unix.S_IFSOCK, unix.S_IFCHR:
		*fd = readyFd(n)
		return nil
	}
	return fmt.Errorf("descriptor %d is no pipe", n)
}

// announce says once that supd is ready. Afterwards the descriptor is /dev/null: a
// supd that replaces this one by execve, with the same arguments, must not write to
// whatever has got that number.
func (fd readyFd) announce() error {
	if fd == 0 {
		return nil
	}
	if _, err := unix.Write(int(fd), []byte("\n")); err != nil && err != unix.EPIPE { // EPIPE: nobody waits any more
		return os.NewSyscallError("write "+strconv.Itoa(int(fd)), err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	return os.NewSyscallError("dup3", unix.Dup3(int(null.Fd()), int(fd), 0))
}
