package launch

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	r := NewRubbish(slog.New(slog.NewTextHandler(&said, nil)), dir+"/.rubbish")
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
	r.Close(time.Minute)
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if said.Len() > 0 {
		t.Errorf("said %s", &said)
	}
}

// TestRubbishOfBefore: what an earlier supd had no time for is removed, and what cannot
// be is told of once.
func TestRubbishOfBefore(t *testing.T) {
	var said bytes.Buffer
	dir := t.TempDir() + "/.rubbish"
	must(t, os.MkdirAll(dir+"/filled/deep", 0o700))
	must(t, os.MkdirAll(dir+"/kept", 0o700))
	if err := unix.Mount("none", dir+"/kept", "tmpfs", 0, "size=4k"); err != nil { // EBUSY to whoever removes it
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(dir+"/kept", unix.MNT_DETACH)) })
	NewRubbish(slog.New(slog.NewTextHandler(&said, nil)), dir).Close(time.Minute)
	left, err := os.ReadDir(dir)
	must(t, err)
	if len(left) != 1 || left[0].Name() != "kept" {
		t.Errorf("left: %v", left)
	}
	if strings.Count(said.String(), "is not removed now") != 1 {
		t.Errorf("said %s", &said)
	}
}
