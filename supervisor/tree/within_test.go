package tree

import (
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// TestWithin: a read that does not come back is given up, and its process is not read
// again until it does. So are others of its user once there are many, and no one else's.
func TestWithin(t *testing.T) {
	back, self := make(chan struct{}), os.Getpid()
	hangs := func() (int, error) { <-back; return 1, nil }
	var given atomic.Int32 // back, of what came too late
	giveBack := func(n int) { given.Add(int32(n)) }
	answers := func() (int, error) { return 7, nil }
	if n, err := Within(self, answers); n != 7 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if _, err := within(self, time.Millisecond, hangs, giveBack); !errors.Is(err, ErrStuck) {
		t.Fatalf("%v", err)
	}
	if _, err := Within(self, answers); !errors.Is(err, ErrStuck) {
		t.Errorf("of the same process: %v", err)
	}
	none := 1 << 30 // such pids are no process's: all are one user's
	for i := range mostStuck {
		if n, err := Within(none, answers); n != 7 || err != nil {
			t.Errorf("with %d of another process stuck: %d, %v", i, n, err)
		}
		if _, err := within(none+1+i, time.Millisecond, hangs, giveBack); !errors.Is(err, ErrStuck) {
			t.Errorf("%v", err)
		}
	}
	if _, err := Within(none, answers); !errors.Is(err, ErrStuck) {
		t.Errorf("with %d of its user's stuck: %v", mostStuck, err)
	}
	close(back)
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		n, err := Within(self, answers)
		m, other := Within(none, answers)
		if n == 7 && err == nil && m == 7 && other == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("after they came back: %v, %v", err, other)
		}
	}
	for end := time.Now().Add(time.Minute); given.Load() != 1+mostStuck; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d were given back", given.Load(), 1+mostStuck)
		}
	}
}
