package supervisor

import (
	"os"

	"golang.org/x/sys/unix"

	"supd/privdrop"
	"supd/supervisor/tree"
)

// HoldSockets lets a child that runs argv have the unix sockets that an execve(2) is to
// close, until release is called or this process has another program: the child has the
// last descriptors of them then. Others may have left descriptors of theirs in them, for
// which a close may wait (see socket.CloseFd), and which nothing would end after the execve;
// the end of a process does not wait. The child is to end when its standard input does.
func (s *Supervisor) HoldSockets(argv []string) (release func(), err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	null := int(s.host.launcher.Null.Fd())
	files := []int{int(read.Fd()), null, null}
	for again := 0; ; again++ {
		var process *privdrop.Process
		process, err = privdrop.Spec{Argv: argv, KeepPrivs: true, AllowRoot: true, Files: append(files, streamSockets()...)}.Start()
		if err == nil {
			process.Close() // it is reaped as every child
			return func() { write.Close() }, nil
		}
		if again == holdTries { // a connection may have ended meanwhile
			write.Close()
			return nil, err
		}
	}
}

// holdTries is how often HoldSockets tries again.
const holdTries = 10

// streamSockets are the descriptors of streams, and of listeners for them, which are unix
// sockets and closed by execve.
func streamSockets() (fds []int) {
	all, _ := tree.Numbers("/proc/self/fd") // where there is no /proc, there is no execve either
	for _, fd := range all {
		domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
		if err != nil || domain != unix.AF_UNIX {
			continue
		}
		kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
		flags, e := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && e == nil && kind == unix.SOCK_STREAM && flags&unix.FD_CLOEXEC != 0 {
			fds = append(fds, fd)
		}
	}
	return fds
}
