package release

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// lock waits until no other process changes the registry. The kernel ends the lock
// with the process, however that ends.
func (s *Store) lock(ctx context.Context) (unlock func(), err error) {
	// Before it is made: whoever could write on the way would say what is installed.
	if err := files.Own().CheckPlanned(s.dir); err != nil {
		return nil, err
	}
	if err := files.MakeDirectories(s.dir); err != nil {
		return nil, err
	}
	if err := files.Own().Check(s.dir); err != nil {
		return nil, err
	}
	path := filepath.Join(s.dir, "lock")
	// Mode 0600: whoever can open it could lock it (flock(2)).
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	if err := files.IsOurs(file); err != nil {
		file.Close()
		return nil, err
	}
	locked := make(chan error, 1)
	go func() { locked <- flock(file, 0) }()
	select {
	case err := <-locked:
		if err != nil {
			file.Close()
			return nil, &os.PathError{Op: "flock", Path: path, Err: err}
		}
		return func() { file.Close() }, nil
	case <-ctx.Done():
		go func() { // flock(2) cannot be told to give up
			<-locked
			file.Close()
		}()
		return nil, fmt.Errorf("%s: another process changes the registry: %w", path, context.Cause(ctx))
	}
}

// flock takes an exclusive lock; with unix.LOCK_NB it does not wait for it.
func flock(file *os.File, how int) error {
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|how)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
