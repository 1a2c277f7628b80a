package launch

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRubbish(t *testing.T) {
	var said bytes.Buffer
	dir := t.TempDir()
	emptied := make(chan struct{}, 1)
	r := NewRubbish(slog.New(slog.NewTextHandler(&said, nil)), func() { emptied <- struct{}{} })
	for name, files := range map[string][]string{"none": nil, "empty": {}, "filled": {"a", "b/c/d"}} {
		path := filepath.Join(dir, name)
		if files != nil {
			must(t, os.Mkdir(path, 0o700))
		}
		for _, file := range files {
			must(t, os.MkdirAll(filepath.Dir(filepath.Join(path, file)), 0o700))
			must(t, os.WriteFile(filepath.Join(path, file), nil, 0o600))
		}
		must(t, r.Throw(path))
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there: %v", name, err)
		}
	}
	<-emptied
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if said.Len() > 0 {
		t.Errorf("said %s", &said)
	}
}

// TestRubbishStays: what cannot be removed is told of once, and keeps nothing else.
func TestRubbishStays(t *testing.T) {
	var said bytes.Buffer
	dir := t.TempDir()
	mountMemory(t, filepath.Join(dir, "kept"), "size=4k") // EBUSY to whoever removes it
	must(t, os.MkdirAll(dir+"/filled/deep", 0o700))
	emptied := make(chan struct{}, 2)
	r := NewRubbish(slog.New(slog.NewTextHandler(&said, nil)), func() { emptied <- struct{}{} })
	r.Remove(dir + "/kept")
	r.Remove(dir + "/filled")
	for r.Wait(t.Context()) {
	}
	<-emptied
	left, err := os.ReadDir(dir)
	must(t, err)
	if len(left) != 1 || left[0].Name() != "kept" {
		t.Errorf("left: %v", left)
	}
	if strings.Count(said.String(), "is not removed now") != 1 {
		t.Errorf("said %s", &said)
	}
}

// TestRubbishFull: where nothing new can be made any more, a directory is thrown away all
// the same, and there is room then.
func TestRubbishFull(t *testing.T) {
	dir := t.TempDir() + "/full"
	mountMemory(t, dir, "nr_inodes=100")
	must(t, os.MkdirAll(dir+"/filled/deep", 0o700))
	fill(t, dir+"/filled/deep")
	if err := os.Mkdir(dir+"/new", 0o700); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("it is not full: %v", err)
	}
	r := NewRubbish(slog.New(slog.DiscardHandler), func() {})
	must(t, r.Throw(dir+"/filled"))
	r.Wait(t.Context())
	must(t, os.Mkdir(dir+"/new", 0o700))
}

// mountMemory mounts a file system at a new directory, until the test ends.
func mountMemory(t *testing.T, dir, options string) {
	t.Helper()
	must(t, os.Mkdir(dir, 0o755))
	if err := unix.Mount("none", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
}

// fill makes files in a directory until no more can be made.
func fill(t *testing.T, dir string) {
	t.Helper()
	for i := 0; ; i++ {
		err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), nil, 0o600)
		if errors.Is(err, unix.ENOSPC) {
			return
		}
		must(t, err)
	}
}
