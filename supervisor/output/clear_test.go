package output

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestClear: what was written is gone, also from rotated files, and the log goes on.
func TestClear(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f := NewFiles(slog.New(slog.DiscardHandler))
	l, err := f.Open(path, Options{MaxSize: 100, Keep: 3, UID: -1, GID: -1, Mode: 0o640})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 3 {
		l.write(nil, []byte(strings.Repeat("x", 80)+"\n"))
	}
	if _, err := os.Stat(path + ".2"); err != nil {
		t.Fatal(err)
	}
	if err := f.Clear(path); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		if _, err := os.Stat(rotated(path, n+1)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", rotated(path, n+1), err)
		}
	}
	l.write(nil, []byte("after\n"))
	if got, _ := read(t, path); got != "after\n" {
		t.Errorf("log %q", got)
	}
	if err := f.Clear(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no log: %v", err)
	}

	// A file that nobody may mean is left alone.
	other := filepath.Join(t.TempDir(), "other")
	if err := errors.Join(os.WriteFile(other, []byte("kept"), 0o600), os.Remove(path), os.Symlink(other, path)); err != nil {
		t.Fatal(err)
	}
	if err := f.Clear(path); err == nil {
		t.Error("a link is followed")
	}
	if got, _ := read(t, other); got != "kept" {
		t.Errorf("the other file has %q", got)
	}
}
