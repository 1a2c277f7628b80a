package configs

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestChanged(t *testing.T) {
	app := "[process.web]\ncommand = \"sleep 1\"\n"
	all := map[string]string{"supd.toml": "[daemon]\napps = \"apps\"\n", "apps/a.toml": app, "apps/b.toml": app}
	at := time.Unix(1e9, 0)
	for name, c := range map[string]struct {
		do    func(dir string) error
		apps  map[string]bool
		count int
	}{
		"nothing":   {func(string) error { return nil }, map[string]bool{}, 0},
		"an app":    {func(dir string) error { return os.WriteFile(dir+"/apps/a.toml", []byte(app+"count = 2\n"), 0o644) }, map[string]bool{"a": true}, 1},
		"supd.toml": {func(dir string) error { return os.WriteFile(dir+"/supd.toml", []byte("# other\n"), 0o644) }, map[string]bool{}, 1},
		"gone":      {func(dir string) error { return os.Remove(dir + "/apps/b.toml") }, map[string]bool{"b": true}, 1},
		"new":       {func(dir string) error { return os.Rename(dir+"/apps/b.toml", dir+"/apps/c.toml") }, map[string]bool{"b": true, "c": true}, 2},
		"no app":    {func(dir string) error { return os.WriteFile(dir+"/apps/.a.toml.swp", nil, 0o644) }, map[string]bool{}, 0},
		"touched":   {func(dir string) error { return os.Chtimes(dir+"/apps/a.toml", at, at) }, map[string]bool{}, 0},
		"replaced by the same": {func(dir string) error {
			if err := os.WriteFile(dir+"/apps/new", []byte(app), 0o644); err != nil {
				return err
			}
			return os.Rename(dir+"/apps/new", dir+"/apps/a.toml")
		}, map[string]bool{}, 0},
		"a directory": {func(dir string) error {
			if err := os.Remove(dir + "/apps/a.toml"); err != nil {
				return err
			}
			return os.Mkdir(dir+"/apps/a.toml", 0o755)
		}, map[string]bool{"a": true}, 1},
	} {
		dir := lay(t, all)
		cfg, err := Load(filepath.Join(dir, "supd.toml"), Environ(nil), Root(false))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.do(dir); err != nil {
			t.Fatal(err)
		}
		apps, count, err := cfg.Changed()
		if diff := cmp.Diff(c.apps, apps); diff != "" || count != c.count || err != nil {
			t.Errorf("%s: %d files, want %d; error %v; apps (-want +got):\n%s", name, count, c.count, err, diff)
		}
	}
}

func TestChangedWithoutDirectory(t *testing.T) {
	dir := lay(t, map[string]string{"supd.toml": "[daemon]\napps = \"apps\"\n", "apps/a.toml": "[process.web]\ncommand = \"sleep 1\"\n"})
	cfg, err := Load(filepath.Join(dir, "supd.toml"), Environ(nil), Root(false))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir + "/apps"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := cfg.Changed(); err == nil {
		t.Error("no error")
	}
}
