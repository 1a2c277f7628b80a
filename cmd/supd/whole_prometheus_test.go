package main_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"supd/supervisor/api"
)

// TestPrometheus runs the scripts in which a real Prometheus scrapes supd: what it has
// kept in the end is looked at.
func TestPrometheus(t *testing.T) {
	if os.Getenv(namespaceVariable) != "" {
		t.Skip("runs outside of the namespace")
	}
	t.Parallel()
	all := maps.Clone(commands)
	maps.Copy(all, map[string]func(*testscript.TestScript, bool, []string){
		"prometheus": startPrometheus, // prometheus: with prometheus.yml, and the rules that are shipped
		"scraped":    waitScraped,     // scraped: waits until it has scraped supd after now
		"away":       goesAway,        // away: until the next scraped, supd may be away
		"counted":    countedRequests, // counted [LOAD]: waits until whois has counted what LOAD has sent since the last counted
		"unbroken":   unbroken,        // unbroken WORKER…: no counter went back, no series of these workers has gaps
		"alerted":    alerted,         // [!] alerted ALERT: waits until it fires; !: it never has
		"asked":      askedAll,        // asked: all queries of dashboard and rules have data
	})
	testscript.RunT(scripted{t}, testscript.Params{
		Dir: "testdata/prometheus", WorkdirRoot: scriptRoot(t), Setup: setupPrometheus, Cmds: all,
		Condition: condition, RequireUniqueNames: true,
	})
}

// notHere are series that dashboard and rules ask for and this test need not have, and why.
var notHere = map[string]string{
	"supd_worker_cpu_waiting_seconds_total":    "needs a cgroup v2 that supd may use",
	"supd_worker_memory_waiting_seconds_total": "needs a cgroup v2 that supd may use",
	"supd_worker_io_waiting_seconds_total":     "needs a cgroup v2 that supd may use",
	"supd_worker_cpu_throttled_seconds_total":  "needs a cgroup v2 that supd may use",
	"supd_worker_memory_peak_bytes":            "needs a cgroup v2 that supd may use",
	"supd_worker_memory_limit_bytes":           "needs a cgroup v2 with a limit",
	"supd_worker_oom_kills_total":              "needs a cgroup v2 that supd may use",
	"supd_worker_run_queue_wait_seconds_total": "is there only without a cgroup v2",
	"supd_push_sent_total":                     "pushes are off",
	"supd_push_failures_total":                 "pushes are off",
}

// mayComeAndGo are the series of a worker that are not there at all times.
var mayComeAndGo = []string{"supd_worker_info", "supd_worker_start_time_seconds", "supd_worker_last_exit_code", "supd_worker_proportional_memory_bytes"}

// labelNames are those that a series of supd may have: no pid, and nothing that workers say.
var labelNames = []string{"__name__", "job", "instance", "app", "process", "slot", "state", "reason", "release", "result", "kind",
	"version", "goversion", "le", "socket", "code", "target", "phase"}

type (
	watchKey struct{} // of the *watch in a script's values
	// watch is what a script knows of what Prometheus should have seen.
	watch struct {
		port     string
		began    time.Time
		away     []span
		requests map[string]float64 // that each of two series had counted the last time
	}
	span struct{ from, to time.Time } // to is zero while it lasts
)

func (s span) String() string { return s.from.Format(clock) + " to " + s.to.Format(clock) }

const clock = "15:04:05.000"

func setupPrometheus(e *testscript.Env) error {
	e.Values[watchKey{}] = &watch{requests: map[string]float64{}}
	return setup(e)
}

func watchOf(ts *testscript.TestScript) *watch { return ts.Value(watchKey{}).(*watch) }

// scrapeInterval is that of the script's prometheus.yml, and so long a scrape may take.
const scrapeInterval = time.Second

func startPrometheus(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 0, "prometheus")
	freePort(ts, false, []string{"PROMETHEUS"})
	rules, err := os.ReadFile(filepath.Join(ts.Getenv("REPO"), "configs/prometheus/rules.yml"))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("rules.yml"), rules, 0o644))
	expandFiles(ts, false, []string{"prometheus.yml"})
	w := watchOf(ts)
	w.port, w.began = ts.Getenv("PROMETHEUS"), time.Now()
	startServer(ts, false, []string{"prometheus", "prometheus", "--config.file=" + ts.MkAbs("prometheus.yml"),
		"--storage.tsdb.path=" + ts.MkAbs("tsdb"), "--web.listen-address=127.0.0.1:" + w.port, "--log.level=warn"})
}

// get asks Prometheus's HTTP API.
func (w *watch) get(into any, path string, parameters ...string) error {
	values := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		values.Set(parameters[i], parameters[i+1])
	}
	client := http.Client{Timeout: patience}
	response, err := client.Get("http://127.0.0.1:" + w.port + "/api/v1/" + path + "?" + values.Encode())
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer := struct {
		Error string
		Data  any
	}{Data: into}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if answer.Error != "" {
		return fmt.Errorf("%s %s: %s", path, parameters, answer.Error)
	}
	return nil
}

