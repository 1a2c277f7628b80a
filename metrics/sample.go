package metrics

import (
	"iter"
	"maps"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// series is one name with its labels, of one type.
type series struct {
	name, help string
	kind       dto.MetricType
	labels     []string
}

func gauge(name, help string, labels ...string) *series {
	return &series{name, help, dto.MetricType_GAUGE, labels}
}

func counter(name, help string, labels ...string) *series {
	return &series{name, help, dto.MetricType_COUNTER, labels}
}

// sample is one value of a series. Samples share their labels: a scrape of a thousand
// workers has ten thousands of them.
type sample struct {
	labels []*dto.LabelPair // by name
	value  float64
	counts *dto.Histogram // of a histogram, in the place of value
}

func label(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }

// out is where the samples of a scrape go. Whoever sends them sees to it that labels
// are by name and no sample comes twice; the tests check that.
type out map[*series][]sample

func (o out) send(s *series, value float64, labels ...*dto.LabelPair) {
	o[s] = append(o[s], sample{labels: labels, value: value})
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// sortLabels puts labels in the order that the samples need.
func sortLabels(labels []*dto.LabelPair) {
	slices.SortFunc(labels, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
}

// families gives the samples of one series after the other, by name. A family is valid
// until the next one, unless they are to be kept: all of them at once are several times
// what they are made of.
func (o out) families(keep bool) iter.Seq[*dto.MetricFamily] {
	return func(yield func(*dto.MetricFamily) bool) {
		all := slices.SortedFunc(maps.Keys(o), func(a, b *series) int { return strings.Compare(a.name, b.name) })
		m := &messages{}
		for _, s := range all {
			if keep {
				m = &messages{}
			}
			if len(o[s]) > 0 && !yield(m.family(s, o[s])) {
				return
			}
		}
	}
}

// messages are samples as the encoders want them; those of one series after the other.
type messages struct {
	metrics  pool[dto.Metric]
	counters pool[dto.Counter]
	gauges   pool[dto.Gauge]
}

// pool keeps what was made, to be used again.
type pool[T any] struct {
	all  []*T
	used int
}

func (p *pool[T]) next() *T {
	if p.used == len(p.all) {
		p.all = append(p.all, new(T))
	}
	p.used++
	return p.all[p.used-1]
}

// family shares the values of samples that follow each other and are the same, as most
// states and reasons are.
func (m *messages) family(s *series, samples []sample) *dto.MetricFamily {
	m.metrics.used, m.counters.used, m.gauges.used = 0, 0, 0
	for i := range samples {
		one := m.metrics.next()
		one.Label, one.Histogram, one.Counter, one.Gauge = samples[i].labels, samples[i].counts, nil, nil
		switch same := i > 0 && samples[i].value == samples[i-1].value; {
		case s.kind == dto.MetricType_COUNTER && same:
			one.Counter = m.metrics.all[i-1].Counter
		case s.kind == dto.MetricType_COUNTER:
			one.Counter = m.counters.next()
			one.Counter.Value = &samples[i].value
		case s.kind == dto.MetricType_GAUGE && same:
			one.Gauge = m.metrics.all[i-1].Gauge
		case s.kind == dto.MetricType_GAUGE:
			one.Gauge = m.gauges.next()
			one.Gauge.Value = &samples[i].value
		}
	}
	return &dto.MetricFamily{Name: &s.name, Help: &s.help, Type: &s.kind, Metric: m.metrics.all[:len(samples)]}
}
