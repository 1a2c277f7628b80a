package metrics

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"supd/supervisor/tree"
)

func TestLargeFileOfProcess(t *testing.T) {
	p := &proc{root: t.TempDir(), buffer: make([]byte, 4<<10)}
	if err := os.Mkdir(p.root+"/1", 0o700); err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int64]int{10_000: 10_000, mostRead + 1: mostRead, 100 * mostRead: mostRead} {
		if err := os.WriteFile(p.path(1, "environ"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(p.path(1, "environ"), size); err != nil {
			t.Fatal(err)
		}
		text, err := p.read(1, "environ")
		if err != nil || len(text) != want || len(p.buffer) > 2*mostRead {
			t.Errorf("%d bytes: %d are read into %d, %v; want %d", size, len(text), len(p.buffer), err, want)
		}
	}
}

// TestProcessThatIsStuck: a process whose files do not let themselves be read has no
// figures of them, and takes nobody else's away.
func TestProcessThatIsStuck(t *testing.T) {
	p, stuck, other := &proc{root: t.TempDir()}, 1<<30, 1<<30+1 // no process has such a pid
	for _, pid := range []int{stuck, other} {
		if err := os.Mkdir(fmt.Sprintf("%s/%d", p.root, pid), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"io", "smaps_rollup"} {
		if err := unix.Mkfifo(p.path(stuck, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(p.path(other, "io"), []byte("rchar: 1\nread_bytes: 7\nwrite_bytes: 8\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := map[int]storage{other: {7, 8}}
	if diff := cmp.Diff(want, p.storages([]int{stuck, other}), cmp.AllowUnexported(storage{})); diff != "" {
		t.Error(diff)
	}
	if _, err := p.proportional(stuck); !errors.Is(err, tree.ErrStuck) {
		t.Errorf("%v, want %v", err, tree.ErrStuck)
	}
	end, err := os.OpenFile(p.path(stuck, "io"), os.O_WRONLY, 0) // lets the reader go
	if err != nil {
		t.Fatal(err)
	}
	end.Close()
}
