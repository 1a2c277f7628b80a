package control

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/release"
)

// TestOpenAPI holds the server against the description of its API: the same paths, methods,
// parameters, actions and fields, no more and no fewer, and answers that are as described.
func TestOpenAPI(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromFile("../../configs/docs/openapi.yaml")
	must(t, err)
	must(t, doc.Validate(t.Context()))
	d := newFake("/nonexistent")
	d.releases, d.findings = &api.ReleaseList{App: "other", Releases: []api.ReleaseStatus{}, History: []release.Rollout{}}, []api.Finding{{App: "whois", Message: "gone"}}
	served := NewServer(d, testOptions()).routes().(routes)
	described := map[string]string{}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described[path] = method
		}
	}
	methods := map[string]string{}
	for path, route := range served {
		methods[path] = route.method
	}
	if diff := cmp.Diff(methods, described); diff != "" {
		t.Fatalf("paths, -served +described:\n%s", diff)
	}
	for path, item := range doc.Paths.Map() {
		if item.Get != nil {
			t.Run(path, func(t *testing.T) { holds(t, d, path, item.Get) })
		}
	}
}

// sample has a value for each parameter that some path must have.
var sample = url.Values{"target": {"whois/web"}, "app": {"other"}}

func holds(t *testing.T, d *fake, path string, described *openapi3.Operation) {
	ask := func(q url.Values) *httptest.ResponseRecorder {
		return handle(d, peer{uid: 0}, httptest.NewRequest("GET", path+"?"+q.Encode(), nil))
	}
	must := url.Values{}
	for _, p := range described.Parameters {
		if p.Value.Required {
			must[p.Value.Name] = sample[p.Value.Name]
		}
	}
	for _, p := range described.Parameters {
		if w := ask(url.Values{p.Value.Name: sample[p.Value.Name]}); contains(w.Body.String(), "unknown parameter") {
			t.Errorf("%s is not served", p.Value.Name)
		}
	}
	for _, name := range []string{"target", "app", "watch", "lines", "follow", "since", "from", "id", "other"} {
		described := slices.ContainsFunc(described.Parameters, func(p *openapi3.ParameterRef) bool { return p.Value.Name == name })
		q := maps.Clone(must)
		q.Set(name, "x")
		if w := ask(q); !described && w.Code != http.StatusBadRequest {
			t.Errorf("%s is served, and not described: %d", name, w.Code)
		}
	}
	w := ask(must)
	content := described.Responses.Status(http.StatusOK).Value.Content.Get(strings.Split(w.Header().Get("Content-Type"), ";")[0])
	if w.Code != http.StatusOK || content == nil {
		if path != "/v1/logs" { // there is none
			t.Fatalf("%d, %s: %s", w.Code, w.Header(), w.Body)
		}
		content = described.Responses.Default().Value.Content.Get("application/json")
	}
	for line := range strings.Lines(w.Body.String()) {
		var answer any
		if err := json.Unmarshal([]byte(line), &answer); err != nil {
			t.Fatal(err)
		}
		if err := content.Schema.Value.VisitJSON(answer); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestOpenAPIFields: each value of the API is described with the fields that it has.
func TestOpenAPIFields(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromFile("../../configs/docs/openapi.yaml")
	must(t, err)
	for name, value := range map[string]any{
		"Version": Version{}, "Where": Where{}, "Status": api.Status{}, "App": api.AppStatus{}, "Process": api.ProcessStatus{}, "Worker": api.WorkerStatus{},
		"Exit": api.Exit{}, "Hold": release.Hold{}, "Rollout": api.RolloutStatus{}, "Progress": api.Progress{}, "RolloutLine": RolloutLine{},
		"Figures": api.Figures{}, "AppFigures": api.AppFigures{}, "Pause": api.Pause{}, "SocketFigures": api.SocketFigures{}, "ProcessFigures": api.ProcessFigures{},
		"WorkerFigures": api.WorkerFigures{}, "Requests": api.Requests{}, "Explanation": api.Explanation{}, "ReleaseList": api.ReleaseList{},
		"Release": api.ReleaseStatus{}, "PastRollout": release.Rollout{}, "Finding": api.Finding{}, "Request": api.Request{}, "CommandRequest": api.CommandRequest{}, "CommandEnd": api.CommandEnd{}, "Result": api.Result{},
		"Outcome": api.Outcome{}, "Error": Error{}, "Changes": api.Changes{}, "AppChange": api.AppChange{}, "WorkerChange": api.WorkerChange{},
		"KeyChange": configs.KeyChange{}, "Refusal": api.Refusal{}, "File": configs.File{}, "Behind": api.Behind{},
	} {
		schema := doc.Components.Schemas[name]
		if schema == nil {
			t.Errorf("%s is not described", name)
			continue
		}
		got, want := slices.Sorted(maps.Keys(schema.Value.Properties)), fieldsOf(reflect.TypeOf(value))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -has +described:\n%s", name, diff)
		}
	}
	var actions []string
	for _, action := range doc.Components.Schemas["Request"].Value.Properties["action"].Value.Enum {
		actions = append(actions, action.(string))
	}
	var known []string
	for action := range forms {
		known = append(known, string(action))
	}
	slices.Sort(actions)
	slices.Sort(known)
	if diff := cmp.Diff(known, actions); diff != "" {
		t.Errorf("actions, -known +described:\n%s", diff)
	}
}

// fieldsOf names what the JSON of a struct has.
func fieldsOf(s reflect.Type) (names []string) {
	for i := range s.NumField() {
		f := s.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case f.Anonymous && name == "":
			names = append(names, fieldsOf(inner)...)
		case f.IsExported() && name != "-":
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
