package output

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDirectoryShut: who owns the log's directory lets nobody look at what is in there. The
// search for rotated files comes to its end all the same.
func TestDirectoryShut(t *testing.T) {
	l := newLair(t)
	l.options.Compress = true
	log := open(t, l.path, l.options)
	dir := filepath.Dir(l.path)
	must(t, os.Chmod(dir, 0o600))
	log.tidy()
	_, _ = log.rotateNow()
	_ = log.clear()
	must(t, os.Chmod(dir, 0o755))
	log.write(nil, []byte("a line\n"))
	if text, err := os.ReadFile(l.path); string(text) != "a line\n" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestLongName: the names of rotated files may be longer than a name can be.
func TestLongName(t *testing.T) {
	for length := 249; length <= 255; length++ {
		path := filepath.Join(t.TempDir(), strings.Repeat("x", length))
		log := open(t, path, Options{MaxSize: 10, Keep: 2, Compress: true, MaxTotal: 1000, UID: -1, GID: -1, Mode: 0o640})
		for i := range 5 {
			hurry(log)
			log.write(nil, fmt.Appendf(nil, "line %3d\n", i))
		}
		log.tidy()
		must(t, log.Close())
	}
}

// TestFloodOfFiles: of the many files that a stranger makes in the directory only some are
// removed at a time.
func TestFloodOfFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.log")
	log := open(t, path, Options{MaxSize: 10, Keep: 2, UID: -1, GID: -1, Mode: 0o640})
	const flood = 2 * mostRemoved
	for _, remove := range []func(){log.trimAll, func() { _ = log.clear() }} {
		for n := 1; n <= flood; n++ {
			must(t, os.WriteFile(rotated(path, n), nil, 0o640))
		}
		remove()
		entries, err := os.ReadDir(filepath.Dir(path))
		must(t, err)
		if left := len(entries) - 1; left < flood-mostRemoved-2 || left > flood-mostRemoved+2 {
			t.Errorf("%d are left", left)
		}
		for n := 1; n <= flood; n++ {
			_ = os.Remove(rotated(path, n))
		}
	}
}
