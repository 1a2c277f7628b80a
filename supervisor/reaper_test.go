package supervisor

import (
	"testing"
	"time"
)

// releasing is a worker whose last output waits for a disk.
type releasing struct{ disk chan struct{} }

func (r *releasing) Release() { <-r.disk }

// TestReleaseWaitsForNobody: a worker that cannot be released holds up no other one, and
// is released later.
func TestReleaseWaitsForNobody(t *testing.T) {
	answers, frozen := make(chan struct{}), make(chan struct{})
	close(answers)
	later := make(chan *releasing, 4)
	report := func(r *releasing) { later <- r }
	dead := []*releasing{{answers}, {frozen}, {answers}, {frozen}}
	limit := make(chan time.Time)
	go func() { limit <- time.Time{} }() // is taken while one waits
	released := releaseAll(dead, limit, report)
	close(frozen)
	for range len(dead) - len(released) {
		<-later
	}
	for _, r := range released {
		if r.disk == frozen {
			t.Error("one was released before its disk answered")
		}
	}
	if all := releaseAll(dead, nil, report); len(all) != len(dead) {
		t.Errorf("without a limit %d of %d were released", len(all), len(dead))
	}
}
