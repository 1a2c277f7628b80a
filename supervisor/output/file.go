package output

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

const appending = unix.O_RDWR | unix.O_APPEND

// openIf opens the file at path if it is the one with that id. Nothing else is opened,
// whoever owns the directories: what was found is, whatever has the name by then
// (open(2), O_PATH).
func openIf(path string, id fileID, flags int) *os.File {
	found, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(found)
	var st unix.Stat_t
	if unix.Fstat(found, &st) != nil || idOf(&st) != id || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", found), flags|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), path)
}

func idOf(st *unix.Stat_t) fileID { return fileID{uint64(st.Dev), st.Ino} }

// way is how root goes to the log's directory, which is made if it is missing. The
// worker's group may read it, and only who made it may write there.
func (o Options) way() files.Way { return files.Way{As: o.As, Make: 0o750, GID: o.GID} }

// openFile opens a regular file for appending, or makes it. The directory may
// belong to the worker's user: a symbolic link or a fifo there is refused.
func openFile(in files.Place, name string, o Options) (*os.File, *unix.Stat_t, error) {
	const flags = unix.O_WRONLY | unix.O_APPEND
	path := filepath.Join(in.Path, name)
	fd, st, err := in.Open(name, flags, 0)
	if errors.Is(err, unix.ENOENT) {
		fd, st, err = in.Open(name, flags|unix.O_CREAT|unix.O_EXCL, uint32(o.Mode.Perm()))
		if err == nil {
			err = own(fd, o)
		}
		if errors.Is(err, unix.EEXIST) { // made by somebody just now
			fd, st, err = in.Open(name, flags, 0)
		}
	}
	if err != nil {
		return nil, nil, explain(path, err)
	}
	file := os.NewFile(uintptr(fd), path)
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		file.Close()
		return nil, nil, errKind(path)
	}
	return file, &st, nil
}

// explain says what open(2) means by an error.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, unix.ELOOP):
		return errLink(path)
	case errors.Is(err, unix.ENXIO): // a fifo without a reader
		return errKind(path)
	}
	return err
}

// Text is a log that is being read, or what it was rotated to, as it was written.
type Text interface {
	io.ReadSeeker
	io.ReaderAt
	io.Closer
	Stat() (fs.FileInfo, error)
}

// View opens the log at path for reading, or the nth file that it was rotated to, also
// if that was compressed since. As with Open, a path that leads where the log's app may
// write is followed with its rights: it must not show what the app cannot read.
func (f *Files) View(path string, n int) (Text, error) {
	f.mu.Lock()
	log := f.open[path]
	f.mu.Unlock()
	var way files.Way
	if log != nil {
		way.As = log.account()
	}
	var file *os.File
	isPacked := false
	err := way.In(filepath.Dir(path), func(in files.Place) (err error) {
		name := filepath.Base(path)
		if file, err = regular(in, rotated(name, n)); n > 0 && errors.Is(err, unix.ENOENT) {
			isPacked = true
			file, err = regular(in, packed(name, n))
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case isPacked:
		return unpack(file)
	}
	return file, nil
}

// regular opens a regular file for reading.
func regular(in files.Place, name string) (*os.File, error) {
	path := filepath.Join(in.Path, name)
	fd, st, err := in.Open(name, unix.O_RDONLY, 0)
	if err != nil {
		return nil, explain(path, err)
	}
	file := os.NewFile(uintptr(fd), path)
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		file.Close()
		return nil, errKind(path)
	}
	return file, nil
}

// endsWithLine reports whether a file of that size ends with a whole line, which is
// assumed if it cannot be read.
func endsWithLine(file *os.File, size int64) bool {
	if size == 0 {
		return true
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", file.Fd()), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	last := make([]byte, 1)
	n, _ := unix.Pread(fd, last, size-1)
	return n <= 0 || last[0] == '\n'
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
