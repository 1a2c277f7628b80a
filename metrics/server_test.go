package metrics

import (
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
	"time"

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

// However many connect, supd does not run out of descriptors, and who comes last is
// answered: those who ask nothing make room.
func TestConnectionsAreBounded(t *testing.T) {
	w := newWorld(t)
	s := w.server()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- s.Serve(inner) }()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	var idle []net.Conn
	for i := range 2 * connections {
		c := dial()
		if i%2 == 0 {
			c.Write([]byte("GET /heal")) // half a request
		}
		idle = append(idle, c)
	}
	answer, err := http.Get("http://" + inner.Addr().String() + "/healthz")
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", answer, err)
	}
	if _, err := idle[0].Read(make([]byte, 1)); err == nil {
		t.Error("who came first has not made room")
	}
	s.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Those who are answered keep their places for a while.
func TestWhoMakesRoom(t *testing.T) {
	b := newBounded(nil, 3)
	now := time.Now()
	at := func(age time.Duration, answered bool) *held {
		c, _ := net.Pipe()
		h := &held{Conn: c, of: b, since: now.Add(-age), answered: answered}
		b.held[h] = struct{}{}
		return h
	}
	slow, quick, quiet := at(time.Minute, true), at(time.Second, true), at(2*time.Second, false)
	for _, want := range []*held{quiet, slow, nil} {
		got := b.longest(now)
		if got != want {
			t.Fatalf("%+v makes room, want %+v", got, want)
		}
		if got != nil {
			got.Close()
		}
	}
	c, _ := net.Pipe()
	if !b.enter(&held{Conn: c, of: b, since: now}) || len(b.held) != 2 || !quick.answered {
		t.Errorf("%d places are taken", len(b.held))
	}
}
