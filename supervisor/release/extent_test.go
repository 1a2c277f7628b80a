package release

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// deepTree makes directories in each other, below a new one.
func deepTree(t *testing.T, levels int, name string) string {
	t.Helper()
	root := installed(t)
	t.Cleanup(func() { must(t, files.Remove(context.Background(), root)) }) // with two descriptors
	at, err := unix.Open(root, unix.O_PATH|unix.O_CLOEXEC, 0)
	must(t, err)
	for range levels {
		must(t, unix.Mkdirat(at, name, 0o755))
		next, err := unix.Openat(at, name, unix.O_PATH|unix.O_CLOEXEC, 0)
		must(t, err)
		must(t, unix.Close(at))
		at = next
	}
	must(t, unix.Close(at))
	return root
}

// TestExtent: what a tree costs is bounded by how deep it is and how long its paths are,
// and what is too much is said in short, without a trace in the registry.
func TestExtent(t *testing.T) {
	const most = 50 << 20 // bytes allocated in all
	for _, c := range []struct {
		levels int
		name   string
		want   string
	}{
		{files.MostLevels, "d", ""},
		{files.MostLevels + 1, "d", "is more than 128 directories deep, which no release can be; remove it"},
		{2000, "d", "is more than 128 directories deep"},
		{600, strings.Repeat("d", 255), "has a path of more than 4095 bytes, by which nobody can open it; remove it"},
	} {
		root, s := deepTree(t, c.levels, c.name), Open(filepath.Join(t.TempDir(), "state"))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, _, err := s.Register(t.Context(), inPlace(root, "1.0"))
		runtime.ReadMemStats(&after)
		if c.want == "" {
			must(t, err)
			if found, err := s.Changed(r); len(found) > 0 || err != nil {
				t.Errorf("%d levels: %q, %v", c.levels, found, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 700 {
			t.Errorf("%d levels: %.1000v, want %s", c.levels, err, c.want)
		}
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > most {
			t.Errorf("%d levels: %d MiB are allocated", c.levels, allocated>>20)
		}
		if left, err := listNames(filepath.Join(s.dir, "apps")); len(left) > 0 || err != nil {
			t.Errorf("%d levels: left %q, %v", c.levels, left, err)
		}
	}
}

// TestTooMany: a tree is kept as long as there is room for it in the manifest, and no
// directory is listed that has more.
func TestTooMany(t *testing.T) {
	root := t.TempDir()
	for i := range 20 {
		put(t, root, fmt.Sprintf("file%02d", i), "", 0o644)
	}
	from, err := openDirectory(root)
	must(t, err)
	defer from.close()
	if _, err := from.names(10 * mostLine); !errors.Is(err, errMany) {
		t.Errorf("of ten lines: %v", err)
	}
	for left, want := range map[room]error{21*mostLine + 20*6 + 1: nil, 21*mostLine + 20*6: errMany} {
		fresh := t.TempDir()
		into, err := openDirectory(fresh)
		must(t, err)
		defer into.close()
		from, err := openDirectory(root)
		must(t, err)
		defer from.close()
		b := &builder{ctx: t.Context(), room: left}
		if err := b.tree(from, into, treeName, 0); !errors.Is(err, want) {
			t.Errorf("room for %d bytes: %v", left, err)
		}
		if size := len(encodeManifest(b.entries)); size > int(left)+100 {
			t.Errorf("the manifest of %d bytes is longer than %d", size, left)
		}
	}
}

// TestFirstDifference: who asks for one difference gets one, however many there are.
func TestFirstDifference(t *testing.T) {
	root, s := installed(t), Open(filepath.Join(t.TempDir(), "state"))
	r, _ := mustRegister(t, s, inPlace(root, "1.0"))
	entries, err := readManifest(filepath.Dir(r.Snapshot))
	must(t, err)
	for i := range 20 {
		put(t, r.Snapshot, fmt.Sprint("new", i), "", 0o644)
	}
	if found, err := audit(t.Context(), r.Snapshot, entries, 1); len(found) != 1 || err != nil {
		t.Errorf("%q, %v", found, err)
	}
}
