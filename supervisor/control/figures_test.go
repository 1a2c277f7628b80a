package control

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFiguresAreFiltered(t *testing.T) {
	_, c := serve(t, newFake("/nonexistent"))
	everything := []string{"bare", "other", "other/beat.1", "whois", "whois/web.1", "whois/web.2", "whois/worker.1"}
	for target, want := range map[string][]string{
		"":            everything,
		"all":         everything,
		"bare":        {"bare"},
		"whois/web.2": {"whois", "whois/web.2"},
		"whois:web":   {"whois", "whois/web.1", "whois/web.2"},
		"*/worker":    {"whois", "whois/worker.1"},
	} {
		var targets []string
		if target != "" {
			targets = []string{target}
		}
		all, err := c.Figures(t.Context(), targets...)
		must(t, err)
		var got []string
		for _, a := range all.Apps {
			got = append(got, a.Name)
			for _, p := range a.Processes {
				for _, w := range p.Workers {
					got = append(got, w.Name)
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || all.MemoryBytes != 1<<30 {
			t.Errorf("%q, memory %d (-want +got):\n%s", target, all.MemoryBytes, diff)
		}
	}
}

func TestFiguresCannotBeHad(t *testing.T) {
	o := testOptions()
	o.Figures = unreadable{}
	w := httptest.NewRecorder()
	NewServer(newFake("/nonexistent"), o).http.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/figures", nil))
	if e := decode(t, w.Body.Bytes()); w.Code != 500 || e.Code != 1 || e.Message != errNoProc.Error() {
		t.Errorf("%d, %+v", w.Code, e)
	}
}
