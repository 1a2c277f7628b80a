package measure

import (
	"maps"
	"math"
	"time"
)

// Durations counts how long things took, in buckets that grow by a factor of the
// eighth root of two: Prometheus's native histogram of schema 3. Bucket i holds what is
// longer than 2^((i-1)/8) seconds, and at most 2^(i/8).
type Durations struct {
	Sum     time.Duration `json:"sum,omitempty"`
	Buckets map[int]int64 `json:"buckets,omitempty"` // never changed, but replaced
}

// PerDoubling is how many buckets there are between a duration and its double.
const PerDoubling = 8

// The first and the last bucket, about a millisecond and eighteen hours: what is
// beyond is counted there, so that a record stays small.
const (
	firstBucket = -10 * PerDoubling
	lastBucket  = 16 * PerDoubling
)

// With counts one more.
func (d Durations) With(t time.Duration) Durations {
	t = max(0, t)
	return d.Plus(Durations{t, map[int]int64{bucketOf(t): 1}})
}

func bucketOf(t time.Duration) int {
	i := math.Ceil(PerDoubling * math.Log2(t.Seconds()))
	return int(min(max(i, firstBucket), lastBucket)) // of 0 it is -Inf
}

// Plus counts what both have counted.
func (d Durations) Plus(e Durations) Durations {
	all := maps.Clone(d.Buckets)
	if all == nil {
		all = make(map[int]int64, len(e.Buckets))
	}
	for i, n := range e.Buckets {
		all[i] += n
	}
	return Durations{d.Sum + e.Sum, all}
}

// Count is how many were counted.
func (d Durations) Count() (n int64) {
	for _, in := range d.Buckets {
		n += in
	}
	return n
}
