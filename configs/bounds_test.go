package configs

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// many is a text for each number.
func many(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// A small file needs little memory, whatever is in it, and what is too much is said
// with its line. Each of these needed hundreds of megabytes, or seconds, or is one of
// the bounds.
func TestBounds(t *testing.T) {
	const most = 200 << 20 // bytes allocated in all, not at a time
	process := "user = \"nobody\"\n[process.web]\ncommand = \"true\"\n"
	for name, c := range map[string]struct{ text, want string }{
		"dotted key":       {process + strings.Repeat("a.", 20_000) + "a = 1\n", "app.toml:4: a key of more than 16 parts"},
		"dotted, spaced":   {process + strings.Repeat("a . ", 17) + "a = 1\n", "app.toml:4: a key of more than 16 parts"},
		"header":           {process + "[" + strings.Repeat("a.", 20_000) + "a]\n", "app.toml:4: a key of more than 16 parts"},
		"arrays":           {process + "a = " + strings.Repeat("[", 500_000), "app.toml:4: more than 16 brackets in each other"},
		"inline tables":    {process + "\n\na = " + strings.Repeat("{a = ", 20_000), "app.toml:6: more than 16 brackets in each other"},
		"after strings":    {process + "x = ['''a''''', \"\"\"\\\"\"\"\"\"\", '\\', \"\\\"\", \"\", ''] # [\n" + "a = " + strings.Repeat("[", 17) + "\n", "app.toml:5: more than 16 brackets in each other"},
		"values":           {process + "a = [" + strings.Repeat("1,", 200_000) + "]\n", "app.toml:4: more than 131072 keys and values; split the file"},
		"keys of a table":  {process + "[env]\n" + many(50_000, "k%d = 1\n"), "app.toml:4101: env.k4096: the table has more than 4096 keys"},
		"tables":           {many(10_000, "[process.p%d]\n"), "app.toml:4097: process.p4096: the table has more than 4096 keys"},
		"keys in an array": {process + "a = [{" + many(20_000, "k%d = 1, ") + "}]\n", "app.toml:4: process.web.a.k4096: the table has more than 4096 keys"},
		"long key":         {process + "[" + strings.Repeat("a", 100_000) + "]\n" + many(4000, "k%d = 1\n"), "app.toml: its keys have more than 8388608 bytes together, each with those above it; shorten them, or split the file"},
		"env of each":      {"user = \"nobody\"\n[env]\n" + many(2000, "k%d = \"\"\n") + many(1000, "[process.p%d]\ncommand = \"a\"\n"), "app.toml: its processes take more than 32 MiB together, with what is said for all of them: too many, or too much in env"},
		"workers":          {process + "count = 20000\n[process.more]\ncommand = \"true\"\ncount = 20000\n", "app.toml:4: process.web.count: the app has more than 32768 workers with those of web"},
		"long expression":  {process + "ready = { log = \"" + strings.Repeat("a{1000}", 3200) + "\" }\n", "app.toml:4: process.web.ready.log: a regular expression of 22400 bytes: want at most 1000; match a shorter part of the line"},
		"expression":       {process + "ready = { log = \"" + strings.Repeat("a{1000}", 140) + "\" }\n", "app.toml:4: process.web.ready.log: a regular expression as large as one of 140000 letters, with each {n} written out: want at most 1000; repeat less in it"},
		"workers of one":   {process + "count = 1000000\n", "app.toml:4: process.web.count: 1000000: want 0 to 32768"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := load(lay(t, map[string]string{"apps/app.toml": c.text}))
		runtime.ReadMemStats(&after)
		if want := "apps/" + c.want; told(err) != want {
			t.Errorf("%s: %.200s, want %s", name, told(err), want)
		}
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > most {
			t.Errorf("%s: %d MiB are allocated for %d KiB", name, allocated>>20, len(c.text)>>10)
		}
	}
}

// All that is within the bounds is read as before.
func TestWithinBounds(t *testing.T) {
	text := "user = \"nobody\"\n[env]\nA = '''" + strings.Repeat("[.", 100) + "'''\nB = \"\"\"\n" + strings.Repeat("[\n", 100) + "\"\"\"\nC = '" + strings.Repeat("[", 100) + "' # " + strings.Repeat("[", 100) + "\n" +
		many(1000, "[process.p%d]\ncommand = [\"true\"]\nsuccess_exit = [0, 1]\n")
	if _, err := load(lay(t, map[string]string{"apps/app.toml": text})); err != nil {
		t.Errorf("%.300s", err)
	}
}

// Of thousands of errors some are shown, and how many there are.
func TestManyErrors(t *testing.T) {
	_, err := load(lay(t, map[string]string{"apps/app.toml": many(3000, "k%d = 1\n")}))
	all := lines(told(err))
	if want := "apps/app.toml: has 3001 errors, and these are 100 of them"; len(all) != mostErrors+1 || all[0] != want {
		t.Errorf("%d lines, the first is %q, want %q", len(all), all[0], want)
	}
}

// A mapping file is bounded before the mapper makes its states: these would take from
// a hundred megabytes up to many thousand.
func TestMappingBounds(t *testing.T) {
	const most = 100 << 20
	path := filepath.Join(t.TempDir(), "statsd.yml")
	mapping := "- match: \"a%[1]d.*.*.*.*.*\"\n  name: a%[1]d\n"
	for name, c := range map[string]struct{ text, want string }{
		"many":    {many(1000, mapping), "1000 mappings with 6000 parts in all: want at most 500, and 1048576 where both are multiplied"},
		"long":    {many(400, strings.Replace(mapping, ".*", strings.Repeat(".*", 5), 1)), "400 mappings with 4000 parts in all: want"},
		"aliases": {"- &m\n  match: a.*\n  name: a\n" + strings.Repeat("- *m\n", 40_000), "40001 mappings with 80002 parts in all"},
		"large":   {strings.Repeat("# \n", 100_000), "is longer than 262144 bytes"},
		"nested":  {"- match: " + strings.Repeat("[", 200_000), "exceeded max depth of 10000"},
		"regex":   {"- match: \"" + strings.Repeat("a{1000}", 140) + "\"\n  match_type: regex\n  name: a\n", "a regular expression as large as one of 140000 letters"},
		"enough":  {many(300, mapping), ""},
	} {
		put(t, filepath.Dir(path), filepath.Base(path), "mappings:\n"+c.text)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := ReadMapping(path)
		runtime.ReadMemStats(&after)
		if (err == nil) != (c.want == "") || !strings.Contains(told(err), c.want) {
			t.Errorf("%s: %.200s, want %s", name, told(err), c.want)
		}
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > most {
			t.Errorf("%s: %d MiB are allocated for %d KiB", name, allocated>>20, len(c.text)>>10)
		}
	}
}

// The same holds of an environment file.
func TestEnvFileBounds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "env")
	put(t, filepath.Dir(path), filepath.Base(path), strings.Repeat("x\n", maxFile/2))
	_, err := ReadEnvFile(path, nil)
	if all := lines(told(err)); len(all) != mostErrors+1 || !strings.HasSuffix(all[mostErrors], ":101: more is wrong from here on") {
		t.Errorf("%d lines, the last is %q", len(all), all[len(all)-1])
	}
}
