package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/statsd_exporter/pkg/mapper"
)

func TestForward(t *testing.T) {
	const wrong = `: want "udp:HOST:PORT", such as "udp:statsd.example.org:8125", or "" for nowhere`
	for _, test := range []struct{ value, want, err string }{
		{`"udp:statsd.local:8125"`, "statsd.local:8125", ""},
		{`"udp:[::1]:8125"`, "[::1]:8125", ""},
		{`""`, "", ""},
		{`"statsd.local:8125"`, "", `supd.toml:2: metrics.forward: "statsd.local:8125"` + wrong},
		{`"udp:statsd.local"`, "", `supd.toml:2: metrics.forward: "udp:statsd.local"` + wrong},
		{`"udp::8125"`, "", `supd.toml:2: metrics.forward: "udp::8125"` + wrong},
		{`"udp:h:0"`, "", `supd.toml:2: metrics.forward: "udp:h:0"` + wrong},
		{`"tcp:h:1"`, "", `supd.toml:2: metrics.forward: "tcp:h:1"` + wrong},
		{`8125`, "", `supd.toml:2: metrics.forward: want a string, got an integer`},
	} {
		c, err := load(lay(t, map[string]string{"supd.toml": "[metrics]\nforward = " + test.value + "\n"}))
		if told(err) != test.err {
			t.Errorf("%s: %s", test.value, told(err))
		}
		if err == nil && c.Metrics.Forward != test.want {
			t.Errorf("%s: %q", test.value, c.Metrics.Forward)
		}
	}
}

func TestStatsdVariable(t *testing.T) {
	app := func(text string) map[string]string {
		return map[string]string{"apps/app.toml": "user = \"daemon\"\n[process.web]\n" + text}
	}
	c, err := load(lay(t, app("statsd = true\ncommand = \"run {statsd} {env.STATSD_PORT}\"\n")))
	if err != nil {
		t.Fatal(err)
	}
	if !c.Apps[0].Processes[0].Statsd {
		t.Error("no port")
	}
	_, err = load(lay(t, app("command = \"run {statsd}\"\n")))
	if want := `apps/app.toml:3: process.web.command: {statsd}: the process has no port for it; set statsd = true`; told(err) != want {
		t.Errorf("got %s", told(err))
	}
	_, err = load(lay(t, app("statsd = true\ncommand = \"run\"\ndirectory = \"/{statsd}\"\n")))
	if want := `apps/app.toml:5: process.web.directory: {statsd}: is not known here; known: app, process`; told(err) != want {
		t.Errorf("got %s", told(err))
	}
}

