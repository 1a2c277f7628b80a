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
	for _, dir := range []string{string(r), r.Workers(), r.Launches(), r.Probes(), r.Notifies()} {
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		got[filepath.Base(dir)] = info.Mode().Perm()
	}
	want := map[string]os.FileMode{"run": 0o755, "workers": 0o711, "launches": 0o700, "probe": 0o700, "notify": 0o711}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, want := Runtime("/run/supd").Worker("app", LaunchName("app", "web", 2, 7)), "/run/supd/workers/app/app.web.2.7"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, name := range []string{"", ".", "..", ".hidden", "a.b", LaunchName("app", "web", 2, 7), "a/b"} {
		if AppNameProblem(name) == "" {
			t.Errorf("the room of an app %q would be something else", name)
		}
	}
	if got, want := Runtime("/run/supd").Private(LaunchName("app", "web", 2, 7), 1), "/run/supd/probe/app.web.2.7.1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestParseLaunchName(t *testing.T) {
	for _, name := range []string{"a.web.1.7", "my-app.web_2.0.1"} {
		app, process, slot, generation, ok := ParseLaunchName(name)
		if again := LaunchName(app, process, slot, generation); !ok || again != name {
			t.Errorf("%s: %s, %t", name, again, ok)
		}
	}
	for _, name := range []string{"", "a.web.1", "a.web.1.7.1", "a.web.-1.7", "a.web.1.0", "a.web.01.7", "a.web.+1.7", "A.web.1.7", "a/b.web.1.7", "..1.7", "a.web.99999999999999999999.1"} {
		if _, _, _, _, ok := ParseLaunchName(name); ok {
			t.Errorf("%q is taken for a launch", name)
		}
	}
}
