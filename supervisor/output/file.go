package output

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const appending = unix.O_RDWR | unix.O_APPEND

func openIf(path string, id fileID, flags int) *os.File {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil || idOf(&st) != id {
		return nil
	}
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	if unix.Fstat(fd, &st) != nil || idOf(&st) != id {
		unix.Close(fd)
		return nil
	}
	return os.NewFile(uintptr(fd), path)
}

func idOf(st *unix.Stat_t) fileID { return fileID{uint64(st.Dev), st.Ino} }

// openFile opens a regular file for appending, or makes it. The directory may
// belong to the worker's user: a symbolic link or a fifo there is refused.
func openFile(path string, o Options) (*os.File, *unix.Stat_t, error) {
	const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK
	fd, err := unix.Open(path, flags, 0)
	if err == unix.ENOENT {
		fd, err = unix.Open(path, flags|unix.O_CREAT|unix.O_EXCL, uint32(o.Mode.Perm()))
		if err == nil {
			err = own(fd, o)
		}
		if err == unix.EEXIST { // made by somebody just now
			fd, err = unix.Open(path, flags, 0)
		}
	}
	if err == unix.ELOOP {
		return nil, nil, errLink(path)
	}
	if err == unix.ENXIO { // a fifo without a reader
		return nil, nil, errKind(path)
	}
	if err != nil {
		return nil, nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	file := os.NewFile(uintptr(fd), path)
	st := new(unix.Stat_t)
	if err = unix.Fstat(fd, st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errKind(path)
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, st, nil
}

// endsWithLine reports whether a file of that size ends with a whole line, which is
// assumed if it cannot be read.
func endsWithLine(file *os.File, id fileID, size int64) bool {
	if size == 0 {
		return true
	}
	again := openIf(file.Name(), id, unix.O_RDONLY)
	if again == nil {
		return true
	}
	defer again.Close()
	last := make([]byte, 1)
	n, _ := again.ReadAt(last, size-1)
	return n == 0 || last[0] == '\n'
}

// own gives a new file its owner and its mode, which the umask may have reduced.
func own(fd int, o Options) error {
	err := unix.Fchmod(fd, uint32(o.Mode.Perm()))
	if err == nil && (o.UID >= 0 || o.GID >= 0) {
		err = unix.Fchown(fd, o.UID, o.GID)
	}
	if err != nil {
		unix.Close(fd)
	}
	return err
}

// makeDirectory makes the directory of path. The worker's group may read it, and
// only supd may write there: root must not be led elsewhere when it makes a file.
func makeDirectory(path string, gid int) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o750); errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil {
		return err
	}
	return os.Chown(dir, -1, gid)
}
