package supervisor

import (
	"errors"
	"log/slog"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"supd/supervisor/engine"
	"supd/supervisor/release"
)

// stuckFile is a journal on a disk that does not answer before it is let go.
type stuckFile struct{ begun, goes chan struct{} }

func (stuckFile) State() release.State { return release.State{} }
func (stuckFile) Close() error         { return nil }
func (f stuckFile) Write(release.State) error {
	f.begun <- struct{}{}
	<-f.goes
	return nil
}

// TestJournalOnAStuckDisk: whoever writes states waits for no disk. What is too much is
// refused, and the others are written once it answers.
func TestJournalOnAStuckDisk(t *testing.T) {
	f := stuckFile{make(chan struct{}, waiting+2), make(chan struct{})}
	answers := make(chan error, waiting+2)
	j := newJournal(f, func(engine.Event) {})
	written := func(err error) engine.Event { answers <- err; return nil }
	j.Write(release.State{}, written)
	<-f.begun
	for range waiting + 1 {
		j.Write(release.State{}, written)
	}
	if err := <-answers; !errors.Is(err, errDiskWaits) {
		t.Errorf("one too many: %v, want %v", err, errDiskWaits)
	}
	close(f.goes)
	for range waiting + 1 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	j.Close()
}

// TestJournalThatCanOnlyBeRead: what is known of it holds, and it is written once that is
// possible, by the same supd.
func TestJournalThatCanOnlyBeRead(t *testing.T) {
	store := release.Open(t.TempDir())
	path := store.StatePath("a")
	first, err := release.OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(first.Write(release.State{Active: "1.0"}), first.Close()); err != nil {
		t.Fatal(err)
	}
	fixed := immutable(t, path)
	file, err := openJournalFile(store, "a", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	if got := file.State().Active; got != "1.0" {
		t.Errorf("active is %q", got)
	}
	if err := file.Write(release.State{Active: "2.0"}); !errors.Is(err, unix.EPERM) {
		t.Errorf("written: %v", err)
	}
	fixed(false)
	if err := file.Write(release.State{Active: "2.0"}); err != nil {
		t.Error(err)
	}
	if got, err := release.ReadState(path); got.Active != "2.0" || err != nil {
		t.Errorf("there is %q, %v", got.Active, err)
	}
}

// immutable sets FS_IMMUTABLE_FL of ioctl_iflags(2), which keeps root from writing, too.
func immutable(t *testing.T, path string) (set func(bool)) {
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	set = func(on bool) {
		flags, err := unix.IoctlGetUint32(int(file.Fd()), unix.FS_IOC_GETFLAGS)
		flags &^= unix.STATX_ATTR_IMMUTABLE
		if on {
			flags |= unix.STATX_ATTR_IMMUTABLE
		}
		if err = errors.Join(err, unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, int(flags))); err != nil {
			t.Skip("neither this user nor this disk can make a file immutable: ", err)
		}
	}
	t.Cleanup(func() { file.Close() })
	set(true)
	t.Cleanup(func() { set(false) })
	return set
}
