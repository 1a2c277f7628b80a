package engine

import (
	"math"
	"testing"
	"time"

	"supd/configs"
)

var usual = configs.Backoff{Initial: 100 * time.Millisecond, Max: 30 * time.Second, Factor: 2, Jitter: 0.1, Reset: 10 * time.Second}

func TestDelay(t *testing.T) {
	for n, want := range map[int]time.Duration{
		1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 5: 1600 * time.Millisecond, 9: 25600 * time.Millisecond,
		10: 30 * time.Second, 100: 30 * time.Second, math.MaxInt: 30 * time.Second,
	} {
		if got := delay(usual, n); got != want {
			t.Errorf("delay %d is %v, want %v", n, got, want)
		}
	}
	if got := delay(configs.Backoff{Factor: 2, Max: time.Second}, 50); got != 0 {
		t.Errorf("initial 0 grows to %v", got)
	}
}

func TestLimiter(t *testing.T) {
	inARow := 0
	steps := []struct {
		ready     time.Duration
		ever      bool
		low, high time.Duration
		inARow    int
	}{
		{0, false, 90 * time.Millisecond, 110 * time.Millisecond, 1},              // never ready
		{time.Second, true, 180 * time.Millisecond, 220 * time.Millisecond, 2},    // a late crash counts alike
		{10 * time.Second, true, 0, 0, 0},                                         // a stable life
		{9 * time.Second, true, 90 * time.Millisecond, 110 * time.Millisecond, 1}, // and again
	}
	for i, s := range steps {
		got := nextDelay(&inARow, usual, s.ready, s.ever)
		if got < s.low || got > s.high || inARow != s.inARow {
			t.Errorf("step %d: waits %v after %d failures, want %v to %v after %d", i, got, inARow, s.low, s.high, s.inARow)
		}
	}
}
