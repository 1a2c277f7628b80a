package metrics

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"supd/supervisor/api"
)

// Who asks for single families gets those alone, of workers and of supd itself.
func TestSingleFamilies(t *testing.T) {
	w := newWorld(t, slot(1, api.Stopped))
	text := body(t, w.ask(w.server(), "/metrics?name[]=supd_worker_up&name[]=go_threads", "*/*"))
	if n := strings.Count(text, "# TYPE "); n != 2 || !strings.Contains(text, "\nsupd_worker_up{") || !strings.Contains(text, "\ngo_threads ") {
		t.Errorf("%d families:\n%s", n, text)
	}
}

func TestCompression(t *testing.T) {
	w := newWorld(t, slot(1, api.Stopped))
	s := w.server()
	for accepted, want := range map[string]bool{"gzip": true, "br, gzip;q=0.5": true, "gzip;q=0": false, "deflate": false, "": false} {
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.Header.Set("Accept-Encoding", accepted)
		answer := httptest.NewRecorder()
		s.http.Handler.ServeHTTP(answer, r)
		if is := answer.Header().Get("Content-Encoding") == "gzip"; is != want {
			t.Errorf("%q: compressed: %t", accepted, is)
			continue
		}
		var from io.Reader = answer.Body
		if want {
			var err error
			if from, err = gzip.NewReader(answer.Body); err != nil {
				t.Fatal(err)
			}
		}
		if text, err := io.ReadAll(from); err != nil || !strings.Contains(string(text), "\nsupd_worker_up{") {
			t.Errorf("%q: %v\n%s", accepted, err, text)
		}
	}
}

// Families are by name, those of workers among those of supd itself.
func TestOrderOfFamilies(t *testing.T) {
	w := newWorld(t, slot(1, api.Stopped))
	last := ""
	for line := range strings.Lines(body(t, w.ask(w.server(), "/metrics", "*/*"))) {
		if name, is := strings.CutPrefix(line, "# TYPE "); is {
			if name <= last {
				t.Errorf("%s after %s", name, last)
			}
			last = name
		}
	}
	if !strings.HasPrefix(last, "supd_worker_") {
		t.Errorf("the last is %q", last)
	}
}
