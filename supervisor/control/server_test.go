package control

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"supd/supervisor/api"
	"supd/supervisor/release"
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
		{"GET", "/v1/status?target=all" + strings.Repeat("&target=all", 500), 400, 2, "501 targets"},
		{"GET", "/v1/status?target=%zz", 400, 2, "invalid URL escape"},
		{"GET", "/v1/status?target=a/b/c", 400, 2, "want APP"},
		{"GET", "/v1/status?target=nosuch", 404, 4, `no such target "nosuch"; ` + "`supctl status` shows all"},
		{"GET", "/v1/status?target=whois/wbe", 404, 4, `did you mean "whois/web"?`},
		{"GET", "/v1/status?target=whois&target=whos", 404, 4, `no such target "whos", did you mean "whois"?`},
		{"GET", "/v1/status?target=whois/web.3", 404, 4, `did you mean "whois/web.1"?`},
		{"GET", "/v1/status?target=web", 404, 4, `did you mean "whois/web"?`},
		{"GET", "/v1/status?target=whois:wrker", 404, 4, `did you mean "whois/worker"?`},
		{"GET", "/v1/status?watch=yes", 400, 2, `parameter "watch": want a number from 0 to 1, got "yes"`},
		{"GET", "/v1/figures?target=nosuch", 404, 4, "no such target"},
		{"GET", "/v1/figures?watch=1", 400, 2, `unknown parameter "watch"`},
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
		{"GET", "/v1/releases", 400, 2, `parameter "app": want it once`},
		{"GET", "/v1/releases?app=whos", 404, 4, `no such app "whos", did you mean "whois"?`},
		{"GET", "/v1/releases?app=all", 404, 4, `no such app "all"`},
		{"GET", "/v1/releases?app=whois/web", 404, 4, `no such app "whois/web"`},
		{"GET", "/v1/releases?app=whois", 500, 1, "whois has no [release] in its file"},
		{"GET", "/v1/rollout?id=3", 400, 2, `parameter "app": want it once`},
		{"GET", "/v1/rollout?app=whois", 404, 4, "whois has had no rollout since supd started"},
		{"GET", "/v1/rollout?app=nosuch", 404, 4, `no such app "nosuch"`},
		{"GET", "/v1/rollout?app=whois&id=-1", 400, 2, `parameter "id"`},
		{"GET", "/v1/rollout?app=whois&follow=yes", 400, 2, `parameter "follow"`},
		{"GET", "/v1/rollout?app=other&id=6", 404, 4, "rollout 6 of other is over, 7 is the last one"},
		{"GET", "/v1/audit?app=whos", 404, 4, `did you mean "whois"?`},
		{"GET", "/v1/audit?app=", 404, 4, `no such app ""`},
		{"GET", "/v1/audit?app=bare", 500, 1, "registry: permission denied"},
		{"GET", "/v1/audit?target=whois", 400, 2, `unknown parameter "target"`},
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
		{`{"action":"signal","targets":["whois"]}`, 400, 2, "signal: signal is missing"},
		{`{"action":"stop","targets":["whois"],"timeout":-1}`, 400, 2, "timeout -1ns: want 0 or more"},
		{`{"action":"stop","targets":["whois"],"timeout":"1s"}`, 400, 2, "cannot unmarshal string"},
		{`{"action":"shutdown","targets":["all"]}`, 400, 2, "shutdown: takes no target"},
		{`{"action":"reopen","targets":["all"]}`, 400, 2, "reopen: takes no target"},
		{`{"action":"deploy"}`, 400, 2, "deploy: wants one target, the name of an app"},
		{`{"action":"deploy","targets":["whois","other"]}`, 400, 2, "deploy: wants one target"},
		{`{"action":"deploy","targets":["all"]}`, 404, 4, `no such app "all"`},
		{`{"action":"rollback","targets":["who*"]}`, 404, 4, `no such app "who*"`},
		{`{"action":"rollback","targets":["whois/web"]}`, 404, 4, `no such app "whois/web"`},
		{`{"action":"deploy","targets":["whos"]}`, 404, 4, `no such app "whos", did you mean "whois"?`},
		{`{"action":"deploy","targets":["whois"],"version":"../1"}`, 400, 2, "deploy: "},
		{`{"action":"resume","targets":["whois"],"version":"1.4.0"}`, 400, 2, "version belongs to the action deploy, rollback, unregister"},
		{`{"action":"unregister","targets":["whois"]}`, 400, 2, "unregister: version is missing"},
		{`{"action":"deploy","targets":["whois"],"force":true}`, 400, 2, "force belongs to the action unregister"},
		{`{"action":"restart","targets":["whois"],"detach":true}`, 400, 2, "detach belongs to the action apply, deploy, resume, rollback"},
		{`{"action":"unhold","targets":["whois"],"reason":"x"}`, 400, 2, "reason belongs to the action hold"},
		{`{"action":"hold","targets":["whois"],"reason":"a\nb"}`, 400, 2, "hold: reason: want one line of at most 500 bytes"},
		{`{"action":"hold","targets":["whois"],"reason":"` + strings.Repeat("x", 501) + `"}`, 400, 2, "hold: reason: want one line"},
		{`{"action":"refresh","targets":["whois","other"]}`, 400, 2, "refresh: wants one target at most"},
		{`{"action":"refresh","targets":["nosuch"]}`, 404, 4, `no such app "nosuch"`},
		{`{"action":"` + strings.Repeat("x", maxBody) + `"}`, 413, 2, "more than 65536 bytes"},
		{`{"action":"stop","targets":["all"` + strings.Repeat(`,"all"`, maxTargets) + `]}`, 400, 2, "501 targets: want 500 at most"},
		{strings.Repeat("[", 9), 400, 2, "more than 8 brackets in each other"},
		{`{"action":"a\"","x":` + strings.Repeat("[", 50_000), 400, 2, "more than 8 brackets in each other"},
		{`{"action":"` + strings.Repeat("[", 9) + `\"{"}`, 400, 2, "unknown action"},
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
			if w.Code != http.StatusForbidden || e.Code != api.CodeDenied || !contains(e.Message, "only root") {
				t.Errorf("%v: %d, %+v", test.peer, w.Code, e)
			}
		}
		if got := len(d.requests()) == 1; got != test.may {
			t.Errorf("%v: reached the daemon: %t, want %t", test.peer, got, test.may)
		}
		for _, url := range []string{"/v1/version", "/v1/status", "/v1/figures", "/v1/releases?app=whois", "/v1/rollout?app=other"} {
			if w := handle(d, test.peer, httptest.NewRequest("GET", url, nil)); w.Code == http.StatusForbidden {
				t.Errorf("%v: GET %s: %d", test.peer, url, w.Code)
			}
		}
	}
}

