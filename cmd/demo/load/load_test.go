package load_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"supd/cmd/demo/load"
)

// served waits until l has had n answers, good or bad.
func served(t *testing.T, l *load.Load, n int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		r := l.Snapshot()
		if r.Served+r.Lost >= n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("only %v", r)
		}
	}
}

func TestEveryRequestIsCountedOnceAndConnectsAnew(t *testing.T) {
	var requests, connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()

	l := load.Start(load.Target{Network: "tcp", Address: server.Listener.Addr().String(), Path: "/", Clients: 4})
	served(t, l, 50)
	r := l.Stop()
	if r.Lost != 0 || int64(r.Served) != requests.Load() || requests.Load() != connections.Load() {
		t.Errorf("%v; the server saw %d requests on %d connections", r, requests.Load(), connections.Load())
	}
	if len(r.Times) != r.Served || slices.Max(r.Times) != r.Longest || slices.Min(r.Times) <= 0 {
		t.Errorf("%d times of %d served requests, from %s to %s; the longest was %s", len(r.Times), r.Served, slices.Min(r.Times), slices.Max(r.Times), r.Longest)
	}
}

// A load generator that overlooks a failure would make every other test worthless.
func TestFailuresAreLost(t *testing.T) {
	closer := func(w http.ResponseWriter, _ *http.Request) {
		c, _, _ := w.(http.Hijacker).Hijack()
		c.Close()
	}
	short := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		w.Write([]byte("five!"))
	}
	for name, handler := range map[string]http.HandlerFunc{
		"status 502":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) },
		"closed":         closer,
		"answer cut off": short,
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(handler)
			defer server.Close()
			checkLost(t, server.Listener.Addr().String())
		})
	}
	t.Run("refused", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		checkLost(t, l.Addr().String())
	})
}

func checkLost(t *testing.T, address string) {
	t.Helper()
	l := load.Start(load.Target{Network: "tcp", Address: address, Path: "/", Clients: 2, Rate: 500})
	served(t, l, 4)
	r := l.Stop()
	if r.Served != 0 || r.Lost < 4 || len(r.Errors) == 0 || !strings.Contains(r.String(), "lost: ") {
		t.Errorf("got %v", r)
	}
}

func TestRateIsKept(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	l := load.Start(load.Target{Network: "tcp", Address: server.Listener.Addr().String(), Path: "/", Clients: 4, Rate: 200})
	served(t, l, 40)
	r := l.Stop()
	if rate := float64(r.Served) / r.Elapsed.Seconds(); rate > 300 {
		t.Errorf("asked %.0f times a second, want at most about 200", rate)
	}
}
