package metrics

import (
	"math"
	"strings"

	"github.com/klauspost/compress/snappy"
	dto "github.com/prometheus/client_model/go"
)

// stale ends a series (remote write 1.0, "Stale Markers"): without it a receiver shows
// for minutes more what there is no more, such as the release before.
var stale = math.Float64frombits(0x7ff0000000000002)

// known are the series that a receiver has, compressed: each with its labels takes some
// 150 bytes, and a worker has dozens.
type known []byte

// What is in no label: it is no UTF-8.
const (
	fieldEnd  = "\xff"
	seriesEnd = "\xfe"
)

// keys are the readings' labels. That of a native histogram begins with a fieldEnd.
func keys(readings []reading) []string {
	all := make([]string, len(readings))
	var key []byte
	for i, one := range readings {
		key = key[:0]
		if one.native != nil {
			key = append(key, fieldEnd...)
		}
		for _, l := range one.labels {
			key = append(key, l.name...)
			key = append(key, fieldEnd...)
			key = append(key, l.value...)
			key = append(key, fieldEnd...)
		}
		all[i] = string(key)
	}
	return all
}

func knownOf(keys []string) known {
	return snappy.Encode(nil, []byte(strings.Join(keys, seriesEnd)))
}

// gone ends the series that are not among keys.
func (k known) gone(keys []string) (ends []reading) {
	there := make(map[string]struct{}, len(keys))
	for _, key := range keys {
		there[key] = struct{}{}
	}
	text, _ := snappy.Decode(nil, k) // of knownOf
	for key := range strings.SplitSeq(string(text), seriesEnd) {
		if _, is := there[key]; key != "" && !is {
			ends = append(ends, endOf(key))
		}
	}
	return ends
}

func endOf(key string) reading {
	end := reading{value: stale, kind: dto.MetricType_UNTYPED}
	labels, native := strings.CutPrefix(key, fieldEnd)
	if native {
		end.native = &dto.Histogram{SampleSum: &end.value}
	}
	for fields := strings.Split(labels, fieldEnd); len(fields) > 1; fields = fields[2:] {
		end.labels = append(end.labels, pair{fields[0], fields[1]})
	}
	return end
}
