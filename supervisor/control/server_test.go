package control

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"supd/supervisor"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

// handle gives the answer to a request of the peer p.
func handle(d Daemon, p peer, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	NewServer(d, testOptions()).http.Handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), peerKey{}, p)))
	return w
}

func post(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/v1/do", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func TestRefusedURLs(t *testing.T) {
	tests := []struct {
		method, url  string
		status, code int
		message      string
	}{
		{"GET", "/", 404, 2, `no such path "/"`},
		{"GET", "/v1/status/", 404, 2, `no such path "/v1/status/"`},
		{"GET", "//v1/status", 404, 2, "no such path"},
		{"POST", "/v1/status", 405, 2, "takes GET"},
		{"HEAD", "/v1/status", 405, 2, "takes GET"},
		{"GET", "/v1/do", 405, 2, "takes POST"},
		{"POST", "/v1/do?dry=1", 400, 2, `unknown parameter "dry"`},
		{"GET", "/v1/version?x", 400, 2, `unknown parameter "x"`},
		{"GET", "/v1/status?targets=whois", 400, 2, `unknown parameter "targets"`},
		{"GET", "/v1/status?target=%zz", 400, 2, "invalid URL escape"},
		{"GET", "/v1/status?target=a/b/c", 400, 2, "want APP"},
		{"GET", "/v1/status?target=nosuch", 404, 4, `no such target "nosuch"; ` + "`supctl status` shows all"},
		{"GET", "/v1/status?target=whois/wbe", 404, 4, `did you mean "whois/web"?`},
		{"GET", "/v1/status?target=whois&target=whos", 404, 4, `no such target "whos", did you mean "whois"?`},
		{"GET", "/v1/status?target=whois/web.3", 404, 4, `did you mean "whois/web.1"?`},
		{"GET", "/v1/status?target=web", 404, 4, `did you mean "whois/web"?`},
		{"GET", "/v1/status?target=whois:wrker", 404, 4, `did you mean "whois/worker"?`},
		{"GET", "/v1/status?watch=yes", 400, 2, `parameter "watch": want a number from 0 to 1, got "yes"`},
		{"GET", "/v1/explain", 400, 2, `parameter "target": want it once`},
		{"GET", "/v1/explain?target=whois&target=other", 400, 2, "want it once"},
		{"GET", "/v1/explain?target=nosuch", 404, 4, "no such target"},
		{"GET", "/v1/explain?target=whois/worker", 500, 1, `user "nosuch" does not exist`},
		{"GET", "/v1/logs", 400, 2, "want it once"},
		{"GET", "/v1/logs?target=whois", 400, 2, `"whois" names several processes`},
		{"GET", "/v1/logs?target=nosuch", 404, 4, "no such target"},
		{"GET", "/v1/logs?target=whois/web&lines=-1", 400, 2, `parameter "lines"`},
		{"GET", "/v1/logs?target=whois/web&lines=9999999", 400, 2, "from 0 to 1048576"},
		{"GET", "/v1/logs?target=whois/web&follow=2", 400, 2, `parameter "follow"`},
	}
	for _, test := range tests {
		r := httptest.NewRequest(test.method, test.url, strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/json")
		w := handle(newFake("/nonexistent"), peer{uid: 0}, r)
		e := decode(t, w.Body.Bytes())
		if w.Code != test.status || e.Code != test.code || !contains(e.Message, test.message) {
			t.Errorf("%s %s: %d, code %d, %q; want %d, code %d, %q", test.method, test.url, w.Code, e.Code, e.Message, test.status, test.code, test.message)
		}
		if got := w.Header().Get("Content-Type"); got != "application/json" {
			t.Errorf("%s %s: content-type %q", test.method, test.url, got)
		}
	}
}

func TestRefusedRequests(t *testing.T) {
	tests := []struct {
		body         string
		status, code int
		message      string
	}{
		{``, 400, 2, "body: EOF"},
		{`nonsense`, 400, 2, "body: invalid character"},
		{`[]`, 400, 2, "body: json: cannot unmarshal array"},
		{`null`, 400, 2, `unknown action ""`},
		{`{}`, 400, 2, `unknown action ""`},
		{`{"action":"exec","targets":["all"]}`, 400, 2, `unknown action "exec"`},
		{`{"action":"start","targets":["all"],"command":"id"}`, 400, 2, `unknown field "command"`},
		{`{"action":"start","targets":["all"],"By":"root"}`, 400, 2, `unknown field "By"`},
		{`{"action":"start","targets":["all"]}{}`, 400, 2, "more follows"},
		{`{"action":"start","targets":["all"]} x`, 400, 2, "more follows"},
		{`{"action":"start"}`, 400, 2, "start: no target; `all` names every worker"},
		{`{"action":"restart","targets":[]}`, 400, 2, "restart: no target"},
		{`{"action":"start","targets":[""]}`, 400, 2, "want APP"},
		{`{"action":"start","targets":["whois/wab"]}`, 404, 4, `did you mean "whois/web"?`},
		{`{"action":"stop","targets":["whois","nosuch"]}`, 404, 4, `no such target "nosuch"`},
		{`{"action":"stop","targets":["whois"],"hard":true}`, 400, 2, "hard belongs to the action restart"},
		{`{"action":"stop","targets":["whois"],"signal":"HUP"}`, 400, 2, "signal belongs to the action signal"},
		{`{"action":"signal","targets":["whois"]}`, 400, 2, "signal belongs to the action signal"},
		{`{"action":"stop","targets":["whois"],"timeout":-1}`, 400, 2, "timeout -1ns: want 0 or more"},
		{`{"action":"stop","targets":["whois"],"timeout":"1s"}`, 400, 2, "cannot unmarshal string"},
		{`{"action":"shutdown","targets":["all"]}`, 400, 2, "shutdown: takes no target"},
		{`{"action":"reopen","targets":["all"]}`, 400, 2, "reopen: takes no target"},
		{`{"action":"` + strings.Repeat("x", maxBody) + `"}`, 413, 2, "more than 65536 bytes"},
	}
	for _, test := range tests {
		d := newFake("/nonexistent")
		w := handle(d, peer{uid: 0}, post(test.body))
		e := decode(t, w.Body.Bytes())
		if w.Code != test.status || e.Code != test.code || !contains(e.Message, test.message) {
			t.Errorf("%.60s: %d, code %d, %q; want %d, code %d, %q", test.body, w.Code, e.Code, e.Message, test.status, test.code, test.message)
		}
		if len(d.requests()) > 0 {
			t.Errorf("%.60s: reached the daemon", test.body)
		}
	}
}

func TestRefusedContentTypes(t *testing.T) {
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset", "application/jsonp"} {
		d := newFake("/nonexistent")
		r := post(`{"action":"stop","targets":["all"]}`)
		r.Header.Set("Content-Type", kind)
		if w := handle(d, peer{uid: 0}, r); w.Code != http.StatusUnsupportedMediaType || len(d.requests()) > 0 {
			t.Errorf("%q: %d, %s", kind, w.Code, w.Body)
		}
	}
}

