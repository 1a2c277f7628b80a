package metrics

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"supd/supervisor/api"
)

func TestHealth(t *testing.T) {
	w := newWorld(t)
	s := w.server()
	for _, path := range []string{"/healthz", "/healthz/a"} {
		w.runs(slot(1, api.Running, api.Run{Pid: 1}))
		w.broken = nil
		if a := w.ask(s, path, ""); a.Code != http.StatusOK || body(t, a) != "ok\n" || a.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d", path, a.Code)
		}
		w.broken = errors.New("stuck")
		if a := w.ask(s, path, ""); a.Code != http.StatusServiceUnavailable || body(t, a) != "supd does not answer: stuck\n" {
			t.Errorf("%s: %d", path, a.Code)
		}
	}
}

func TestAppHealth(t *testing.T) {
	well, done := slot(1, api.Running, api.Run{Pid: 1}), slot(2, api.Exited)
	done.Done = true
	ill := make([]api.WorkerStatus, 7)
	for i := range ill {
		ill[i] = slot(i+1, api.Backoff)
		ill[i].Note, ill[i].LastExit = "secret", &api.Exit{Reason: "secret"}
	}
	for _, c := range []struct {
		path    string
		workers []api.WorkerStatus
		code    int
		want    string
	}{
		{"/healthz/a", []api.WorkerStatus{well, done, slot(3, api.Stopped)}, 200, "ok\n"},
		{"/healthz/a", []api.WorkerStatus{well, ill[1]}, 503, "a/web.2 is BACKOFF\n"},
		{"/healthz/a", ill, 503, "a/web.1 is BACKOFF, a/web.2 is BACKOFF, a/web.3 is BACKOFF, a/web.4 is BACKOFF, a/web.5 is BACKOFF and 2 more\n"},
		{"/healthz/a", []api.WorkerStatus{slot(1, api.Stopped)}, 503, "a is stopped\n"},
		{"/healthz/a", nil, 503, "a is stopped\n"},
		{"/healthz/b", []api.WorkerStatus{well}, 404, "no such app\n"},
		{"/healthz/a%2fweb", []api.WorkerStatus{well}, 404, "no such app\n"},
		{"/healthz/", []api.WorkerStatus{well}, 404, "404 page not found\n"},
	} {
		w := newWorld(t, c.workers...)
		w.status.Apps[0].Note = "secret"
		a := w.ask(w.server(), c.path, "")
		if text := body(t, a); a.Code != c.code || text != c.want {
			t.Errorf("%s: %d, %q, want %d, %q", c.path, a.Code, text, c.code, c.want)
		}
		head := httptest.NewRecorder()
		w.server().http.Handler.ServeHTTP(head, httptest.NewRequest(http.MethodHead, c.path, nil))
		if head.Code != c.code {
			t.Errorf("HEAD %s: %d, want %d", c.path, head.Code, c.code)
		}
	}
}
