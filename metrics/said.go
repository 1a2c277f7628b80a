package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"supd/supervisor/statsd"
)

// What the applications say by statsd.
var (
	requestsTotal   = perWorker(counter, "supd_worker_requests_total", "Requests answered, by the class of the status; as gunicorn says by statsd.", "release", "code")
	requestDuration = prometheus.NewDesc("supd_worker_request_duration_seconds", "How long requests took, of the workers of a process; as gunicorn says by statsd.", []string{"app", "process", "release"}, nil)
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

// said is what the applications say by statsd: apart from the other collector, since
// the registry cannot be told all of its names before.
type said struct{ supd Supervisor }

// Describe says nothing: the registry looks at each metric as it comes.
func (s said) Describe(chan<- *prometheus.Desc) {}

// Collect gives what was counted until now.
func (s said) Collect(metrics chan<- prometheus.Metric) {
	o, counts := out(metrics), s.supd.Said()
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
		o <- histogram{desc: requestDuration, labels: []*dto.LabelPair{of.app, of.process, of.release},
			sum: d.Sum, buckets: d.Buckets, first: requestsFrom, last: requestsTo}
	}
	for i := range counts.Series {
		o.own(&counts.Series[i])
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
func (o out) own(s *statsd.Series) {
	of := originOf(s.Origin)
	labels := []*dto.LabelPair{of.app, of.process, of.slot}
	for _, l := range s.Labels {
		labels = append(labels, label(l.Name, l.Value))
	}
	sortLabels(labels)
	const help = "Of the application's own, by statsd."
	desc := prometheus.NewDesc(s.Name, help, namesOf(labels), nil)
	switch s.Kind {
	case statsd.Counter:
		o <- sample{series{desc, prometheus.CounterValue}, labels, s.Value}
	case statsd.Gauge:
		o <- sample{series{desc, prometheus.GaugeValue}, labels, s.Value}
	case statsd.Timer:
		o <- histogram{desc: desc, labels: labels, sum: s.Spread.Sum, buckets: s.Spread.Buckets, first: timersFrom, last: timersTo}
	case statsd.Other:
		o <- histogram{desc: desc, labels: labels, sum: s.Spread.Sum, buckets: s.Spread.Buckets, first: othersFrom, last: othersTo}
	}
}
