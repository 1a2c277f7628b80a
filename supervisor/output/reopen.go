package output

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Reopen opens the reading end of a worker's pipe anew, after the supd that made it
// is gone. It is the pipe of that inode, which the process holds as the descriptor of that
// number. fs.ErrNotExist says that the process is gone or has closed it. It waits for
// nothing.
func Reopen(pid, number int, inode uint64) (*os.File, error) {
	path := fmt.Sprintf("/proc/%d/fd/%d", pid, number)
	// It may be another file by now, and the file system of that need not let itself be
	// opened: O_PATH does not ask it.
	at, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(at)
	here := fmt.Sprintf("/proc/self/fd/%d", at)
	if link, err := os.Readlink(here); err != nil || link != fmt.Sprintf("pipe:[%d]", inode) {
		return nil, &os.PathError{Op: "open", Path: path, Err: errors.New("it is another file by now")}
	}
	fd, err := unix.Open(here, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return reader(fd)
}

// Inherited makes a reading end of a descriptor that the supd before this one, in
// the same process, got from Left and kept open over execve(2).
func Inherited(fd int) (*os.File, error) {
	unix.CloseOnExec(fd)
	file, err := reader(fd)
	if err != nil {
		return nil, err
	}
	if _, err := PipeInode(file); err != nil {
		file.Close()
		return nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	return file, nil
}