func TestMapping(t *testing.T) {
	const good = `mappings:
- match: shop.*.orders
  name: shop_orders_total
  labels: {country: $1}
- match: noise.*
  name: noise
  action: drop
- match: shop.response.404
  name: lost_total
`
	path := filepath.Join(t.TempDir(), "statsd.yml")
	if err := os.WriteFile(path, []byte(good), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := ReadMapping(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		kind mapper.MetricType
		want string // "" is no mapping
	}{
		{"shop.it.orders", mapper.MetricTypeCounter, "shop_orders_total country=it"},
		{"noise.x", mapper.MetricTypeGauge, "noise drop"},
		{"shop.response.404", mapper.MetricTypeCounter, "lost_total"}, // the file outranks what is built in
		{"shop.response.503", mapper.MetricTypeCounter, "statsd_django_responses_total code=5xx"},
		{"view.http_codes.4xx", mapper.MetricTypeCounter, "statsd_django_responses_total code=4xx"},
		{"view.get.shop.views.cart.total", mapper.MetricTypeObserver, "statsd_django_view_duration_seconds method=get view=shop.views.cart"},
		{"view.shop.views.cart.GET", mapper.MetricTypeObserver, "statsd_django_view_duration_seconds method=GET view=shop.views.cart"},
		{"celery.shop.mail.success", mapper.MetricTypeCounter, "statsd_celery_tasks_total event=success task=shop.mail"},
		{"celery.shop.mail.runtime", mapper.MetricTypeObserver, "statsd_celery_task_duration_seconds task=shop.mail"},
		{"pre.gunicorn.log.error", mapper.MetricTypeCounter, "statsd_gunicorn_log_lines_total level=error"},
		{"gunicorn.workers", mapper.MetricTypeGauge, "statsd_gunicorn_workers"},
		{"response.503", mapper.MetricTypeGauge, ""},
		{"something.else", mapper.MetricTypeCounter, ""},
	} {
		got := ""
		if to, labels, ok := m.GetMapping(test.name, test.kind); ok {
			got = to.Name
			if to.Action == mapper.ActionTypeDrop {
				got += " drop"
			}
			for _, name := range sortedKeys(labels) {
				got += " " + name + "=" + labels[name]
			}
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// TestMappingErrors is about files that ask for what supd does not do, or say nothing.
func TestMappingErrors(t *testing.T) {
	rule := func(more string) string { return "mappings:\n- match: a.*\n  name: a\n" + more }
	for _, test := range []struct{ text, want string }{
		{rule("  ttl: 5m\n"), `match "a.*": supd has no ttl: a series lives as long as its slot; remove it`},
		{rule("  observer_type: summary\n"), `match "a.*": supd has no summaries: timers are histograms; remove it`},
		{rule("  quantiles: [{quantile: 0.9, error: 0.1}]\n"), `match "a.*": supd has no summaries: timers are histograms; remove it`},
		{rule("  buckets: [1, 2]\n"), `match "a.*": supd has no buckets to choose: its histograms are native ones, and classic ones by doublings; remove it`},
		{rule("  help: x\n"), `match "a.*": supd has no help of a mapping's own; remove it`},
		{"defaults: {ttl: 1h}\n", "defaults: supd has no ttl, no summaries and no buckets to choose; remove them"},
		{rule("  labls: {a: b}\n"), "line 4: field labls not found"},
		{"mappings:\n- match: a\n  name: supd_x\n", `match "a": name "supd_x" begins as supd's own do; choose another one`},
		{"mappings:\n- match: a\n", `match "a": has no name; write one, also with action: drop`},
		{"mappings:\n- match: '('\n  match_type: regex\n  name: a\n", "match \"(\": missing closing ): `(` (RE2 syntax)"},
		{"mappings:\n- match: a\n  name: shop orders\n", `match "a": name "shop orders": want letters, digits and _, and $1 for what the first * has matched`},
		{"foo: bar\n", "line 1: field foo not found"},
		{"mappings: 1\n", "line 1: cannot unmarshal !!int `1`"},
	} {
		dir := lay(t, map[string]string{"statsd.yml": test.text, "supd.toml": "[metrics]\nstatsd_mapping = \"statsd.yml\"\n"})
		_, err := load(dir)
		if want := "supd.toml:2: metrics.statsd_mapping: " + dir + "/statsd.yml: " + test.want; told(err) != want {
			t.Errorf("got  %s\nwant %s", told(err), want)
		}
	}
	dir := lay(t, map[string]string{"supd.toml": "[metrics]\nstatsd_mapping = \"none.yml\"\n"})
	if _, err := load(dir); !strings.Contains(told(err), "none.yml: no such file or directory") {
		t.Errorf("got %s", told(err))
	}
}

func TestGate(t *testing.T) {
	app := func(process, rollout string) map[string]string {
		return map[string]string{"apps/app.toml": "user = \"daemon\"\nrelease = { directory = \"/opt/app\" }\n[process.web]\ncommand = \"run\"\n" + process + "[rollout]\n" + rollout}
	}
	none := app("", "max_error_rate = 0.05\n")
	none["apps/app.toml"] = strings.Replace(none["apps/app.toml"], "release = { directory = \"/opt/app\" }\n", "", 1)
	if _, err := load(lay(t, none)); err != nil { // a default of the host, perhaps
		t.Errorf("without releases: %v", err)
	}
	if _, err := load(lay(t, app("statsd = true\n", "max_error_rate = 0.05\nmin_requests = 1\nunclear = \"pause\"\n"))); err != nil {
		t.Error(err)
	}
	for _, test := range []struct{ process, rollout, want string }{
		{"", "max_error_rate = 0.05\n", `apps/app.toml:6: rollout.max_error_rate: app app has no process with statsd = true, which would say what becomes of its requests; give it one, or write max_error_rate = 0 in the app's [rollout]`},
		{"", "max_error_rate = 5\n", `apps/app.toml:6: rollout.max_error_rate: 5: want 0 to 1`},
		{"", "min_requests = 0\n", `apps/app.toml:6: rollout.min_requests: 0: want 1 or more`},
		{"", "unclear = \"rollback\"\n", `apps/app.toml:6: rollout.unclear: "rollback": want one of "accept", "pause"`},
	} {
		if _, err := load(lay(t, app(test.process, test.rollout))); told(err) != test.want {
			t.Errorf("got  %s\nwant %s", told(err), test.want)
		}
	}
}
