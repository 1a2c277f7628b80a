package files

import (
	"errors"
	"io"
	"os"
)

// ErrManyNames says that a directory has more names than are looked at.
var ErrManyNames = errors.New("it has more names than are looked at")

// fewNames are read at a time: 64 KiB, as names have 255 bytes at most.
const fewNames = 256

// EachName calls each with the names in an open directory until that says false, in the
// order in which the kernel gives them. It holds a few at a time, since others may have filled
// the directory, and gives up with ErrManyNames behind so many.
func EachName(dir *os.File, most int, each func(name string) (more bool)) error {
	for {
		names, err := dir.Readdirnames(fewNames)
		for _, name := range names {
			if most == 0 {
				return &os.PathError{Op: "read", Path: dir.Name(), Err: ErrManyNames}
			}
			most--
			if !each(name) {
				return nil
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
