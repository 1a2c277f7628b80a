package metrics

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"

	"supd/supervisor"
	"supd/supervisor/api"
	"supd/supervisor/engine"
	"supd/supervisor/measure"
	"supd/supervisor/output"
	"supd/supervisor/statsd"
)

// Supervisor is what metrics are about; the tests put another one in its place.
type Supervisor interface {
	Status() *api.Status
	Queues() ([]supervisor.Queue, error)
	Logs() map[string]output.Count
	Said() statsd.Counts                                   // by statsd
	Changed() (apps map[string]bool, count int, err error) // files of the configuration
	Seen(used map[engine.RunID]measure.Usage, logs bool)   // is recorded
	Ping(context.Context) error
}

// collector makes the samples of a scrape.
type collector struct {
	supd Supervisor
	log  *slog.Logger
	self int
	now  func() time.Time

	proportional bool // memory is measured

	mu      sync.Mutex // whoever else gathers than the handler waits for it
	proc    *proc
	memory  memory
	seen    seen
	told    map[*series]bool // of some worker, so that each has it
	origins origins
	logs    map[string]output.Count // the last time
	sizes   map[*series]int         // samples of each, the last time
	failing string                  // what could not be read the last time
}

func newCollector(s Supervisor, o Options) *collector {
	c := &collector{supd: s, log: o.Log, proportional: o.ProportionalMemory, self: os.Getpid(), now: time.Now, proc: openProc(), memory: memory{}, sizes: map[*series]int{}, told: map[*series]bool{}}
	for _, s := range everywhere {
		c.told[s] = true
	}
	return c
}

// collect reads everything anew; own is what was wrong with the series of supd itself.
func (c *collector) collect(own error) out {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fails("supd itself", own)
	o, status := make(out, len(c.sizes)), c.supd.Status()
	for s, n := range c.sizes { // nearly always as many as before
		o[s] = make([]sample, 0, n)
	}
	o.said(c.supd.Said())
	slots, news, err := c.measure(status)
	if err != nil {
		c.fails("/proc", err)
		return o
	}
	logs := c.supd.Logs()
	c.supd.Seen(news, !maps.Equal(logs, c.logs))
	c.logs = logs
	if c.proportional {
		c.memory.refresh(c.proc, status, slots, c.now)
	}
	o.queues(c.queues())
	changed, count, err := c.supd.Changed()
	if c.fails("configuration", err); err == nil {
		o.send(configFiles, float64(count))
	}
	for i := range status.Apps {
		a := &status.Apps[i]
		app := label("app", a.Name)
		o.releases(app, a, c.now())
		if err == nil {
			o.send(configChanged, truth(changed[a.Name]), app)
		}
		for k := range a.Processes {
			c.process(o, app, &a.Processes[k], slots, logs)
		}
	}
	c.sized(o)
	return o
}

// queues are those of all sockets that can be read.
func (c *collector) queues() []supervisor.Queue {
	queues, err := c.supd.Queues()
	if !errors.Is(err, engine.ErrStopped) { // of the last push: all is over, and nothing is wrong
		c.fails("accept queues", err)
	}
	return queues
}

// process sends what concerns a process and its workers.
func (c *collector) process(o out, app *dto.LabelPair, p *api.ProcessStatus, slots map[string]*figures, logs map[string]output.Count) {
	process := label("process", p.Name)
	o.process(app, process, p)
	o.logs(app, process, p, logs)
	for n := range p.Workers {
		w := &p.Workers[n]
		o.worker(app, process, w, slots[w.Name], c.memory[w.Name], c.told)
	}
}

// sized remembers how many samples there were of each series, but of those that an
// application has made, which are others each time.
func (c *collector) sized(o out) {
	clear(c.sizes)
	for s, samples := range o {
		if len(s.labels) > 0 {
			c.sizes[s] = len(samples)
		}
	}
}

// fails says what cannot be read, once, and once more when it can be.
func (c *collector) fails(what string, err error) {
	switch {
	case err == nil && c.failing == what:
		c.log.Warn("metrics are complete again", "read", what)
		c.failing = ""
	case err != nil && c.failing == "":
		c.log.Error("metrics are not complete", "read", what, "error", err)
		c.failing = what
	}
}