// kept is a series of Prometheus's.
type kept struct {
	Metric map[string]string
	Values []sample
}

func (k kept) String() string { return fmt.Sprint(k.Metric) }

// sample is written as [SECONDS, "VALUE"].
type sample struct {
	at    time.Time
	value float64
}

func (s *sample) UnmarshalJSON(text []byte) error {
	var seconds float64
	var value string
	if err := json.Unmarshal(text, &[]any{&seconds, &value}); err != nil {
		return err
	}
	s.at = time.UnixMilli(int64(seconds*1000 + 0.5))
	var err error
	s.value, err = strconv.ParseFloat(value, 64)
	return err
}

// raw gives what was scraped, and nothing that is computed from it.
func (w *watch) raw(selector string) ([]kept, error) {
	var answer struct{ Result []kept }
	err := w.get(&answer, "query", "query", selector+"[1h]")
	return answer.Result, err
}

// since gives the values of an expression from the beginning until now.
func (w *watch) since(expr string) ([]kept, error) {
	var answer struct{ Result []kept }
	err := w.get(&answer, "query_range", "query", expr, "step", "1",
		"start", w.began.Format(time.RFC3339), "end", time.Now().Format(time.RFC3339))
	return answer.Result, err
}

const (
	upSeries   = `up{job="supd"}`
	tookSeries = `scrape_duration_seconds{job="supd"}`
)

func waitScraped(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 0, "scraped")
	w, now := watchOf(ts), time.Now()
	poll(ts, func() error {
		all, err := w.raw(upSeries)
		if err != nil {
			return err
		}
		for _, k := range all {
			if last := k.Values[len(k.Values)-1]; last.value == 1 && last.at.After(now) {
				return nil
			}
		}
		return fmt.Errorf("no scrape after %s in %d series", now.Format(clock), len(all))
	})
	for i := range w.away {
		if w.away[i].to.IsZero() {
			w.away[i].to = time.Now()
		}
	}
}

func goesAway(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 0, "away")
	w := watchOf(ts)
	w.away = append(w.away, span{from: time.Now()})
}

// scrapes gives when supd has answered. It must have answered at any time at which it
// was not away: a scrape that has just begun may be cut off by that. One that has timed out
// tells of a busy machine: where nobody listens, a scrape fails at once.
func (w *watch) scrapes(ts *testscript.TestScript) (at []time.Time) {
	up, err := w.raw(upSeries)
	ts.Check(err)
	took, err := w.raw(tookSeries)
	ts.Check(err)
	if len(up) != 1 || len(took) != 1 {
		ts.Fatalf("up: %v, duration: %v", up, took)
	}
	late := map[time.Time]bool{}
	for _, s := range took[0].Values {
		late[s.at] = s.value >= 0.9*scrapeInterval.Seconds()
	}
	for _, s := range up[0].Values {
		switch {
		case s.value == 1:
			at = append(at, s.at)
		case late[s.at]:
			ts.Logf("supd did not answer in time at %s", s.at.Format(clock))
		case !slices.ContainsFunc(w.away, func(a span) bool { return s.at.After(a.from.Add(-scrapeInterval)) && s.at.Before(a.to) }):
			ts.Fatalf("supd did not answer at %s; it was away from %s", s.at.Format(clock), w.away)
		}
	}
	return at
}

// countedRequests compares Prometheus's count of requests with what the load generator
// has sent. Without a load, it is where the next one begins: of what was sent while supd was
// away one series may have lost more than the other.
func countedRequests(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) <= 1, "counted [LOAD]")
	w, sent := watchOf(ts), 0.0
	if len(args) == 1 {
		sent = float64(of(ts).loads[args[0]].Snapshot().Served)
	}
	for _, name := range []string{"supd_worker_requests_total", "supd_worker_request_duration_seconds_count"} {
		poll(ts, func() error {
			now, err := w.sum(name + `{app="whois"}`)
			if err == nil && len(args) == 0 {
				w.requests[name] = now
			}
			if err == nil && now != w.requests[name]+sent {
				err = fmt.Errorf("%s is %v, and was %v; %v were sent", name, now, w.requests[name], sent)
			}
			return err
		})
		w.requests[name] += sent
	}
}

// sum adds up the last samples of series.
func (w *watch) sum(selector string) (sum float64, err error) {
	all, err := w.raw(selector)
	for _, k := range all {
		sum += k.Values[len(k.Values)-1].value
	}
	return sum, err
}