func TestWhoMayAct(t *testing.T) {
	stranger := 12345
	tests := []struct {
		peer peer
		may  bool
	}{
		{peer{uid: 0}, true},
		{peer{uid: os.Geteuid()}, true},
		{peer{uid: stranger}, false},
		{nobody, false},
	}
	for _, test := range tests {
		d := newFake("/nonexistent")
		w := handle(d, test.peer, post(`{"action":"shutdown"}`))
		if !test.may {
			e := decode(t, w.Body.Bytes())
			if w.Code != http.StatusForbidden || e.Code != supervisor.CodeDenied || !contains(e.Message, "only root") {
				t.Errorf("%v: %d, %+v", test.peer, w.Code, e)
			}
		}
		if got := len(d.requests()) == 1; got != test.may {
			t.Errorf("%v: reached the daemon: %t, want %t", test.peer, got, test.may)
		}
		for _, url := range []string{"/v1/version", "/v1/status", "/v1/explain?target=whois/web"} {
			if w := handle(d, test.peer, httptest.NewRequest("GET", url, nil)); w.Code != http.StatusOK {
				t.Errorf("%v: GET %s: %d", test.peer, url, w.Code)
			}
		}
	}
}

func TestResultsBecomeAnswers(t *testing.T) {
	tests := []struct {
		result supervisor.Result
		status int
	}{
		{supervisor.Result{}, 200},
		{supervisor.Result{Code: 7, Outcomes: []supervisor.Outcome{{Name: "whois/web.1", Code: 7, Message: "not ready"}}}, 200},
		{supervisor.Result{Code: 2, Error: "no such signal"}, 400},
		{supervisor.Result{Code: 4, Error: "no worker matches"}, 404},
		{supervisor.Result{Code: 8, Error: "still in progress"}, 504},
		{supervisor.Result{Code: 1, Error: "supd is stopping"}, 500},
	}
	for _, test := range tests {
		d := newFake("/nonexistent")
		d.result = test.result
		w := handle(d, peer{uid: 0}, post(`{"action":"start","targets":["whois"]}`))
		var got supervisor.Result
		must(t, json.Unmarshal(w.Body.Bytes(), &got))
		if len(test.result.Outcomes) == 0 {
			test.result.Outcomes = []supervisor.Outcome{} // never null
		}
		if diff := cmp.Diff(test.result, got); diff != "" || w.Code != test.status {
			t.Errorf("%+v: %d, want %d\n%s", test.result, w.Code, test.status, diff)
		}
	}
}

// FuzzRequest sends any body and any URL. Nothing of it may be the server's
// fault, and nothing but the known actions may reach the daemon.
func FuzzRequest(f *testing.F) {
	f.Add(`{"action":"start","targets":["all"]}`, "/v1/status", "target=whois")
	f.Add(`{"action":"signal","targets":["whois/web.1"],"signal":"HUP"}`, "/v1/logs", "target=whois/web&lines=3")
	f.Add(`{"action":"restart","targets":["*"],"hard":true,"timeout":5}`, "/v1/explain", "target=*/web.[1-")
	f.Add(`{"ACTION":"stop","targets":null}`, "/v1/do", "")
	known := []supervisor.Action{"start", "stop", "restart", "signal", "reopen", "shutdown"}
	f.Fuzz(func(t *testing.T, body, path, query string) {
		d := newFake("/nonexistent")
		w := handle(d, peer{uid: 0}, post(body))
		if w.Code >= 500 {
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
		for _, r := range d.requests() {
			if !slices.Contains(known, r.Action) || r.By == "" {
				t.Errorf("%q: reached the daemon as %+v", body, r)
			}
		}
		if q, err := url.ParseQuery(query); err != nil || q.Get("watch")+q.Get("follow") != "" || contains(query, "worker") {
			return // streams do not end, and the launch plan of worker is an error of the daemon's
		}
		for _, method := range []string{"GET", "POST", body} {
			r := &http.Request{Method: method, URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{}, Body: http.NoBody}
			if w := handle(d, nobody, r.WithContext(t.Context())); w.Code >= 500 {
				t.Errorf("%s %q ? %q: %d %s", method, path, query, w.Code, w.Body)
			}
		}
		if len(d.requests()) > 1 {
			t.Errorf("%q ? %q acted for nobody", path, query)
		}
	})
}
