package configs

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestREADME holds the reference to the schema: a row for each key, a key for
// each row, and the default that is true.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		if !strings.HasSuffix(m[1], ".*") {
			got = append(got, m[1])
		}
	}
	if diff := cmp.Diff(set(t, supported()), set(t, got)); diff != "" {
		t.Errorf("keys of the schema and rows of README.md, -schema +README:\n%s", diff)
	}
	for key, want := range builtIn(t) {
		row := regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(key) + "` \\|[^|]*\\| `?([^|]*?)`? \\|").FindStringSubmatch(string(text))
		if row == nil || row[1] != want {
			t.Errorf("README.md, default of %s: got %q, want %q", key, row, want)
		}
	}
}

// TestReference holds examples/ to the schema: each key appears, and where the
// comment says default, the value is the built-in one.
func TestReference(t *testing.T) {
	got := map[string]bool{}
	for _, file := range []string{"examples/supd.toml", "examples/apps/reference.toml", "examples/apps/jobs.toml"} {
		top, _ := parse(file, readFile(t, file), &report{})
		for _, key := range leaves(top) {
			got[general(key)] = true
		}
	}
	for _, key := range supported() {
		found := false
		for have := range got {
			found = found || have == key || strings.HasPrefix(have, key+".")
		}
		if !found {
			t.Errorf("%s is in no reference example", key)
		}
	}
	want, checked := builtIn(t), 0
	line := regexp.MustCompile(`^(\w+) += (.*?) +# default(?:$|[;:] )`)
	table := ""
	for _, text := range lines(string(readFile(t, "examples/apps/reference.toml"))) {
		if header, ok := strings.CutPrefix(text, "["); ok {
			header, _, _ = strings.Cut(header, "]")
			table = general(header + ".")
		}
		m := line.FindStringSubmatch(text)
		if m == nil || strings.Contains(text, "# default: ") {
			continue // default: something else
		}
		if value, known := want[table+m[1]]; known {
			checked++
			if m[2] != value {
				t.Errorf("%s%s = %s is no default, want %s", table, m[1], m[2], value)
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d defaults are stated in the reference", checked)
	}
}

// supported gives the keys that the schema acts on, those of [defaults] not a
// second time.
func supported() []string {
	var all []string
	for _, key := range append(names(settingsKeys), names(appKeys)...) {
		if !strings.HasPrefix(key, "defaults.") {
			all = append(all, key)
		}
	}
	return all
}

// builtIn gives the built-in defaults as they are written, by key of the README.
func builtIn(t *testing.T) map[string]string {
	t.Helper()
	top, ok := parse("", defaultsFile, &report{})
	if !ok {
		t.Fatal("defaults.toml is no TOML")
	}
	all := map[string]string{}
	for _, key := range leaves(top) {
		v := top
		for part := range strings.SplitSeq(key, ".") {
			v = v.Table[part]
		}
		key = strings.Replace(key, "defaults.process.", "process.NAME.", 1)
		all[strings.TrimPrefix(key, "defaults.")] = written(*v)
	}
	return all
}

func written(v value) string {
	switch v.Kind {
	case aString:
		return `"` + v.Text + `"`
	case anArray:
		var items []string
		for _, item := range v.Items {
			items = append(items, written(item))
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return v.Text
}

// leaves gives the dotted keys of everything that is no table.
func leaves(v *value) []string {
	var all []string
	for _, name := range sortedKeys(v.Table) {
		child := v.Table[name]
		if child.Kind != aTable {
			all = append(all, child.Place.Key)
		}
		all = append(all, leaves(child)...)
	}
	return all
}

var instance = regexp.MustCompile(`^(process|socket)\.[a-z]+\.`)

func general(key string) string { return instance.ReplaceAllString(key, "$1.NAME.") }

func set(t *testing.T, list []string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, s := range list {
		if all[s] {
			t.Errorf("%s is there twice", s)
		}
		all[s] = true
	}
	return all
}

func readFile(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestDocument(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"no value", "a = 1\nb = \n", "f:2: "},
		{"no closing quote", "a = 'x\nb = 2", "f:1: "},
		{"at the end", "[a", "f:1: "},
		{"key twice", "a = 1\n\na = 2\n", "f:3: a: defined twice, first in line 1"},
		{"table twice", "[a]\nb = 1\n[a]\n", "f:3: a: defined twice, first in line 1"},
		{"table of a value", "a = 1\n[a]\n", "f:2: a: defined twice, first in line 1"},
		{"below a value", "a = 1\n[a.b]\n", "f:2: a: defined twice, first in line 1"},
		{"in an inline table", "a = { b = 1, b = 2 }\n", "f:1: a.b: defined twice, first in line 1"},
		{"two at once", "a = 1\na = 2\nb = 1\nb = 2\n", "f:2: a: defined twice, first in line 1\nf:4: b: defined twice, first in line 3"},
		{"table before its parent", "[a.b]\nc = 1\n[a]\nd = 1\n", ""},
		{"inline table extended", "a = { b = 1 }\n[a.c]\n", "f:2: "},
		{"array of tables", "[[process]]\n", "f:1: process: [[…]] makes an array of tables, which no key wants; write [process]"},
		{"no such day", "a = 2026-02-30\n", "f:1: "},
		{"too large", "a = 99999999999999999999\n", "f:1: "},
		{"zero byte in a key", `"a\u0000" = 1`, `f:1: "a\x00": a key with a zero byte`},
		{"invalid utf-8", "a = \"\xff\"\n", "f:1: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := &report{}
			parse("f", []byte(test.text), r)
			got := told(r.sorted())
			if got != test.want && !(strings.HasSuffix(test.want, ": ") && strings.HasPrefix(got, test.want)) {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestPlaces(t *testing.T) {
	r := &report{}
	top, _ := parse("f", []byte("a = 1\n[b.c]\n'd e' = [\n  'x',\n  2,\n]\n"), r)
	items := top.Table["b"].Table["c"].Table["d e"].Items
	for i, want := range []Place{{"f", 4, `b.c."d e"`}, {"f", 5, `b.c."d e"`}} {
		if items[i].Place != want {
			t.Errorf("item %d is at %+v, want %+v", i, items[i].Place, want)
		}
	}
}
