package statsd

import (
	"maps"
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
	nameMost   = 200 // bytes of a name, or of a label's
	valueMost  = 200 // bytes of a label's value
)

// shelf has the series of one app.
type shelf struct {
	series map[string]*Series
	names  map[nameKey]target // what mapping says; no more than namesMost
}

func newShelf() *shelf { return &shelf{map[string]*Series{}, map[nameKey]target{}} }

// add counts a value, or says why not.
func (s *shelf) add(slot Origin, name string, kind Kind, labels []Label, value float64, relative bool) (refused Refusal) {
	if kind == Counter && value < 0 {
		return BadValue
	}
	key := keyOf(slot, name, labels)
	one := s.series[key]
	if one == nil {
		if len(s.series) >= seriesMost {
			return TooMany
		}
		one = &Series{Origin: slot, Name: name, Kind: kind, Labels: copied(labels)}
		if kind == Timer || kind == Other {
			one.Spread = new(newDistribution())
		}
		s.series[key] = one
	}
	switch {
	case one.Spread != nil:
		one.Spread.add(value)
	case kind == Counter || relative:
		one.Value += value
	default:
		one.Value = value
	}
	return ""
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
	maps.DeleteFunc(s.series, func(_ string, one *Series) bool { return one.Kind == Gauge && one.Origin == slot })
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
}
