package metrics

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"

	"supd/socket"
	"supd/supervisor/api"
)

func (w *world) server() *Server { return NewServer(w, w.options()) }

func (w *world) options() Options {
	return Options{Version: "1.2.3", Log: slog.New(slog.DiscardHandler), ProportionalMemory: true, DroppedLines: func() int { return w.dropped }}
}

func (w *world) ask(s *Server, path, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept", accept)
	answer := httptest.NewRecorder()
	s.http.Handler.ServeHTTP(answer, r)
	return answer
}

func TestForms(t *testing.T) {
	w := newWorld(t, slot(1, api.Stopped))
	s := w.server()
	for accept, want := range map[string]string{
		"*/*": "# TYPE supd_worker_cpu_seconds_total counter\n",
		"application/openmetrics-text; version=1.0.0":                                                "# TYPE supd_worker_cpu_seconds counter\n",
		"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited": "supd_worker_cpu_seconds_total",
	} {
		answer := w.ask(s, "/metrics", accept)
		text := body(t, answer)
		if answer.Code != http.StatusOK || !strings.Contains(text, want) || !strings.Contains(text, "1.2.3") || !strings.Contains(text, "go_goroutines") {
			t.Errorf("%s: %d\n%s", accept, answer.Code, text)
		}
		if is := strings.HasSuffix(text, "# EOF\n"); is != strings.Contains(accept, "openmetrics") {
			t.Errorf("%s: ends with # EOF: %t", accept, is)
		}
	}
	if code := w.ask(s, "/", "*/*").Code; code != http.StatusNotFound {
		t.Errorf("/: %d", code)
	}
}

// Who asks while a scrape is under way gets its answer, and not one more gathering.
func TestScrapesAtOnceAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, slot(1, api.Stopped))
		w.enter, w.leave = make(chan struct{}), make(chan struct{})
		s := w.server()
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				if a := w.ask(s, "/metrics", ""); a.Code != http.StatusOK || !strings.Contains(body(t, a), "supd_worker_up") {
					t.Errorf("%d", a.Code)
				}
			})
		}
		<-w.enter
		synctest.Wait() // until all have come
		w.leave <- struct{}{}
		all.Wait()
		if n := w.asked.Load(); n != 1 {
			t.Errorf("%d gatherings", n)
		}
	})
}

// A stale path is replaced, one that answers is an error, and the path goes with the
// server.
func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	spec := socket.Spec{Listen: "unix:" + path, Mode: 0o666}
	l, err := Open(spec, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := newWorld(t).server()
	ended := make(chan error)
	go func() { ended <- s.Serve(l) }()
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	answer, err := client.Get("http://supd/healthz")
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("%v, %v", answer, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil || st.Mode&0o777 != 0o666 {
		t.Errorf("mode %o, %v", st.Mode, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := unix.Stat(path, &st); err != unix.ENOENT {
		t.Errorf("the path is still there: %v", err)
	}
}

// However many connect, supd does not run out of descriptors.
func TestConnectionsAreBounded(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &bounded{Listener: inner, free: make(chan struct{}, 1)}
	defer b.Close()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	dial()
	second := dial()
	first, err := b.Accept()
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn)
	go func() {
		c, _ := b.Accept()
		accepted <- c
	}()
	select {
	case <-accepted:
		t.Fatal("two at a time")
	default:
	}
	first.Close()
	first.Close() // gives its place back once
	c := <-accepted
	go c.Write([]byte("x\n"))
	if line, err := bufio.NewReader(second).ReadString('\n'); line != "x\n" {
		t.Errorf("%q, %v", line, err)
	}
	if len(b.free) != 1 {
		t.Errorf("%d places are taken", len(b.free))
	}
}