// TestRights: operators act on what is theirs and on nothing else, readers see logs and
// launch plans; groups count as the process has them.
func TestRights(t *testing.T) {
	const root, operator, developer, reader, support, stranger = 0, 1001, 1002, 1003, 1004, 1005
	const team = 2001
	rights := api.Rights{
		All:  api.AppRights{Operators: api.Members{UIDs: []int{operator}}, Readers: api.Members{UIDs: []int{reader}}},
		Apps: map[string]api.AppRights{"whois": {Operators: api.Members{GIDs: []int{team}}, Readers: api.Members{UIDs: []int{support}}}},
	}
	may := func(uid int, r *http.Request) bool {
		t.Helper()
		d := newFake("/nonexistent")
		d.rights = rights
		who := peer{uid: uid}
		if uid == developer {
			who.gids = []int{100, team}
		}
		w := handle(d, who, r)
		if w.Code == http.StatusForbidden && decode(t, w.Body.Bytes()).Code != api.CodeDenied {
			t.Errorf("uid %d: %s", uid, w.Body)
		}
		return w.Code != http.StatusForbidden
	}
	for _, c := range []struct {
		request string // a path, or a body
		who     []int
	}{
		{`{"action":"restart","targets":["whois/web.1"]}`, []int{operator, developer}},
		{`{"action":"signal","targets":["whois"],"signal":"HUP"}`, []int{operator, developer}},
		{`{"action":"deploy","targets":["whois"]}`, []int{operator, developer}},
		{`{"action":"clear","targets":["whois"]}`, []int{operator, developer}},
		{`{"action":"restart","targets":["whois","other"]}`, []int{operator}},
		{`{"action":"restart","targets":["all"]}`, []int{operator}},
		{`{"action":"hold","targets":["other"]}`, []int{operator}},
		{`{"action":"reload","targets":["whois"]}`, []int{operator, developer}},
		{`{"action":"apply","targets":["whois"]}`, []int{operator, developer}},
		{`{"action":"apply","targets":["whois","new"]}`, []int{operator}},
		{`{"action":"apply"}`, []int{operator}},
		{"/v1/diff?app=whois", []int{operator, developer}},
		{"/v1/diff?app=whois&app=other", []int{operator}},
		{"/v1/diff", []int{operator}},
		{`{"action":"reopen"}`, []int{operator}},
		{`{"action":"rotate"}`, []int{operator}},
		{`{"action":"rotate","targets":["whois"]}`, []int{operator, developer}},
		{`{"action":"refresh"}`, []int{operator}},
		{`{"action":"shutdown"}`, nil},
		{`{"action":"reexec"}`, nil},
		{"/v1/logs?target=whois/web", []int{operator, developer, reader, support}},
		{"/v1/logs?target=other/beat", []int{operator, reader}},
		{"/v1/logs?target=supd", []int{operator, reader}},
		{"/v1/explain?target=whois/web", []int{operator, developer, reader, support}},
		{"/v1/explain?target=all", []int{operator, reader}},
		{"/v1/audit?app=whois", []int{operator, developer, reader, support}},
		{"/v1/audit", []int{operator, reader}},
		{"/v1/status", []int{operator, developer, reader, support, stranger}},
		{"/v1/releases?app=whois", []int{operator, developer, reader, support, stranger}},
	} {
		for _, uid := range []int{root, operator, developer, reader, support, stranger} {
			r := post(c.request)
			if strings.HasPrefix(c.request, "/") {
				r = httptest.NewRequest("GET", c.request, nil)
			}
			if got, want := may(uid, r), uid == root || slices.Contains(c.who, uid); got != want {
				t.Errorf("uid %d: %s: %t, want %t", uid, c.request, got, want)
			}
		}
	}
}

