package supervisor

import (
	"errors"
	"testing"

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
