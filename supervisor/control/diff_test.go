package control

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"supd/configs"
	"supd/supervisor/api"
)

func TestDiff(t *testing.T) {
	for _, test := range []struct {
		query        string
		who          peer
		status, code int
		message      string
	}{
		{"", peer{uid: 0}, http.StatusOK, 0, ""},
		{"?app=whois&app=new", peer{uid: 0}, http.StatusOK, 0, ""},
		{"", peer{uid: 12345}, http.StatusForbidden, api.CodeDenied, "not permitted for"},
		{"?app=broken", peer{uid: 0}, http.StatusUnprocessableEntity, api.CodeInvalid, "apps/broken.toml:3: unknown key\napps/broken.toml:4: unknown key"},
		{"?app=../broken", peer{uid: 0}, http.StatusBadRequest, api.CodeUsage, "is no name"},
		{"?file=/etc/shadow", peer{uid: 0}, http.StatusBadRequest, api.CodeUsage, "unknown parameter"},
	} {
		w := handle(newFake("/nonexistent"), test.who, httptest.NewRequest(http.MethodGet, "/v1/diff"+test.query, nil))
		e := decode(t, w.Body.Bytes())
		if w.Code != test.status || e.Code != test.code || !contains(e.Message, test.message) {
			t.Errorf("%q of uid %d: %d, code %d, %q", test.query, test.who.uid, w.Code, e.Code, e.Message)
		}
	}
}

// TestUnappliedIsShown: the files of what is asked for, and that of an app which is not
// there yet with what to do.
func TestUnappliedIsShown(t *testing.T) {
	d := newFake("/nonexistent")
	d.unapplied = []configs.File{
		{App: "bad", Path: "apps/bad.toml", State: configs.FileNew}, {App: "gone", Path: "apps/gone.toml", State: configs.FileGone},
		{Path: "supd.toml", State: configs.FileChanged}, {App: "whois", Path: "apps/whois.toml", State: configs.FileChanged},
	}
	_, c := serve(t, d)
	for target, want := range map[string][]configs.File{"": d.unapplied, "whois": d.unapplied[3:], "whois/web.1": d.unapplied[3:], "other": nil} {
		var targets []string
		if target != "" {
			targets = []string{target}
		}
		s, err := c.Status(testContext(t), targets...)
		must(t, err)
		if diff := cmp.Diff(want, s.Files); diff != "" {
			t.Errorf("%q (-want +got):\n%s", target, diff)
		}
	}
	for _, target := range []string{"bad", "bad/web.1", "bad:web"} {
		_, err := c.Status(testContext(t), target)
		wantCode(t, err, api.CodeNoTarget, "no such target \""+target+"\"; apps/bad.toml is there and was never applied: `supctl diff bad` says what it would do, `supctl apply bad` does it")
	}
	_, err := c.Releases(testContext(t), "bad")
	wantCode(t, err, api.CodeNoTarget, "no such app \"bad\"; apps/bad.toml is there")
	_, err = c.Status(testContext(t), "gone")
	wantCode(t, err, api.CodeNoTarget, "`supctl status` shows all")
}

// TestRefusedApply: names of apps and nothing else, and no app has to be there.
func TestRefusedApply(t *testing.T) {
	for body, status := range map[string]int{
		`{"action":"apply"}`: http.StatusOK,
		`{"action":"apply","targets":["new"],"detach":true}`:     http.StatusOK,
		`{"action":"apply","targets":["../etc/passwd"]}`:         http.StatusBadRequest,
		`{"action":"apply","targets":["all"],"version":"1"}`:     http.StatusBadRequest,
		`{"action":"apply","targets":["whois/web"],"hard":true}`: http.StatusBadRequest,
	} {
		d := newFake("/nonexistent")
		if w := handle(d, peer{uid: 0}, post(body)); w.Code != status || len(d.requests()) > 0 != (status == http.StatusOK) {
			t.Errorf("%s: %d, %s", body, w.Code, w.Body)
		}
	}
}
