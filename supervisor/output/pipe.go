package output

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Pipe makes the pipe for a worker's output: supd's end, non-blocking, and the
// worker's, blocking; both are close-on-exec. The pipe belongs to uid and gid (-1
// keeps), so that the worker can open /dev/stdout.
//
// The worker's end is open for reading as well: with itself as a reader a worker
// never gets EPIPE, not even while no supd is there to read.
func Pipe(uid, gid int) (read, worker *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	defer unix.Close(fds[1])
	if read, err = reader(fds[0]); err != nil {
		return nil, nil, err
	}
	if uid >= 0 && uid != os.Geteuid() {
		if err := unix.Fchown(fds[1], uid, gid); err != nil {
			read.Close()
			return nil, nil, os.NewSyscallError("fchown", err)
		}
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fds[1]), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		read.Close()
		return nil, nil, &os.PathError{Op: "open", Path: "/proc/self/fd", Err: err}
	}
	return read, os.NewFile(uintptr(fd), "output"), nil
}

// reader makes a file of a reading end that does not block and is not in Go's
// poller, although os.NewFile adds what does not block.
func reader(fd int) (*os.File, error) {
	err := unix.SetNonblock(fd, false)
	file := os.NewFile(uintptr(fd), "output")
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		file.Close()
		return nil, os.NewSyscallError("fcntl", err)
	}
	return file, nil
}

// PipeInode is the inode of a pipe. No other pipe has it while this one is open.
func PipeInode(f *os.File) (uint64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Mode&syscall.S_IFMT != syscall.S_IFIFO {
		return 0, fmt.Errorf("%s is not a pipe", f.Name())
	}
	return st.Ino, nil
}

// largePipe is the size that the pipe of a worker grows to once it has filled the
// usual 64 KiB: a flood of short lines then takes a third less CPU. Pipes do not
// begin with it, since the pipes of a user without CAP_SYS_ADMIN share
// /proc/sys/fs/pipe-user-pages-soft, 64 MiB (pipe(7)).
const (
	usualPipe = 64 << 10
	largePipe = 1 << 20
)

// nearlyFull is the size of a read that shows that a usual pipe was full: its pages
// need not be, since a short line is not split between two.
const nearlyFull = 48 << 10

// enlarge grows a pipe where that is permitted, and gives its size.
func enlarge(fd int) int {
	size, err := unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, largePipe)
	if err != nil {
		return usualPipe
	}
	return size
}
