package statsd

import (
	"log/slog"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/statsd_exporter/pkg/event"
	"github.com/prometheus/statsd_exporter/pkg/line"
)

// parser reads lines of statsd, with DogStatsD's tags.
var parser = &line.Parser{DogstatsdTagsEnabled: true}

// count counts the lines of a datagram.
func (r *Reader) count(p *Port, text []byte) {
	for one := range strings.SplitSeq(string(text), "\n") {
		if one = strings.TrimSuffix(one, "\r"); one == "" {
			continue
		}
		events, malformed := parse(one)
		r.refuse(p.tally, Malformed, malformed, one)
		for _, e := range events {
			r.refuse(p.tally, r.countEvent(p.tally, e, strings.Contains(one, "|ms")), 1, one)
		}
	}
}

// parse gives what a line says, and how much of it says nothing.
func parse(one string) (events event.Events, malformed int64) {
	if !sampled(one) {
		return nil, 1
	}
	samples := &counted{}
	events = parser.LineToEvents(one, *unread, samples, ignored, ignored, quiet)
	return events, max(int64(max(samples.n, 1)-len(events)), 0)
}

// leastSample bounds how many times a timer counts that is sent for one of many: the
// parser makes that many events of it.
const leastSample = 0.001

// sampled reports whether the line counts for a bearable number of others.
func sampled(one string) bool {
	for {
		_, rest, is := strings.Cut(one, "|@")
		if !is {
			return true
		}
		text := rest
		if end := strings.IndexAny(rest, "|:"); end >= 0 {
			text = rest[:end]
		}
		rate, err := strconv.ParseFloat(text, 64)
		if err != nil || !(rate >= leastSample && rate <= 1) {
			return false
		}
		one = rest
	}
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

// countEvent counts one value, or says why not; "" is a good one.
func (r *Reader) countEvent(t *tally, e event.Event, timed bool) Refusal {
	value := e.Value()
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return BadValue
	}
	name, labels := e.MetricName(), e.Labels()
	if own, refused := gunicorn(t, name, value); own {
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
	return t.shelf.add(t.slot.Origin, to.name, to.kind, all, value*to.scale, gauge != nil && gauge.GRelative)
}

// gunicorn takes what gunicorn says of its requests: with or without a prefix of its
// own (--statsd-prefix).
func gunicorn(t *tally, name string, value float64) (own bool, refused Refusal) {
	_, what, is := strings.Cut("."+name, ".gunicorn.request")
	switch {
	case !is:
		return false, ""
	case what == "s": // the sum of the statuses
		return true, ""
	case what == ".duration":
		t.durations.add(value)
		return true, ""
	}
	code, is := strings.CutPrefix(what, ".status.")
	if !is {
		return false, ""
	}
	status, err := strconv.Atoi(code)
	if err != nil || status < 100 || status > 599 {
		return true, BadName
	}
	if value < 0 || value != math.Trunc(value) || value > 1e6 {
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

// reserved are the labels that say who it is, and those that Prometheus gives a
// meaning.
var reserved = []string{"app", "process", "slot", "release", "le", "quantile"}

// labelsOf gives the labels of tags and of the mapping, sorted.
func labelsOf(tags map[string]string, to target) ([]Label, bool) {
	if len(tags)+len(to.labels) > labelsMost {
		return nil, false
	}
	all := map[string]string{}
	for name, value := range tags {
		all[exported(name)] = value
	}
	for name, value := range to.labels {
		name = exported(name)
		if _, tagged := all[name]; !tagged || !to.honor {
			all[name] = value
		}
	}
	labels := make([]Label, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !isName(name) || strings.HasPrefix(name, "__") || len(all[name]) > valueMost {
			return nil, false
		}
		labels = append(labels, Label{name, all[name]})
	}
	return labels, true
}

// exported is the name of a label that is not reserved, as Prometheus itself does it.
func exported(name string) string {
	if slices.Contains(reserved, name) {
		return "exported_" + name
	}
	return name
}

// isName reports whether a text can be the name of a metric or of a label.
func isName(s string) bool {
	return s != "" && len(s) <= nameMost && (s[0] < '0' || s[0] > '9') &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}
