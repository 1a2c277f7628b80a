package statsd

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/statsd_exporter/pkg/mapper"

	"supd/configs"
)

// Mapping says what a statsd name becomes; ok is false where it says nothing. It is
// called by one goroutine at a time.
type Mapping interface {
	GetMapping(name string, kind mapper.MetricType) (m *mapper.MetricMapping, labels prometheus.Labels, ok bool)
}

// nameKey is what a target depends on.
type nameKey struct {
	name  string
	kind  mapper.MetricType
	timed bool // in milliseconds: of an observer
}

// target is the series that a statsd name counts for.
type target struct {
	name   string
	kind   Kind
	labels map[string]string // of the mapping
	honor  bool              // a tag of the same name outranks it
	scale  float64
	drop   bool
}

// namesMost is how many targets an app is remembered: a name costs a search otherwise.
const namesMost = 4 * seriesMost

// target finds what a name becomes.
func (r *Reader) target(s *shelf, key nameKey) (target, Refusal) {
	to, known := s.names[key]
	if known {
		return to, refusalOf(to)
	}
	if len(key.name) > nameMost {
		return target{}, BadName
	}
	to = targetOf(r.mapping, key)
	if len(s.names) >= namesMost {
		clear(s.names)
	}
	key.name = strings.Clone(key.name) // it is a piece of a datagram
	s.names[key] = to
	return to, refusalOf(to)
}

func refusalOf(to target) Refusal {
	if to.name == "" && !to.drop {
		return BadName
	}
	return ""
}

func targetOf(mapping Mapping, key nameKey) target {
	to := target{kind: kindOf(key), scale: 1}
	name := "statsd_" + mapper.EscapeMetricName(key.name)
	if m, labels, ok := mapping.GetMapping(key.name, key.kind); ok {
		if m.Action == mapper.ActionTypeDrop {
			return target{drop: true}
		}
		name, to.labels, to.honor = m.Name, labels, m.HonorLabels
		if m.Scale.Set {
			to.scale = m.Scale.Val
		}
	}
	if to.name = named(name, to.kind); !isName(to.name) || configs.IsOwnSeries(to.name) {
		to.name = ""
	}
	return to
}

func kindOf(key nameKey) Kind {
	switch {
	case key.kind == mapper.MetricTypeCounter:
		return Counter
	case key.kind == mapper.MetricTypeGauge:
		return Gauge
	case key.timed:
		return Timer
	default:
		return Other
	}
}

// endings are what the names of a kind end in.
var endings = map[Kind]string{Counter: "_total", Timer: "_seconds", Other: "_distribution"}

// named makes a name end as those of its kind do, and of no other.
func named(name string, kind Kind) string {
	if kind != Gauge {
		return strings.TrimSuffix(name, endings[kind]) + endings[kind]
	}
	for _, ending := range []string{"_total", "_seconds", "_distribution", "_bucket", "_sum", "_count", "_created"} {
		if strings.HasSuffix(name, ending) {
			return name + "_gauge"
		}
	}
	return name
}
