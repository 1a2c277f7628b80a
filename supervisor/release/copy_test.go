package release

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A file that is mostly holes is one in the snapshot too, whatever size its owner has given
// it; and who wants no more of a copy is heard.
func TestCopyData(t *testing.T) {
	const size, middle = 900 << 30, 300 << 30
	dir := t.TempDir()
	file := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	src, dst := file("src"), file("dst")
	if err := src.Truncate(size); err != nil {
		t.Skip(err) // a file system without such files
	}
	text := bytes.Repeat([]byte("text"), 5<<20)
	if _, err := src.WriteAt(text, middle); err != nil {
		t.Fatal(err)
	}
	if err := copyData(t.Context(), dst, src, size); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(dst.Fd()), &st); err != nil || st.Size != size || st.Blocks*512 > 2*int64(len(text)) {
		t.Errorf("%v, %d bytes, of which %d are on the disk", err, st.Size, st.Blocks*512)
	}
	got := make([]byte, len(text)+8)
	if _, err := dst.ReadAt(got, middle-4); err != nil || !bytes.Equal(got[4:len(got)-4], text) || !bytes.Equal(got[:4], make([]byte, 4)) {
		t.Errorf("%v, or other text", err)
	}

	why := errors.New("no more of it")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := copyData(ctx, file("none"), src, size); !errors.Is(err, why) {
		t.Error(err)
	}
}
