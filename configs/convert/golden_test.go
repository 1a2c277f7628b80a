package convert

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares with a file, or writes it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s, -want +got:\n%s", file, diff)
	}
}

// wants looks for texts; those that begin with ! are not to be there.
func wants(t *testing.T, got string, all []string) {
	t.Helper()
	for _, want := range all {
		without, not := strings.CutPrefix(want, "!")
		if not == strings.Contains(got, without) {
			t.Errorf("%q: %s", want, got)
		}
	}
}

// told gives all of a result but what is of this machine.
func told(r *Result) string {
	var b strings.Builder
	for _, a := range r.Apps {
		fmt.Fprintf(&b, "# file: %s.toml\n%s\n", a.Name, a.Text)
		for _, f := range a.Secrets {
			fmt.Fprintf(&b, "# file: %s\n%s\n", f.Name, f.Text)
		}
	}
	fmt.Fprintf(&b, "# %d programs: %d as before, %d with a difference, %d by hand\n", r.Report.Programs, r.Report.Clean, r.Report.Changed, r.Report.Hand)
	for _, n := range r.Report.Notes {
		if n.Kind != Host {
			fmt.Fprintf(&b, "%s: %s [%s] [%s]\n", n.Kind, n.Text, strings.Join(n.Programs, " "), strings.Join(n.Lines, " "))
		}
	}
	if r.Report.Daemon != "" {
		fmt.Fprintf(&b, "# supd.toml\n%s", r.Report.Daemon)
	}
	for _, n := range r.Report.Names {
		fmt.Fprintf(&b, "%s = %s\n", n.Old, n.Target)
	}
	return b.String()
}

// Each sample becomes what is in its golden file, and what that has no place for is told.
func TestSamples(t *testing.T) {
	files, err := filepath.Glob("testdata/samples/d*.[ci][on][ni]*")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".golden") {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			r, err := Convert([]string{file}, Options{Env: sampleEnv})
			if err != nil {
				t.Fatal(err)
			}
			passes(t, r)
			golden(t, file+".golden", told(r))
		})
	}
}

var sampleEnv = map[string]string{"RUN_AS": "api", "ENABLE_API": "true", "LOG_DIR": "/var/log/api"}
