package metrics

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"supd/configs"
)

// fake is a receiver that the test makes up.
type fake struct {
	mu    sync.Mutex
	took  []time.Duration // when, since the beginning
	since time.Time
	hangs bool // until it is given up
	err   error
}

func (f *fake) becomes(hangs bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hangs, f.err = hangs, err
}

func (f *fake) send(ctx context.Context, _ *batch) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hangs {
		f.mu.Unlock()
		<-ctx.Done()
		f.mu.Lock()
		return ctx.Err()
	}
	if f.err == nil {
		f.took = append(f.took, time.Since(f.since))
	}
	return f.err
}

// pushing is a Pusher with fake receivers.
type pushing struct {
	*Pusher
	log      bytes.Buffer
	gathered int
}

func newPushing(interval time.Duration, receivers map[string]*fake) *pushing {
	p := &pushing{}
	gather := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { p.gathered++; return nil, nil })
	p.Pusher = &Pusher{log: slog.New(slog.NewTextHandler(&p.log, nil)), gatherer: gather, interval: interval,
		sent: countTargets("sent", ""), failures: countTargets("failures", "")}
	for name, r := range receivers {
		r.since = time.Now()
		p.add(name, "address", r)
	}
	return p
}

func (p *pushing) counts(name string) [2]float64 {
	return [2]float64{testutil.ToFloat64(p.sent.WithLabelValues(name)), testutil.ToFloat64(p.failures.WithLabelValues(name))}
}

// said gives the messages of the log.
func (p *pushing) said() (all []string) {
	for line := range strings.Lines(p.log.String()) {
		_, message, _ := strings.Cut(line, "msg=")
		if !strings.HasPrefix(message, `"metrics are pushed"`) {
			all = append(all, strings.TrimSpace(message))
		}
	}
	return all
}

// after waits until what happens until then has happened.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// One target that hangs delays the other by nothing, and each push is one gathering.
func TestPushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, bad := &fake{}, &fake{hangs: true}
		p := newPushing(10*time.Second, map[string]*fake{"good": good, "bad": bad})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); p.Run(ctx) }()
		after(45 * time.Second)
		bad.becomes(false, nil)
		after(10 * time.Second)
		bad.becomes(false, errors.New("no"))
		after(20 * time.Second)
		stop()
		<-ended
		if diff := cmp.Diff([]time.Duration{10e9, 20e9, 30e9, 40e9, 50e9, 60e9, 70e9}, good.took); diff != "" {
			t.Errorf("pushes (-want +got):\n%s", diff)
		}
		if good, bad := p.counts("good"), p.counts("bad"); good != [2]float64{7, 0} || bad != [2]float64{1, 6} {
			t.Errorf("sent and failed: %v, %v", good, bad)
		}
		if p.gathered != 7 {
			t.Errorf("%d gatherings", p.gathered)
		}
		want := []string{
			`"metrics cannot be pushed" to=bad address=address error="context deadline exceeded"`,
			`"metrics can be pushed again" to=bad address=address`,
			`"metrics cannot be pushed" to=bad address=address error=no`,
		}
		if diff := cmp.Diff(want, p.said()); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
	})
}

// The last push is for those who have taken the one before, and has little time. What
// the end breaks off is no failure.
func TestLastPush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, down, late := &fake{}, &fake{err: errors.New("no")}, &fake{}
		p := newPushing(10*time.Second, map[string]*fake{"good": good, "down": down, "late": late})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); p.Run(ctx) }()
		after(15 * time.Second)
		late.becomes(true, nil)
		after(8 * time.Second)
		stop()
		<-ended
		down.becomes(false, nil)
		begin := time.Now()
		p.Last()
		if took := time.Since(begin); took != lastTime {
			t.Errorf("the last push took %s", took)
		}
		if good, down, late := p.counts("good"), p.counts("down"), p.counts("late"); good != [2]float64{3, 0} || down != [2]float64{0, 2} || late != [2]float64{1, 1} {
			t.Errorf("sent and failed: %v, %v, %v", good, down, late)
		}
		p.Last()
		if good, late := p.counts("good"), p.counts("late"); good != [2]float64{4, 0} || late != [2]float64{1, 1} {
			t.Errorf("sent and failed: %v, %v", good, late)
		}
	})
}

// Without targets nothing runs, and there is no series.
func TestNothingIsPushed(t *testing.T) {
	w := newWorld(t)
	s := w.server()
	p, err := s.NewPusher(configs.Push{Interval: time.Second}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	p.Run(context.Background()) // returns
	p.Last()
	if n := w.asked.Load(); n != 0 {
		t.Errorf("%d gatherings", n)
	}
	if text := body(t, w.ask(s, "/metrics", "")); strings.Contains(text, "supd_push") {
		t.Error(text)
	}
}

// batch gathers what a push would send.
func (w *world) batch(at time.Time) *batch {
	w.t.Helper()
	return newBatch(w.gather(), at)
}

// pusher pushes what the world's collector gathers.
func (w *world) pusher(c configs.Push) *Pusher {
	w.t.Helper()
	s := &Server{registry: prometheus.NewRegistry(), version: "1.2.3"}
	s.gatherer = &gatherer{collector: w.collector, registry: s.registry}
	c.Interval = time.Hour
	p, err := s.NewPusher(c, slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}
