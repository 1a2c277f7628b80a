package statsd

import (
	"maps"
	"math"

	"supd/supervisor/measure"
)

// Distribution counts values in buckets that grow by a factor of the eighth root of
// two, as measure.Durations does: Prometheus's native histogram of schema 3. Bucket i
// holds what is above 2^((i-1)/8), and at most 2^(i/8).
type Distribution struct {
	Sum     float64       `json:"sum"`
	Buckets map[int]int64 `json:"buckets"`
}

// The first and the last bucket, about a microsecond and 2^40 of anything: what is
// beyond is counted there, so that a worker cannot make more of them.
const (
	firstBucket = -20 * measure.PerDoubling
	lastBucket  = 40 * measure.PerDoubling
)

func newDistribution() Distribution { return Distribution{Buckets: map[int]int64{}} }

// add counts a value so many times, or says why not.
func (d *Distribution) add(v float64, times int64) Refusal {
	v = max(0, v)
	sum := d.Sum + v*float64(times)
	if math.IsInf(sum, 0) {
		return BadValue
	}
	i := math.Ceil(measure.PerDoubling * math.Log2(v)) // of 0 it is -Inf
	d.Buckets[int(min(max(i, firstBucket), lastBucket))] += times
	d.Sum = sum
	return ""
}

func (d Distribution) clone() Distribution {
	if d.Buckets == nil {
		return newDistribution()
	}
	return Distribution{d.Sum, maps.Clone(d.Buckets)}
}
