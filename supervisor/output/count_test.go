package output

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestChanged: a log is told of once for all that was written to it since, and one that
// nothing was written to is not.
func TestChanged(t *testing.T) {
	dir, files := t.TempDir(), silentFiles()
	path := func(name string) string { return filepath.Join(dir, name) }
	logs := map[string]*Log{}
	for _, name := range []string{"web", "worker", "idle"} {
		l, err := files.Open(path(name), Options{UID: -1, GID: -1, Mode: 0o600})
		must(t, err)
		logs[name] = l
	}
	defer files.Close()
	say := func(name, text string) {
		c, w := start(t, logs[name], nil)
		w.WriteString(text)
		w.Close()
		wait(t, c)
	}
	say("web", "one\n")
	say("web", "two\n")
	say("worker", "three\n")
	for _, want := range []map[string]Count{
		{path("web"): {Written: 8}, path("worker"): {Written: 6}},
		{},
		{path("web"): {Written: 13}},
	} {
		if diff := cmp.Diff(want, files.Changed()); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
		if len(want) == 0 {
			say("web", "four\n")
		}
	}
}
