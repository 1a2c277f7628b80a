package statsd

import (
	"maps"
	"math"
	"strings"
)

// Kind is the type of a series of an application's own.
type Kind string

// The kinds. Each ends its names in its own way (see named), so that no app can give a
// name another type than another app does.
const (
	Counter Kind = "counter"
	Gauge   Kind = "gauge"
	Timer   Kind = "timer"        // in seconds
	Other   Kind = "distribution" // of anything
)

// Series is one that an application has made.
type Series struct {
	Origin               // of no release
	Name   string        `json:"name"`
	Kind   Kind          `json:"kind"`
	Labels []Label       `json:"labels,omitempty"` // by name
	Value  float64       `json:"value,omitempty"`  // of a counter or a gauge
	Spread *Distribution `json:"spread,omitempty"` // of the others
}

// Label is one label of a series.
type Label struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func (l Label) compare(m Label) int {
	if n := strings.Compare(l.Name, m.Name); n != 0 {
		return n
	}
	return strings.Compare(l.Value, m.Value)
}

// What one app may have; more is refused and counted.
const (
	seriesMost = 1000
	labelsMost = 16
	nameMost   = 200     // bytes of a name, or of a label's
	valueBytes = 200     // bytes of a label's value
	shelfMost  = 1 << 20 // bytes of names and labels in an answer
)

// shelf has the series of one app.
type shelf struct {
	series map[string]*Series
	names  map[nameKey]target // what mapping says; no more than namesMost
	bytes  int                // of names and labels, as often as an answer has them
}

func newShelf() *shelf { return &shelf{series: map[string]*Series{}, names: map[nameKey]target{}} }

// said is a value, how often an observation counts, and whether it changes a gauge.
type said struct {
	value    float64
	times    int64
	relative bool
}

// add counts a value, or says why not.
func (s *shelf) add(slot Origin, name string, kind Kind, labels []Label, v said) (refused Refusal) {
	if kind == Counter && v.value < 0 {
		return BadValue
	}
	key := keyOf(slot, name, labels)
	one := s.series[key]
	if one == nil {
		one = &Series{Origin: slot, Name: name, Kind: kind, Labels: labels}
		if len(s.series) >= seriesMost || s.bytes+one.bytes() > shelfMost {
			return TooMany
		}
		one.Labels = copied(labels)
		if kind == Timer || kind == Other {
			one.Spread = new(newDistribution())
		}
		s.series[key] = one
		s.bytes += one.bytes()
	}
	if one.Spread != nil {
		return one.Spread.add(v.value, v.times)
	}
	value := v.value
	if kind == Counter || v.relative {
		value += one.Value
	}
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return BadValue
	}
	one.Value = value
	return ""
}

// linesOfHistogram is about how many lines an answer has of one.
const linesOfHistogram = 24

// bytes is how much of an answer the names and labels are.
func (s *Series) bytes() int {
	n := len(s.Name) + len(s.App) + len(s.Process)
	for _, l := range s.Labels {
		n += len(l.Name) + len(l.Value)
	}
	if s.Kind == Timer || s.Kind == Other {
		n *= linesOfHistogram
	}
	return n
}

// drop forgets series.
func (s *shelf) drop(gone func(*Series) bool) {
	maps.DeleteFunc(s.series, func(_ string, one *Series) bool {
		is := gone(one)
		if is {
			s.bytes -= one.bytes()
		}
		return is
	})
}

// copied gives labels that do not keep the datagram which they came in.
func copied(labels []Label) []Label {
	if len(labels) == 0 {
		return nil
	}
	all := make([]Label, len(labels))
	for i, l := range labels {
		all[i] = Label{strings.Clone(l.Name), strings.Clone(l.Value)}
	}
	return all
}

// keyOf is another one for each series of an app. A zero byte is in no name, and
// cannot be told from a label's value by its place alone: so the lengths are there.
func keyOf(slot Origin, name string, labels []Label) string {
	var b strings.Builder
	write := func(s string) {
		b.WriteByte(byte(len(s)))
		b.WriteString(s)
	}
	write(slot.Process)
	b.WriteRune(rune(slot.Slot))
	write(name)
	for _, l := range labels {
		write(l.Name)
		write(l.Value)
	}
	return b.String()
}

func (s *shelf) forgetGauges(slot Origin) {
	s.drop(func(one *Series) bool { return one.Kind == Gauge && one.Origin == slot })
}

func (s *shelf) all() []Series {
	var all []Series
	for _, one := range s.series {
		c := *one
		if c.Spread != nil {
			c.Spread = new(c.Spread.clone())
		}
		all = append(all, c)
	}
	return all
}

func (s *shelf) restore(one Series) {
	if one.Kind == Timer || one.Kind == Other {
		spread := newDistribution()
		if one.Spread != nil {
			spread = one.Spread.clone()
		}
		one.Spread = &spread
	}
	s.series[keyOf(one.Origin, one.Name, one.Labels)] = &one
	s.bytes += one.bytes()
}
