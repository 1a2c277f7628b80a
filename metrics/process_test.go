package metrics

import (
	"os"
	"testing"
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
