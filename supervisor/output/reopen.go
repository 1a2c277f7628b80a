package output

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Reopen opens the reading end of a worker's pipe anew, after the supd that made it
// is gone. It is the pipe of that inode, which the process holds as standard
// output, as standard error or as any other descriptor. fs.ErrNotExist says that
// the process is gone or has closed the pipe, so that nothing more can come. The
// caller holds a pidfd of the process (pidfd_open(2)), so that the pid cannot
// become another's.
func Reopen(pid int, inode uint64) (*os.File, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	file, refused := find(dir, []string{"1", "2"}, inode)
	if file != nil {
		return file, nil
	}
	others, err := descriptors(dir)
	file, more := find(dir, others, inode)
	if file != nil {
		return file, nil
	}
	why := errors.Join(refused, more, err)
	if why == nil {
		why = fs.ErrNotExist
	}
	return nil, &os.PathError{Op: fmt.Sprintf("find pipe %d in", inode), Path: dir, Err: why}
}

// find opens the pipe if one of the names in dir is it. If none is, that is no
// error; if it cannot be opened, that is one.
func find(dir string, names []string, inode uint64) (*os.File, error) {
	want := fmt.Sprintf("pipe:[%d]", inode)
	var refused error
	for _, name := range names {
		path := dir + "/" + name
		if link, err := os.Readlink(path); err != nil || link != want {
			continue
		}
		file, err := openPipe(path, inode)
		if err == nil {
			return file, nil
		}
		refused = errors.Join(refused, err)
	}
	return nil, refused
}

// descriptors lists the names in dir except 1 and 2, the lowest number first.
func descriptors(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var numbers []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n != 1 && n != 2 {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	var names []string
	for _, n := range numbers {
		names = append(names, strconv.Itoa(n))
	}
	return names, err
}

// openPipe opens the pipe at path, which may have become another file since it was
// looked at.
func openPipe(path string, inode uint64) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	file, err := reader(fd)
	if err != nil {
		return nil, err
	}
	if got, err := PipeInode(file); err != nil || got != inode {
		file.Close()
		return nil, &os.PathError{Op: "open", Path: path, Err: errors.New("it is another file by now")}
	}
	return file, nil
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