func unbroken(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) > 0, "unbroken WORKER…")
	w := watchOf(ts)
	scrapes := w.scrapes(ts)
	all, err := w.raw(`{__name__=~"supd_.+"}`)
	ts.Check(err)
	var workers []string
	counters := 0
	for _, k := range all {
		name := k.Metric["__name__"]
		for label := range k.Metric {
			if !slices.Contains(labelNames, label) {
				ts.Fatalf("%s has the label %s", k, label)
			}
		}
		switch {
		case isCounter(name):
			counters++
			k.onlyGrows(ts)
			k.without(ts, scrapes, k.Values[0].at)
		case k.Metric["slot"] != "" && !slices.Contains(mayComeAndGo, name):
			k.without(ts, scrapes, scrapes[0])
		}
		if name == "supd_worker_up" {
			n, err := strconv.Atoi(k.Metric["slot"])
			ts.Check(err)
			workers = append(workers, api.WorkerName(k.Metric["app"], k.Metric["process"], n))
		}
	}
	ts.Logf("%d scrapes of %d series, %d of them counters", len(scrapes), len(all), counters)
	slices.Sort(workers)
	slices.Sort(args)
	if !slices.Equal(workers, args) {
		ts.Fatalf("there are series of %v, want %v", workers, args)
	}
}

func (k kept) onlyGrows(ts *testscript.TestScript) {
	for i, s := range k.Values[1:] {
		if before := k.Values[i]; s.value < before.value {
			ts.Fatalf("%s went back from %v to %v at %s", k, before.value, s.value, s.at.Format(clock))
		}
	}
}

// without fails if a scrape from a time on has not had the series. Those of a release
// end when nobody can go back to it.
func (k kept) without(ts *testscript.TestScript, scrapes []time.Time, from time.Time) {
	i := 0
	for _, at := range scrapes {
		if at.Before(from) || k.Metric["release"] != "" && i == len(k.Values) {
			continue
		}
		if i >= len(k.Values) || !k.Values[i].at.Equal(at) {
			ts.Fatalf("%s has no sample at %s", k, at.Format(clock))
		}
		i++
	}
}

func alerted(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, false, len(args) == 1, "[!] alerted ALERT")
	w := watchOf(ts)
	fires := func() (bool, error) {
		fired, err := w.raw(fmt.Sprintf(`ALERTS{alertname=%q,alertstate="firing"}`, args[0]))
		return len(fired) > 0, err
	}
	if neg {
		has, err := fires()
		ts.Check(err)
		if has {
			ts.Fatalf("%s has fired", args[0])
		}
		return
	}
	poll(ts, func() error {
		has, err := fires()
		if err == nil && !has {
			err = fmt.Errorf("%s does not fire", args[0])
		}
		return err
	})
}

// askedAll asks what dashboard and rules ask. Of the rules it is their series: an alert that
// does not fire has no data.
func askedAll(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 0, "asked")
	w := watchOf(ts)
	queries := append(dashboardQueries(ts), w.ruleSelectors(ts)...)
	var empty []string
	for _, q := range queries {
		all, err := w.since(q)
		ts.Check(err)
		if len(all) == 0 && !mayLack(q) {
			empty = append(empty, q)
		}
	}
	for name := range notHere {
		if !strings.Contains(strings.Join(queries, "\n"), name) {
			ts.Fatalf("nobody asks for %s", name)
		}
	}
	if len(empty) > 0 {
		ts.Fatalf("no data of %d queries in %d:\n%s", len(empty), len(queries), strings.Join(empty, "\n"))
	}
}

// mayLack reports whether a query asks for a series that need not be here.
func mayLack(query string) bool {
	return slices.ContainsFunc(seriesName.FindAllString(query, -1), func(n string) bool { return notHere[n] != "" })
}

var seriesName = regexp.MustCompile(`\bsupd_\w+`)

var variables = strings.NewReplacer("$__rate_interval", "5s", "$__range", "1m", "$instance", ".*", "$app", ".*", "$process", ".*")

func dashboardQueries(ts *testscript.TestScript) (all []string) {
	text, err := os.ReadFile(filepath.Join(ts.Getenv("REPO"), "configs/grafana/supd.json"))
	ts.Check(err)
	var board any
	ts.Check(json.Unmarshal(text, &board))
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, one := range v {
				walk(one)
			}
		case map[string]any:
			if expr, is := v["expr"].(string); is {
				all = append(all, variables.Replace(expr))
			}
			for _, one := range v {
				walk(one)
			}
		}
	}
	walk(board)
	return all
}

var selector = regexp.MustCompile(`\b(supd_\w+|process_\w+|up\b)(\{[^}]*\})?`)

// ruleSelectors waits until each rule was evaluated, without an error.
func (w *watch) ruleSelectors(ts *testscript.TestScript) (all []string) {
	var rules struct {
		Groups []struct {
			Rules []struct{ Name, Query, Health, LastError string }
		}
	}
	poll(ts, func() error {
		all = nil
		if err := w.get(&rules, "rules"); err != nil {
			return err
		}
		for _, g := range rules.Groups {
			for _, r := range g.Rules {
				if r.Health != "ok" {
					return fmt.Errorf("%s is %s: %s", r.Name, r.Health, r.LastError)
				}
				all = append(all, selector.FindAllString(r.Query, -1)...)
			}
		}
		return nil
	})
	if len(all) == 0 {
		ts.Fatalf("no rules")
	}
	slices.Sort(all)
	return slices.Compact(all)
}
