package statsd

import (
	"bytes"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/statsd_exporter/pkg/event"
	"github.com/prometheus/statsd_exporter/pkg/line"
	"github.com/prometheus/statsd_exporter/pkg/mapper"
)

// parser reads lines of statsd, with DogStatsD's tags.
var parser = &line.Parser{DogstatsdTagsEnabled: true}

// samplesMost is how many values one datagram may have: each costs about a microsecond,
// and other ports wait.
const samplesMost = 256

// count counts the lines of a datagram.
func (r *Reader) count(p *Port, text []byte) {
	if bytes.Count(text, []byte(":")) > samplesMost {
		r.refuse(p.tally, TooLong, 1, string(text))
		return
	}
	for one := range strings.SplitSeq(string(text), "\n") {
		if one = strings.TrimSuffix(one, "\r"); one == "" {
			continue
		}
		events, weight, malformed := parse(one)
		r.refuse(p.tally, Malformed, malformed, one)
		for _, e := range events {
			r.refuse(p.tally, r.countEvent(p.tally, e, weight, strings.Contains(one, "|ms")), 1, one)
		}
	}
}

// parse gives what a line says, for how many others each of it counts, and how much of
// it says nothing.
func parse(one string) (events event.Events, weight float64, malformed int64) {
	one, weight, ok := unsampled(one)
	if !ok {
		return nil, 0, 1
	}
	samples := &counted{}
	events = parser.LineToEvents(one, *unread, samples, ignored, ignored, quiet)
	return events, weight, max(int64(max(samples.n, 1)-len(events)), 0)
}

// leastSample bounds for how many others a value may count.
const leastSample = 0.001

// unsampled takes the rates out of a line, of which the parser makes as many events as
// they say, and gives for how many each value counts. They have to be the same.
func unsampled(one string) (rest string, weight float64, ok bool) {
	before, after, sampled := strings.Cut(one, "|@")
	if !sampled {
		return one, 1, true
	}
	var b strings.Builder
	rate := 0.0
	for ; sampled; before, after, sampled = strings.Cut(after, "|@") {
		b.WriteString(before)
		text := after
		if end := strings.IndexAny(after, "|:"); end >= 0 {
			text = after[:end]
		}
		after = after[len(text):]
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || !(n >= leastSample && n <= 1) || rate != 0 && n != rate {
			return "", 0, false
		}
		rate = n
	}
	b.WriteString(before)
	return b.String(), 1 / rate, true
}

// What the parser counts, of which supd needs only how many samples there were.
var (
	unread  = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "unread"}, []string{"reason"})
	ignored = &counted{}
	quiet   = slog.New(slog.DiscardHandler)
)

// counted is a counter of one line.
type counted struct {
	prometheus.Counter // nil: the parser calls Inc alone
	n                  int
}

func (c *counted) Inc() { c.n++ }

// valueMost bounds values, so that no sum of them is infinite.
const valueMost = 1e18

// countEvent counts one value, or says why not; "" is a good one.
func (r *Reader) countEvent(t *tally, e event.Event, weight float64, timed bool) Refusal {
	value := e.Value()
	if !(math.Abs(value) <= valueMost) { // NaN is neither
		return BadValue
	}
	times := int64(math.Round(weight)) // that an observation counts
	if e.MetricType() == mapper.MetricTypeCounter {
		value *= weight
	}
	name, labels := e.MetricName(), e.Labels()
	if own, refused := gunicorn(t, name, value, times); own {
		return refused
	}
	delete(labels, "container_id") // what DogStatsD's clients add by themselves: the worker is known better
	to, refused := r.target(t.shelf, nameKey{name, e.MetricType(), timed})
	if refused != "" || to.drop {
		return refused
	}
	all, ok := labelsOf(labels, to)
	if !ok {
		return BadLabels
	}
	gauge, _ := e.(*event.GaugeEvent)
	v := said{value * to.scale, times, gauge != nil && gauge.GRelative}
	return t.shelf.add(t.slot.Origin, to.name, to.kind, all, v)
}

// gunicorn takes what gunicorn says of its requests: with or without a prefix of its
// own (--statsd-prefix).
func gunicorn(t *tally, name string, value float64, times int64) (own bool, refused Refusal) {
	_, what, is := strings.Cut("."+name, ".gunicorn.request")
	switch {
	case !is:
		return false, ""
	case what == "s": // the sum of the statuses
		return true, ""
	case what == ".duration":
		return true, t.durations.add(value, times)
	}
	code, is := strings.CutPrefix(what, ".status.")
	if !is {
		return false, ""
	}
	status, err := strconv.Atoi(code)
	if err != nil || status < 100 || status > 599 {
		return true, BadName
	}
	if value < 0 || value != math.Trunc(value) || value > atOnce {
		return true, BadValue
	}
	n := int64(value)
	t.requests.ByClass[status/100-1] += n
	t.all.Add(n)
	if status >= 500 {
		t.failed.Add(n)
	}
	return true, ""
}

// atOnce is how many requests one value may tell of; gunicorn tells of each.
const atOnce = 1000

// reserved are the labels that say who it is, and those that Prometheus gives a
// meaning, or adds.
var reserved = []string{"app", "process", "slot", "release", "le", "quantile", "job", "instance"}

// labelBytes is how much all labels of a series may have together.
const labelBytes = 1 << 10

// labelsOf gives the labels of tags and of the mapping, sorted.
func labelsOf(tags map[string]string, to target) ([]Label, bool) {
	if len(tags)+len(to.labels) > labelsMost {
		return nil, false
	}
	all := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(tags)) { // in an order, since two may want one name
		all[exported(name, all)] = tags[name]
	}
	for name, value := range to.labels {
		if slices.Contains(reserved, name) {
			name = "exported_" + name
		}
		if _, tagged := all[name]; !tagged || !to.honor {
			all[name] = value
		}
	}
	labels, size := make([]Label, 0, len(all)), 0
	for _, name := range slices.Sorted(maps.Keys(all)) {
		size += len(name) + len(all[name])
		if !isName(name) || strings.HasPrefix(name, "__") || len(all[name]) > valueBytes || size > labelBytes {
			return nil, false
		}
		labels = append(labels, Label{name, all[name]})
	}
	return labels, true
}

// exported is the name of a label that is not reserved, as Prometheus itself does it,
// and that no other one has.
func exported(name string, all map[string]string) string {
	for _, taken := all[name]; taken || slices.Contains(reserved, name); _, taken = all[name] {
		name = "exported_" + name
	}
	return name
}

// isName reports whether a text can be the name of a metric or of a label.
func isName(s string) bool {
	return s != "" && len(s) <= nameMost && (s[0] < '0' || s[0] > '9') &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}
