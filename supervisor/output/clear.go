package output

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// Clear empties the log at path, and removes the files that it was rotated to. What
// workers print meanwhile is in it afterwards.
func (f *Files) Clear(path string) error {
	log, err := f.named("clear", path)
	if err != nil {
		return err
	}
	return log.clear()
}

// named gives the log at path, for what is to be done with it.
func (f *Files) named(op, path string) (*Log, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if log := f.open[path]; log != nil {
		return log, nil
	}
	return nil, &fs.PathError{Op: op, Path: path, Err: fs.ErrNotExist}
}

func (l *Log) clear() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if fate := FateOf(l.path); fate != "" {
		return fmt.Errorf("its output %s, and supd has nothing of it", fate)
	}
	err := l.options.way().In(filepath.Dir(l.path), func(dir files.Place) error {
		name := filepath.Base(l.path)
		if err := empty(dir, name); err != nil {
			return err
		}
		for n := 1; n <= l.options.keeps()+mostRemoved; n++ {
			one := slot(dir, name, n)
			if one == "" {
				return nil
			}
			if err := unix.Unlinkat(dir.FD, one, 0); err != nil {
				return failed("remove", dir, one, err)
			}
		}
		return nil
	})
	if l.file != nil {
		l.look()
	}
	return err
}

// empty truncates a regular file, if there is one. Whoever has it open appends to it,
// which leaves no hole.
func empty(dir files.Place, name string) error {
	fd, st, err := dir.Open(name, unix.O_WRONLY, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	path := filepath.Join(dir.Path, name)
	if err != nil {
		return explain(path, err)
	}
	defer unix.Close(fd)
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return errKind(path)
	}
	return failed("truncate", dir, name, unix.Ftruncate(fd, 0))
}
