package files

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRemove(t *testing.T) {
	for name, make := range map[string]func(t *testing.T, dir string){
		"nothing":  func(*testing.T, string) {},
		"a file":   func(t *testing.T, dir string) { write(t, dir) },
		"a link":   func(t *testing.T, dir string) { link(t, dir, "beside") },
		"an empty": func(t *testing.T, dir string) { mkdir(t, dir) },
		"many":     func(t *testing.T, dir string) { fill(t, dir, 3000) },
		"deep":     func(t *testing.T, dir string) { nest(t, dir, 3000) },
		"a mixture": func(t *testing.T, dir string) {
			fill(t, dir, 10)
			nest(t, dir+"/deep", 50)
			link(t, dir+"/away", "../beside")
			fill(t, dir+"/wide", 100)
		},
		"closed": func(t *testing.T, dir string) { fill(t, dir+"/a/b", 3); chmod(t, dir+"/a/b", 0); chmod(t, dir+"/a", 0) },
	} {
		t.Run(name, func(t *testing.T) {
			base := t.TempDir()
			fill(t, base+"/beside", 2)
			make(t, base+"/dir")
			before := openDescriptors(t)
			if err := Remove(t.Context(), base+"/dir"); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(base + "/dir"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("it is there: %v", err)
			}
			if left, err := os.ReadDir(base + "/beside"); err != nil || len(left) != 2 {
				t.Errorf("beside it is left %v, %v", left, err)
			}
			if after := openDescriptors(t); after != before {
				t.Errorf("%d descriptors are open, and %d were", after, before)
			}
		})
	}
}

// TestRemoveIsBounded: two descriptors are enough for any depth, and an end that comes
// while there is more to do is heard.
func TestRemoveIsBounded(t *testing.T) {
	dir := t.TempDir() + "/dir"
	nest(t, dir, 200)
	fill(t, dir+"/wide", 100)
	before := openDescriptors(t)
	steps := &counted{Context: t.Context(), most: 50}
	if err := Remove(steps, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if steps.open > before+3 { // one is to count them
		t.Errorf("%d descriptors were open, and %d before", steps.open, before)
	}
	if err := Remove(t.Context(), dir); err != nil {
		t.Error(err)
	}
}

// counted ends after so many questions whether it has.
type counted struct {
	context.Context
	most, open int
}

func (c *counted) Err() error {
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		c.open = max(c.open, len(entries))
	}
	if c.most--; c.most < 0 {
		return context.Canceled
	}
	return nil
}

func (c *counted) Value(any) any { return nil } // Cause asks Err then

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, path, target string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func fill(t *testing.T, dir string, n int) {
	t.Helper()
	mkdir(t, dir)
	for i := range n {
		write(t, filepath.Join(dir, strconv.Itoa(i)))
	}
}

// nest makes directories in each other, deeper than a path can tell.
func nest(t *testing.T, dir string, depth int) {
	t.Helper()
	mkdir(t, dir)
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	for i := 0; i < depth && err == nil; i++ {
		if err = unix.Mkdirat(fd, "directory", 0o700); err == nil {
			var next int
			next, err = unix.Openat(fd, "directory", unix.O_PATH|unix.O_CLOEXEC, 0)
			unix.Close(fd)
			fd = next
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
}
