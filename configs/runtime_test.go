package configs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestRuntime(t *testing.T) {
	defer unix.Umask(unix.Umask(0o022))
	r := Runtime(t.TempDir() + "/run")
	for range 2 {
		if err := r.Make(); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]os.FileMode{}
	for _, dir := range []string{string(r), r.Workers(), r.Probes(), r.Notifies()} {
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		got[filepath.Base(dir)] = info.Mode().Perm()
	}
	want := map[string]os.FileMode{"run": 0o755, "workers": 0o711, "probe": 0o700, "notify": 0o711}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, want := Runtime("/run/supd").Private(LaunchName("app", "web", 2, 7), 1), "/run/supd/probe/app.web.2.7.1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
