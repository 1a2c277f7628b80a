package metrics

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"supd/supervisor/measure"
)

// histogram is a distribution as a classic and as a native histogram. The bounds of the
// classic one are doublings, 2^first to 2^last seconds, which are bounds of the native
// one as well: both count the same.
type histogram struct {
	sum         float64
	buckets     map[int]int64 // of the native one, by number
	first, last int
	example     example
}

// example is one that was counted, of a release.
type example struct {
	at      time.Time // zero: there is none
	took    time.Duration
	release string
}

// schema of the native histogram: eight buckets from a bound to its double.
const schema = 3

func histograms(name, help string, labels ...string) *series {
	return &series{name, help, dto.MetricType_HISTOGRAM, labels}
}

func (o out) count(s *series, h histogram, labels ...*dto.LabelPair) {
	o[s] = append(o[s], sample{labels: labels, counts: h.message()})
}

func (h histogram) message() *dto.Histogram {
	count := uint64(0)
	for _, n := range h.buckets {
		count += uint64(n)
	}
	d := &dto.Histogram{SampleCount: &count, SampleSum: &h.sum, Schema: new(int32(schema)),
		ZeroThreshold: new(prometheus.DefNativeHistogramZeroThreshold), ZeroCount: new(uint64(0))}
	h.native(d)
	h.classic(d)
	return d
}

// native writes spans of buckets that follow each other, and each bucket as the
// difference from the one before.
func (h histogram) native(d *dto.Histogram) {
	next, before := 0, int64(0)
	for _, i := range slices.Sorted(maps.Keys(h.buckets)) {
		if n := len(d.PositiveSpan); n > 0 && i == next {
			*d.PositiveSpan[n-1].Length++
		} else {
			d.PositiveSpan = append(d.PositiveSpan, &dto.BucketSpan{Offset: new(int32(i - next)), Length: new(uint32(1))})
		}
		in := h.buckets[i]
		d.PositiveDelta = append(d.PositiveDelta, in-before)
		next, before = i+1, in
	}
	if len(d.PositiveSpan) == 0 { // else it is taken for a classic one
		d.PositiveSpan = []*dto.BucketSpan{{Offset: new(int32(0)), Length: new(uint32(0))}}
	}
}

func (h histogram) classic(d *dto.Histogram) {
	exemplar := h.exemplar()
	for e := h.first; e <= h.last; e++ {
		bound, count := math.Ldexp(1, e), uint64(0)
		for i, n := range h.buckets {
			if i <= e*measure.PerDoubling {
				count += uint64(n)
			}
		}
		b := &dto.Bucket{UpperBound: &bound, CumulativeCount: &count}
		if exemplar != nil && exemplar.GetValue() <= bound {
			b.Exemplar, exemplar = exemplar, nil
		}
		d.Bucket = append(d.Bucket, b)
	}
}

func (h histogram) exemplar() *dto.Exemplar {
	if e := h.example; e.at.IsZero() || e.release == "" || len(e.release) > 100 { // 128 is the most of an exemplar
		return nil
	}
	return &dto.Exemplar{Label: []*dto.LabelPair{label("release", h.example.release)},
		Value: new(h.example.took.Seconds()), Timestamp: timestamppb.New(h.example.at)}
}
