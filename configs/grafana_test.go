package configs

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v2"
)

// dashboard is what the tests look at of grafana/supd.json.
type dashboard struct {
	UID           string
	SchemaVersion int
	Annotations   struct{ List []query }
	Templating    struct {
		List []struct {
			Name, Type string
			Datasource source
			Query      any
		}
	}
	Panels []panel
}

type panel struct {
	ID          int
	Type, Title string
	GridPos     struct{ X, Y, W, H int }
	Datasource  source
	Targets     []query
}

type query struct {
	Name, RefID, Expr string
	Datasource        source
}

type source struct{ Type, UID string }

// chosen is the data source that the reader chooses, whatever it is called.
var chosen = source{"prometheus", "${datasource}"}

func readDashboard(t *testing.T) (d dashboard) {
	if err := json.Unmarshal(readFile(t, "grafana/supd.json"), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// Grafana takes the dashboard without edits, and shows each panel in a place of its own.
func TestDashboard(t *testing.T) {
	d := readDashboard(t)
	if d.UID != "supd" || d.SchemaVersion != 42 || len(d.Panels) == 0 {
		t.Errorf("uid %q, schema %d, %d panels", d.UID, d.SchemaVersion, len(d.Panels))
	}
	if v := d.Templating.List[0]; v.Type != "datasource" || v.Query != chosen.Type || "${"+v.Name+"}" != chosen.UID {
		t.Errorf("the first variable is %+v", v)
	}
	for _, v := range d.Templating.List[1:] {
		if v.Datasource != chosen {
			t.Errorf("variable %s: data source %v", v.Name, v.Datasource)
		}
	}
	for _, a := range d.Annotations.List {
		if a.Datasource != chosen {
			t.Errorf("annotation %s: data source %v", a.Name, a.Datasource)
		}
	}
	for i, p := range d.Panels {
		p.look(t)
		for _, before := range d.Panels[:i] {
			if p.ID == before.ID || p.Title == before.Title {
				t.Errorf("%s has number %d, and %s has %d", p.Title, p.ID, before.Title, before.ID)
			}
			if p.overlaps(before) {
				t.Errorf("%s lies on %s: %v, %v", p.Title, before.Title, p.GridPos, before.GridPos)
			}
		}
	}
}

func (p panel) look(t *testing.T) {
	if g := p.GridPos; p.ID < 1 || p.Title == "" || g.X < 0 || g.Y < 0 || g.W < 1 || g.H < 1 || g.X+g.W > 24 {
		t.Errorf("panel %d %q at %v", p.ID, p.Title, g)
	}
	if p.Type == "row" {
		return
	}
	if p.Datasource != chosen || len(p.Targets) == 0 {
		t.Errorf("%s: data source %v, %d targets", p.Title, p.Datasource, len(p.Targets))
	}
	var ids []string
	for _, q := range p.Targets {
		if q.Datasource != chosen || q.Expr == "" || slices.Contains(ids, q.RefID) {
			t.Errorf("%s: %+v", p.Title, q)
		}
		ids = append(ids, q.RefID)
	}
}

func (p panel) overlaps(q panel) bool {
	a, b := p.GridPos, q.GridPos
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}

var dashboardVariable = regexp.MustCompile(`\$(\w+)`)

// Every query parses, and uses no variable that there is not. promtool reads them as
// recording rules.
func TestDashboardQueries(t *testing.T) {
	d := readDashboard(t)
	known := map[string]string{"__rate_interval": "1m", "__range": "6h"}
	for _, v := range d.Templating.List {
		known[v.Name] = ".*"
	}
	type record struct{ Record, Expr string }
	var rules []record
	add := func(where string, q query) {
		expr := dashboardVariable.ReplaceAllStringFunc(q.Expr, func(name string) string {
			value, is := known[strings.TrimPrefix(name, "$")]
			if !is {
				t.Errorf("%s: there is no %s", where, name)
			}
			return value
		})
		rules = append(rules, record{fmt.Sprintf("q:%d", len(rules)), expr})
	}
	for _, a := range d.Annotations.List {
		add(a.Name, a)
	}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			add(p.Title, q)
		}
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}
