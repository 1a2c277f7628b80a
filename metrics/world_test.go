package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"supd/supervisor"
	"supd/supervisor/api"
	"supd/supervisor/engine"
	"supd/supervisor/measure"
	"supd/supervisor/output"
	"supd/supervisor/statsd"
)

// world is a supervisor and a /proc that the test makes up.
type world struct {
	t         testing.TB
	status    *api.Status
	queues    []supervisor.Queue
	broken    error // of queues and Ping
	logs      map[string]output.Count
	said      statsd.Counts
	changed   map[string]bool                // files of apps
	count     int                            // of changed files
	unread    error                          // of Changed
	dropped   int                            // lines of the own log
	seen      map[engine.RunID]measure.Usage // the last
	asked     atomic.Int64                   // Status
	enter     chan struct{}                  // if not nil, Status says here that it was called
	leave     chan struct{}                  // and waits here
	collector *collector
}

const self = 100

func newWorld(t *testing.T, workers ...api.WorkerStatus) *world {
	w := &world{t: t}
	w.collector = newCollector(w, w.options())
	w.collector.proc.root, w.collector.self = t.TempDir(), self
	w.runs(workers...)
	w.process(self, 1, self, 10, "supd", 1)
	return w
}

// runs makes the workers those of a/web.
func (w *world) runs(workers ...api.WorkerStatus) {
	w.status = api.NewStatus([]api.AppStatus{{Name: "a", Processes: []api.ProcessStatus{{Name: "web", Log: "/l", Workers: workers}}}})
}

func (w *world) Status() *api.Status {
	w.asked.Add(1)
	if w.enter != nil {
		w.enter <- struct{}{}
		<-w.leave
	}
	return w.status
}

func (w *world) Queues() ([]supervisor.Queue, error)    { return w.queues, w.broken }
func (w *world) Changed() (map[string]bool, int, error) { return w.changed, w.count, w.unread }
func (w *world) Logs() map[string]output.Count          { return w.logs }
func (w *world) Said() statsd.Counts                    { return w.said }

// Seen keeps what there is to be recorded.
func (w *world) Seen(used map[engine.RunID]measure.Usage, logs bool) {
	if len(used) > 0 || logs {
		w.seen = used
	}
}
func (w *world) Ping(context.Context) error { return w.broken }
func slot(n int, state api.State, runs ...api.Run) api.WorkerStatus {
	s := api.WorkerStatus{Name: fmt.Sprintf("a/web.%d", n), Slot: n, State: state, Runs: runs, Desired: state != api.Stopped}
	if len(runs) > 0 {
		at := time.Unix(1000, 0)
		s.Pid, s.Ready, s.StartedAt = runs[len(runs)-1].Pid, state == api.Running, &at
	}
	return s
}

// process makes the files of one, of which ticks are its CPU time.
func (w *world) process(pid, parent, session, start int, name string, ticks int) {
	w.t.Helper()
	stat := fmt.Sprintf("%d (%s) S %d %d %d 0 -1 4194560 1 2 3 4 %d 0 0 0 20 0 3 0 %d 1000 %d 18446744073709551615",
		pid, name, parent, session, session, ticks, start, 2)
	w.file(pid, "stat", stat)
	w.file(pid, "io", "rchar: 9\nwchar: 9\nread_bytes: 4096\nwrite_bytes: 512\ncancelled_write_bytes: 7\n")
	w.file(pid, "limits", "Limit                     Soft Limit           Hard Limit           Units\nMax processes             7                    7                    processes\nMax open files            10                   4096                 files\n")
	w.file(pid, "smaps_rollup", "00400000-7fff [rollup]\nRss:  9 kB\nPss:                 100 kB\nPss_Dirty: 3 kB\n")
	for fd := range 4 {
		w.file(pid, fmt.Sprintf("fd/%d", fd), "")
	}
}

func (w *world) file(pid int, name, text string) {
	w.t.Helper()
	path := filepath.Join(w.collector.proc.root, fmt.Sprint(pid), name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) gone(pid int) {
	w.t.Helper()
	if err := os.RemoveAll(filepath.Join(w.collector.proc.root, fmt.Sprint(pid))); err != nil {
		w.t.Fatal(err)
	}
}

// gather collects as a scrape does, and checks each sample against its series and
// against all others.
func (w *world) gather() []*dto.MetricFamily {
	w.t.Helper()
	o := w.collector.collect(nil)
	all := slices.Collect(o.families(true))
	for s, samples := range o {
		for _, one := range samples {
			var names []string
			for _, l := range one.labels {
				names = append(names, l.GetName())
			}
			own := len(s.labels) == 0 && len(names) > 0 // of an application, with any labels
			if !slices.IsSorted(names) || !own && !slices.Equal(names, slices.Sorted(slices.Values(s.labels))) {
				w.t.Errorf("%s: labels %q, want %q by name", s.name, names, s.labels)
			}
		}
	}
	gathered := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return all, nil })
	if _, err := (prometheus.Gatherers{gathered}).Gather(); err != nil { // checks types, names and doubles
		w.t.Fatal(err)
	}
	return all
}

// values are the samples of a series, by "VALUE VALUE" of the labels but app and process.
func (w *world) values(name string) map[string]float64 {
	w.t.Helper()
	all := map[string]float64{}
	for _, f := range w.gather() {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.Metric {
			var key []string
			for _, l := range m.Label {
				if n := l.GetName(); n != "app" && n != "process" {
					key = append(key, l.GetValue())
				}
			}
			all[strings.Join(key, " ")] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return all
}

// want compares one figure of slot 1.
func (w *world) want(name string, want float64) {
	w.t.Helper()
	if got, is := w.values(name)["1"]; !is || got != want {
		w.t.Errorf("%s of slot 1 is %v (there: %t), want %v", name, got, is, want)
	}
}

func body(t *testing.T, r *httptest.ResponseRecorder) string {
	text, err := io.ReadAll(r.Result().Body)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}