// TestOutputIsForReaders: what a worker has printed is in no answer to who may not see
// its log, and its rollout is.
func TestOutputIsForReaders(t *testing.T) {
	const reader, stranger = 1003, 1005
	for _, path := range []string{"/v1/status", "/v1/rollout?app=other"} {
		for uid, want := range map[int]bool{0: true, reader: true, stranger: false} {
			d := newFake("/nonexistent")
			d.rights.All.Readers.UIDs = []int{reader}
			app := &d.status.Apps[slices.IndexFunc(d.status.Apps, func(a api.AppStatus) bool { return a.Name == "other" })]
			rollout := *app.Rollout
			rollout.Output, rollout.Reason = []string{"hunter2"}, "did not become ready"
			app.Rollout = &rollout
			text := handle(d, peer{uid: uid}, httptest.NewRequest("GET", path, nil)).Body.String()
			if got := strings.Contains(text, "hunter2"); got != want || !strings.Contains(text, "did not become ready") {
				t.Errorf("uid %d: %s: %s", uid, path, text)
			}
			if len(rollout.Output) == 0 {
				t.Error("the published status was changed")
			}
		}
	}
}

// A valid request reaches the daemon as it was sent.
func TestAcceptedRequests(t *testing.T) {
	tests := map[string]api.Request{
		`{"action":"deploy","targets":["whois"]}`: {Action: "deploy", Targets: []string{"whois"}},
		`{"action":"deploy","targets":["bare"],"version":"1.5.0~rc1+b2","detach":true,"timeout":5}`: {Action: "deploy", Targets: []string{"bare"},
			Version: "1.5.0~rc1+b2", Detach: true, Timeout: 5},
		`{"action":"rollback","targets":["whois"],"version":"1.4.0","detach":true}`:  {Action: "rollback", Targets: []string{"whois"}, Version: "1.4.0", Detach: true},
		`{"action":"resume","targets":["whois"],"detach":true}`:                      {Action: "resume", Targets: []string{"whois"}, Detach: true},
		`{"action":"hold","targets":["whois"],"reason":"a fair – until Monday"}`:     {Action: "hold", Targets: []string{"whois"}, Reason: "a fair – until Monday"},
		`{"action":"hold","targets":["whois"]}`:                                      {Action: "hold", Targets: []string{"whois"}},
		`{"action":"unhold","targets":["whois"]}`:                                    {Action: "unhold", Targets: []string{"whois"}},
		`{"action":"unregister","targets":["whois"],"version":"1.4.0","force":true}`: {Action: "unregister", Targets: []string{"whois"}, Version: "1.4.0", Force: true},
		`{"action":"refresh","targets":["whois"]}`:                                   {Action: "refresh", Targets: []string{"whois"}},
		`{"action":"refresh"}`: {Action: "refresh"},
	}
	for body, want := range tests {
		d := newFake("/nonexistent")
		w := handle(d, peer{uid: 0}, post(body))
		want.By = peer{uid: 0}.String()
		if diff := cmp.Diff([]api.Request{want}, d.requests()); diff != "" || w.Code != http.StatusOK {
			t.Errorf("%s: %d %s\n%s", body, w.Code, w.Body, diff)
		}
	}
}

