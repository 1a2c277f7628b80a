package output

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// Check says what keeps Open from opening the log at path. It makes nothing, and opens
// no file but a regular one: opening a device may already do something. As for Files,
// a full or read-only disk is no error.
func Check(path string) error {
	if strings.HasPrefix(path, Journal) {
		j, err := openJournal(journalSocket)
		if err == nil {
			err = j.close()
		}
		return err
	}
	err := checkFile(path)
	if err != nil && passes(err) {
		return nil
	}
	return err
}

func checkFile(path string) error {
	var st unix.Stat_t
	switch err := unix.Lstat(path, &st); {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return files.MayMake(path)
	case err != nil:
		return &os.PathError{Op: "stat", Path: path, Err: err}
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		return errLink(path)
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return errKind(path)
	}
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	return unix.Close(fd)
}

func errLink(path string) error {
	return fmt.Errorf("%s is a symbolic link, which is not followed; name the file that it leads to", path)
}

func errKind(path string) error {
	return fmt.Errorf("%s is not a regular file; name one, which supd makes", path)
}
