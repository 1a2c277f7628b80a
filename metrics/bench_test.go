package metrics

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"testing"
	"time"

	"supd/supervisor/api"
	"supd/supervisor/measure"
	"supd/supervisor/tree"
)

// sleepers is a world of workers that are real processes.
func sleepers(b *testing.B, n int) *world {
	w := &world{t: b}
	w.collector = newCollector(w, w.options())
	all := make([]api.WorkerStatus, n)
	for i := range all {
		cmd := exec.Command("sleep", "3000")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		start, err := tree.StartTime(cmd.Process.Pid)
		if err != nil {
			b.Fatal(err)
		}
		all[i] = slot(i+1, api.Running, api.Run{Pid: cmd.Process.Pid, Start: start, Generation: 1, Release: "1", Launched: time.Now()})
		all[i].Tally.Starts = measure.Durations{}.With(time.Second)
	}
	w.runs(all...)
	return w
}

// BenchmarkScrape is for profiles; `make bench` compares.
func BenchmarkScrape(b *testing.B) {
	w := sleepers(b, 1000)
	handler := w.server().http.Handler
	scrape := func() {
		answer := &discard{header: http.Header{}}
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		b.SetBytes(int64(answer.n))
	}
	for range 20 { // until nothing of proportional memory is due
		scrape()
	}
	b.ReportAllocs()
	for b.Loop() {
		scrape()
	}
}

// discard is a connection that takes all.
type discard struct {
	header http.Header
	n      int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { d.n += len(p); return io.Discard.Write(p) }
