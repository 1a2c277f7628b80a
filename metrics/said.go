package metrics

import (
	"strconv"

	dto "github.com/prometheus/client_model/go"

	"supd/supervisor/statsd"
)

// What the applications say by statsd.
var (
	requestsTotal   = perWorker(counter, "supd_worker_requests_total", "Requests answered, by the class of the status; as gunicorn says by statsd.", "release", "code")
	requestDuration = histograms("supd_worker_request_duration_seconds", "How long requests took, of the workers of a process; as gunicorn says by statsd.", "app", "process", "release")
	datagrams       = perWorker(counter, "supd_worker_statsd_datagrams_total", "Statsd datagrams of the worker's that were read.")
	refusals        = perWorker(counter, "supd_worker_statsd_refused_total", "Statsd datagrams, lines and values that do not count, by why.", "reason")
	drops           = perWorker(counter, "supd_worker_statsd_dropped_total", "Statsd datagrams that the kernel has dropped, since too many waited.")
	unsent          = counter("supd_statsd_forward_dropped_total", "Statsd datagrams that could not be sent on.")

	codeLabels    = labelsOf("code", "1xx", "2xx", "3xx", "4xx", "5xx")
	refusalLabels = labelsOf("reason", statsd.Refusals...)
)

// Bounds of the classic histograms, as powers of two.
const (
	requestsFrom, requestsTo = -10, 6  // 1 ms to 64 s
	timersFrom, timersTo     = -10, 10 // 1 ms to 17 min
	othersFrom, othersTo     = 0, 30   // 1 to 10^9 of anything
)

// said sends what the applications say by statsd.
func (o out) said(counts statsd.Counts) {
	o.send(unsent, float64(counts.Unsent))
	for i := range counts.Slots {
		o.slot(&counts.Slots[i])
	}
	for _, r := range counts.Requests {
		of := originOf(r.Origin)
		for i, n := range r.ByClass {
			o.send(requestsTotal, float64(n), of.app, codeLabels[i], of.process, of.release, of.slot)
		}
	}
	for _, d := range counts.Durations {
		of := originOf(d.Origin)
		o.count(requestDuration, histogram{sum: d.Sum, buckets: d.Buckets, first: requestsFrom, last: requestsTo}, of.app, of.process, of.release)
	}
	own := map[string]*series{} // by name
	for i := range counts.Series {
		o.own(&counts.Series[i], own)
	}
}

// origin is who has said something, as labels.
type origin struct{ app, process, release, slot *dto.LabelPair }

func originOf(o statsd.Origin) origin {
	return origin{label("app", o.App), label("process", o.Process), label("release", o.Release), label("slot", strconv.Itoa(o.Slot))}
}

func (o out) slot(s *statsd.Slot) {
	of := originOf(s.Origin)
	o.send(datagrams, float64(s.Datagrams), of.app, of.process, of.slot)
	o.send(drops, float64(s.Dropped), of.app, of.process, of.slot)
	for i, why := range statsd.Refusals {
		o.send(refusals, float64(s.Refused[why]), of.app, of.process, refusalLabels[i], of.slot)
	}
}

// own sends a series that an app has made. Its labels are the worker's and the app's,
// none of which is called as one of the others.
func (o out) own(s *statsd.Series, named map[string]*series) {
	of := originOf(s.Origin)
	labels := []*dto.LabelPair{of.app, of.process, of.slot}
	for _, l := range s.Labels {
		labels = append(labels, label(l.Name, l.Value))
	}
	sortLabels(labels)
	series := named[s.Name] // a name has one kind, whichever app it is of
	if series == nil {
		series = seriesOf[s.Kind](s.Name, "Of the application's own, by statsd.")
		named[s.Name] = series
	}
	switch s.Kind {
	case statsd.Counter, statsd.Gauge:
		o.send(series, s.Value, labels...)
	case statsd.Timer:
		o.count(series, histogram{sum: s.Spread.Sum, buckets: s.Spread.Buckets, first: timersFrom, last: timersTo}, labels...)
	case statsd.Other:
		o.count(series, histogram{sum: s.Spread.Sum, buckets: s.Spread.Buckets, first: othersFrom, last: othersTo}, labels...)
	}
}

var seriesOf = map[statsd.Kind]func(name, help string, labels ...string) *series{
	statsd.Counter: counter, statsd.Gauge: gauge, statsd.Timer: histograms, statsd.Other: histograms,
}
