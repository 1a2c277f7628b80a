package launch

import (
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPlaces: what a launch passes on stands at low numbers meanwhile, and is gone from
// there afterwards.
func TestPlaces(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	places := NewPlaces(null)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const high = 500
	pipe, err := unix.FcntlInt(w.Fd(), unix.F_DUPFD_CLOEXEC, high)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	for range placeSets { // each set, and again the first
		low, back := places.lend([]int{int(null.Fd()), pipe, pipe})
		if low[0] != int(null.Fd()) || low[1] != low[2] || low[1] >= high {
			t.Fatalf("descriptors %v in the place of %d and twice %d", low, null.Fd(), pipe)
		}
		if _, err := unix.Write(low[1], []byte("x")); err != nil {
			t.Fatalf("%d is not the pipe: %v", low[1], err)
		}
		back()
	}
	for range placeSets {
		_, back := places.lend(nil)
		defer back()
	}
	if files, _ := places.lend([]int{pipe}); files[0] != pipe {
		t.Errorf("without a place: %v", files)
	}
	unix.Close(pipe)
	if text, err := io.ReadAll(r); len(text) != placeSets || err != nil { // it ends when nobody has the pipe any more
		t.Errorf("%q, %v", text, err)
	}
}