func TestResultsBecomeAnswers(t *testing.T) {
	tests := []struct {
		result api.Result
		status int
	}{
		{api.Result{}, 200},
		{api.Result{Code: 7, Outcomes: []api.Outcome{{Name: "whois/web.1", Code: 7, Message: "not ready"}}}, 200},
		{api.Result{Code: 9, Rollout: &api.RolloutStatus{Rollout: release.Rollout{ID: 3, Kind: "deploy"}, Code: 9}, Warnings: []string{"manage.py has changed"}}, 200},
		{api.Result{Code: 2, Error: "no such signal"}, 400},
		{api.Result{Code: 4, Error: "no worker matches"}, 404},
		{api.Result{Code: 8, Error: "still in progress"}, 504},
		{api.Result{Code: 1, Error: "supd is stopping"}, 500},
	}
	for _, test := range tests {
		d := newFake("/nonexistent")
		d.result = test.result
		w := handle(d, peer{uid: 0}, post(`{"action":"start","targets":["whois"]}`))
		var got api.Result
		must(t, json.Unmarshal(w.Body.Bytes(), &got))
		if len(test.result.Outcomes) == 0 {
			test.result.Outcomes = []api.Outcome{} // never null
		}
		if diff := cmp.Diff(test.result, got); diff != "" || w.Code != test.status {
			t.Errorf("%+v: %d, want %d\n%s", test.result, w.Code, test.status, diff)
		}
	}
}

// FuzzRequest sends any body and any URL. None of it may be answered as the
// server's fault, and only the known actions may reach the daemon.
func FuzzRequest(f *testing.F) {
	f.Add(`{"action":"start","targets":["all"]}`, "/v1/status", "target=whois")
	f.Add(`{"action":"signal","targets":["whois/web.1"],"signal":"HUP"}`, "/v1/logs", "target=whois/web&lines=3")
	f.Add(`{"action":"restart","targets":["*"],"hard":true,"timeout":5}`, "/v1/explain", "target=*/web.[1-")
	f.Add(`{"ACTION":"stop","targets":null}`, "/v1/do", "")
	f.Add(`{"action":"deploy","targets":["whois"],"version":"1.5.0","detach":true}`, "/v1/rollout", "app=other&id=7")
	f.Add(`{"action":"unregister","targets":["whois"],"version":"1.5.0","force":true}`, "/v1/audit", "app=other")
	known := slices.Collect(maps.Keys(forms))
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
		if q, err := url.ParseQuery(query); err != nil || q.Get("watch")+q.Get("follow")+q.Get("id") != "" || contains(query, "worker") || path == "/v1/releases" || path == "/v1/audit" {
			return // streams do not end, a rollout to come is waited for, and the others are errors of the daemon's
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
