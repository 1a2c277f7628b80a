package configs

import (
	"flag"
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

// lay writes files into a new directory, which it gives; there is always a
// supd.toml and an apps directory.
func lay(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Dir(dir)} { // for the apps' users
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put(t, dir, "supd.toml", "")
	if err := os.Mkdir(filepath.Join(dir, "apps"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		put(t, dir, name, text)
	}
	return dir
}

func put(t testing.TB, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// load loads the directory's supd.toml as for root, in an empty environment.
func load(dir string, opts ...Option) (*Config, error) {
	return Load(filepath.Join(dir, "supd.toml"), append([]Option{Environ(nil), Root(true)}, opts...)...)
}

// loadApp loads one app file named app.toml.
func loadApp(t *testing.T, text string) (*Config, string) {
	t.Helper()
	dir := lay(t, map[string]string{"apps/app.toml": text})
	c, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c, dir
}

// process gives the one process of the one app.
func process(t *testing.T, c *Config) Process {
	t.Helper()
	if len(c.Apps) != 1 || len(c.Apps[0].Processes) != 1 {
		t.Fatalf("want one app with one process, got %+v", c.Apps)
	}
	return c.Apps[0].Processes[0]
}

// told gives an error's text, "" for none.
func told(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func lines(s string) []string { return strings.Split(strings.TrimSuffix(s, "\n"), "\n") }
