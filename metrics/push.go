package metrics

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"supd/configs"
)

// Pusher sends what a scrape would get to those who do not scrape. Each push is of what
// is so at that moment; what cannot be sent before the next one is dropped.
type Pusher struct {
	log            *slog.Logger
	gatherer       prometheus.Gatherer
	interval       time.Duration
	targets        []*target
	sent, failures *prometheus.CounterVec // by target
}

// NewPusher makes one that sends what the server answers.
func (s *Server) NewPusher(c configs.Push, log *slog.Logger) (*Pusher, error) {
	p := &Pusher{log: log, gatherer: s.gatherer, interval: c.Interval,
		sent:     countTargets("supd_push_sent_total", "Pushes that the target has taken, since supd was started."),
		failures: countTargets("supd_push_failures_total", "Pushes that it has not, and that are lost.")}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	if c.Graphite != "" {
		p.add("graphite", c.Graphite, newGraphite(c.Graphite, c.Prefix, host))
	}
	if c.RemoteWrite != "" {
		to, err := url.Parse(c.RemoteWrite)
		if err != nil {
			return nil, fmt.Errorf("metrics.remote_write: want a URL") // the error has it
		}
		p.add("remote_write", to.Host, newRemoteWrite(to, c.Credentials, host, s.version))
	}
	s.registry.MustRegister(p.sent, p.failures)
	return p, nil
}

func countTargets(name, help string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"target"})
}

func (p *Pusher) add(name, address string, s sender) {
	p.targets = append(p.targets, &target{sender: s, name: name, address: address,
		sent: p.sent.WithLabelValues(name), failures: p.failures.WithLabelValues(name)})
}

// Run pushes at each interval until stop is done.
func (p *Pusher) Run(stop context.Context) {
	if len(p.targets) == 0 {
		return
	}
	for _, t := range p.targets {
		p.log.Info("metrics are pushed", "to", t.name, "address", t.address, "interval", p.interval)
	}
	ticker := time.NewTicker(p.interval)
	defer ticker.Stop()
	for {
		select {
		case at := <-ticker.C:
			p.push(stop, at.Add(p.interval), p.targets)
		case <-stop.Done():
			return
		}
	}
}

// lastTime is what the last push may take.
const lastTime = time.Second

// Last pushes once more, after Run has returned, to those who have not failed before.
func (p *Pusher) Last() {
	var good []*target
	for _, t := range p.targets {
		if !t.failing {
			good = append(good, t)
		}
	}
	if len(good) > 0 {
		p.push(context.Background(), time.Now().Add(lastTime), good)
	}
}

// push gathers once for all. It ends when the deadline is over, or stop is done: each
// sender sees to that.
func (p *Pusher) push(stop context.Context, until time.Time, targets []*target) {
	ctx, cancel := context.WithDeadline(stop, until)
	defer cancel()
	families, _ := p.gatherer.Gather() // what could be read; the collector has told the rest
	b := newBatch(families, time.Now())
	var all sync.WaitGroup
	for _, t := range targets {
		all.Go(func() {
			if err := t.send(ctx, b); err == nil || stop.Err() == nil { // else it was broken off
				t.ended(p.log, err)
			}
		})
	}
	all.Wait()
}

// sender sends to one receiver. It gives up when the context is done.
type sender interface {
	send(context.Context, *batch) error
}

// target is a receiver, and what became of the pushes there.
type target struct {
	sender
	name, address  string
	sent, failures prometheus.Counter
	failing        bool // the last time
}

// ended counts, and says once that pushes fail, and once more when they do not.
func (t *target) ended(log *slog.Logger, err error) {
	if err == nil {
		t.sent.Inc()
	} else {
		t.failures.Inc()
	}
	switch {
	case err != nil && !t.failing:
		log.Error("metrics cannot be pushed", "to", t.name, "address", t.address, "error", err)
	case err == nil && t.failing:
		log.Warn("metrics can be pushed again", "to", t.name, "address", t.address)
	}
	t.failing = err != nil
}

// batch is what one push sends.
type batch struct {
	at       time.Time
	families []family
}

// family is the samples of one name, as a scrape in text has them.
type family struct {
	*dto.MetricFamily
	samples model.Vector
}

func newBatch(families []*dto.MetricFamily, at time.Time) *batch {
	b := &batch{at: at, families: make([]family, len(families))}
	options := &expfmt.DecodeOptions{Timestamp: model.TimeFromUnixNano(at.UnixNano())}
	for i, f := range families {
		samples, _ := expfmt.ExtractSamples(options, f) // fails for a type that there is not
		b.families[i] = family{f, samples}
	}
	return b
}
