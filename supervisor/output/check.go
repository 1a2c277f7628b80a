package output

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// Check says what keeps Open from opening the log at path with these options. It makes nothing, and opens
// no file but a regular one: opening a device may already do something. As for Files,
// a full or read-only disk is no error.
func Check(path string, o Options) error {
	if strings.HasPrefix(path, Journal) {
		j, err := openJournal(journalSocket)
		if err == nil {
			err = j.close()
		}
		return err
	}
	if !isFile(path) {
		return nil
	}
	err := checkFile(path, o)
	if err != nil && passes(err) {
		return nil
	}
	return err
}

func checkFile(path string, o Options) error {
	way := o.way()
	way.Make = 0
	err := way.In(filepath.Dir(path), func(in files.Place) error {
		name := filepath.Base(path)
		var st unix.Stat_t
		switch err := unix.Fstatat(in.FD, name, &st, unix.AT_SYMLINK_NOFOLLOW); {
		case err != nil:
			return &os.PathError{Op: "stat", Path: path, Err: err}
		case st.Mode&unix.S_IFMT == unix.S_IFLNK:
			return errLink(path)
		case st.Mode&unix.S_IFMT != unix.S_IFREG:
			return errKind(path)
		}
		fd, _, err := in.Open(name, unix.O_WRONLY|unix.O_APPEND, 0)
		if in.Lent && errors.Is(err, unix.EACCES) {
			return fs.ErrNotExist // it is moved away
		}
		if err != nil {
			return err
		}
		return unix.Close(fd)
	})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return way.MayMake(path)
	}
	return err
}

func errLink(path string) error {
	return fmt.Errorf("%s is a symbolic link, which is not followed; name the file that it leads to", path)
}

func errKind(path string) error {
	return fmt.Errorf("%s is not a regular file; name one, which supd makes", path)
}
