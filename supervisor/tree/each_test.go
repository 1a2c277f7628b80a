package tree

import (
	"maps"
	"slices"
	"testing"
	"time"
)

// TestEach: those that hang are left out, everything else has its answer, and what hangs is
// not asked again until it has come back.
func TestEach(t *testing.T) {
	const first = 1 << 30 // such pids are no process's
	pids, back := make([]int, 20), make(chan struct{})
	for i := range pids {
		pids[i] = first + i
	}
	readers := 0
	reader := func() func(pid int) int {
		readers++
		return func(pid int) int {
			if pid == first || pid == first+7 || pid == first+19 {
				<-back
			}
			return pid - first
		}
	}
	want := []int{1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18}
	for again := range 2 {
		got := each(pids, 100*time.Millisecond, reader)
		if values := slices.Sorted(maps.Values(got)); !slices.Equal(values, want) {
			t.Errorf("round %d: %v", again, values)
		}
	}
	if readers > 5 { // one for the beginning, one after each that hangs, one for the second round
		t.Errorf("%d readers: what hangs was asked again", readers)
	}
	close(back)
	for end := time.Now().Add(time.Minute); len(Each(pids, reader)) < len(pids); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("those that have come back are still left out")
		}
	}
}
