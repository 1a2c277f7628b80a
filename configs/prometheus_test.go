package configs

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v2"
)

// rule is an alert of prometheus/rules.yml.
type rule struct {
	Alert       string
	Labels      map[string]string
	Annotations map[string]string
}

func alertRules(t *testing.T) (all []rule) {
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal(readFile(t, "prometheus/rules.yml"), &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// Each alert says how bad it is, what it is about, and where to read on; and the runbook
// is about them, in their order.
func TestAlerts(t *testing.T) {
	var names, headings []string
	for _, r := range alertRules(t) {
		names = append(names, r.Alert)
		if s := r.Labels["severity"]; !slices.Contains([]string{"critical", "warning", "info"}, s) {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s: annotations %q", r.Alert, r.Annotations)
		}
		if want := "RUNBOOK.md#" + strings.ToLower(r.Alert); r.Annotations["runbook"] != want {
			t.Errorf("%s: runbook %q, want %s", r.Alert, r.Annotations["runbook"], want)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^### (.+)$`).FindAllSubmatch(readFile(t, "prometheus/RUNBOOK.md"), -1) {
		headings = append(headings, string(m[1]))
	}
	if diff := cmp.Diff(names, headings); diff != "" || len(names) == 0 {
		t.Errorf("-rules.yml +RUNBOOK.md:\n%s", diff)
	}
}

// Of each alert there is a test in which it fires for one series and not for another, and
// one of a time at which it does not fire; all hold.
func TestAlertsFire(t *testing.T) {
	type alert struct {
		Labels map[string]string `yaml:"exp_labels"`
	}
	var file struct {
		Tests []struct {
			Series []struct{ Series string } `yaml:"input_series"`
			Alerts []struct {
				Name   string  `yaml:"alertname"`
				Expect []alert `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal(readFile(t, "prometheus/rules_test.yml"), &file); err != nil {
		t.Fatal(err)
	}
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, a := range test.Alerts {
			spares := false
			for _, s := range test.Series {
				spares = spares || !slices.ContainsFunc(a.Expect, func(e alert) bool { return isAbout(s.Series, e.Labels) })
			}
			quiet[a.Name] = quiet[a.Name] || len(a.Expect) == 0
			fires[a.Name] = fires[a.Name] || len(a.Expect) > 0 && spares
		}
	}
	for _, r := range alertRules(t) {
		if !fires[r.Alert] || !quiet[r.Alert] {
			t.Errorf("%s: a test in which it fires, beside series for which it does not: %t; one in which it does not: %t", r.Alert, fires[r.Alert], quiet[r.Alert])
		}
	}
	promtool(t, "test", "rules", "rules_test.yml")
}

// isAbout reports whether a series is of what the labels of an alert name.
func isAbout(series string, labels map[string]string) bool {
	for _, name := range []string{"instance", "app", "target"} {
		if value, is := labels[name]; is && !strings.Contains(series, name+`="`+value+`"`) {
			return false
		}
	}
	return true
}

func TestScrapeConfiguration(t *testing.T) { promtool(t, "check", "config", "prometheus.yml") }

func promtool(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("promtool"); err != nil {
		if os.Getenv("SUPD_TEST_REQUIRE") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	cmd := exec.Command("promtool", args...)
	cmd.Dir = "prometheus"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %v\n%s", cmd, err, out)
	}
}
