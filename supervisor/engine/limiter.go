package engine

import (
	"math"
	"math/rand/v2"
	"time"

	"supd/configs"
)

// nextDelay spaces out the starts of one slot. Failed starts and late crashes count
// alike; stops that were asked for never count. It counts an end of a worker that had
// been ready for the given time (0 if it never was) in inARow, and gives the time to
// wait before the next start. The first end after a life of at least b.Reset is
// followed by a start at once.
func nextDelay(inARow *int, b configs.Backoff, ready time.Duration, everReady bool) time.Duration {
	if everReady && ready >= b.Reset {
		*inARow = 0
		return 0
	}
	*inARow++
	return jitter(delay(b, *inARow), b.Jitter)
}

// delay is Initial × Factor^(n-1), at most Max.
func delay(b configs.Backoff, n int) time.Duration {
	d := float64(b.Initial) * math.Pow(b.Factor, float64(n-1))
	if d > float64(b.Max) { // also when d overflowed to +Inf
		return b.Max
	}
	return time.Duration(d)
}

func jitter(d time.Duration, part float64) time.Duration {
	return d + time.Duration(float64(d)*part*(2*rand.Float64()-1))
}
