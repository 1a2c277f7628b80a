package main

import (
	"errors"
	"os"
	"path/filepath"
)

// bench has the directories, and the results.
type bench struct {
	dir   string // in tmpfs where there is one, open to other users
	bin   string // of the programs under test
	sizes []int  // of fleets
	lines []line
}

// onDisk gives do a directory on a disk, open to other users and removed
// afterwards: in b.dir fsync(2) costs nothing.
func onDisk(do func(dir string) error) (err error) {
	dir, err := os.MkdirTemp("/var/tmp", "supd-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	return do(dir)
}

func newBench() (*bench, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("/dev/shm", "supd-bench-")
	if err != nil {
		dir, err = os.MkdirTemp("/tmp", "supd-bench-")
	}
	if err != nil {
		return nil, err
	}
	b := &bench{dir: dir, bin: filepath.Dir(self)}
	if err := errors.Join(os.Chmod(dir, 0o755), b.compile()); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return b, nil
}
