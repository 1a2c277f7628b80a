package configs

import (
	"errors"
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
	for _, dir := range []string{string(r), r.Workers(), r.Launches(), r.Probes(), r.Notifies(), r.Output(), r.Sockets()} {
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		got[filepath.Base(dir)] = info.Mode().Perm()
	}
	want := map[string]os.FileMode{"run": 0o711, "workers": 0o711, "launches": 0o700, "probe": 0o700, "notify": 0o711, "output": 0o700, "sockets": 0o700}
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

// TestRuntimeCheck: what keeps a start from having its directories is known before, without
// anything being made.
func TestRuntimeCheck(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: directories of another user")
	}
	defer unix.Umask(unix.Umask(0o022))
	damages := map[string]func(dir string) error{
		"of another user": func(dir string) error { return os.Chown(dir, 54321, -1) },
		"everybody's":     func(dir string) error { return unix.Chmod(dir, 0o777) },
		"a file":          func(dir string) error { return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)) },
		"a link to a file": func(dir string) error {
			return errors.Join(os.RemoveAll(dir), os.WriteFile(dir+".file", nil, 0o600), os.Symlink(dir+".file", dir))
		},
		"a link to nothing": func(dir string) error { return errors.Join(os.RemoveAll(dir), os.Symlink("nothing", dir)) },
		"gone":              os.RemoveAll,
		"entered by others": func(dir string) error { return unix.Chmod(dir, 0o755) },
		"a link": func(dir string) error {
			return errors.Join(os.Rename(dir, dir+".moved"), os.Symlink(dir+".moved", dir))
		},
	}
	for damage, do := range damages {
		for i := range Runtime("").directories() {
			r := Runtime(t.TempDir() + "/run")
			if err := r.Check(); err != nil {
				t.Fatalf("before the first start: %v", err)
			}
			if _, err := os.Lstat(string(r)); err == nil {
				t.Fatal("the check has made something")
			}
			if err := r.Make(); err != nil {
				t.Fatal(err)
			}
			dir := r.directories()[i].path
			if err := do(dir); err != nil {
				t.Fatal(err)
			}
			said, want := r.Check(), r.Make()
			if (said == nil) != (want == nil) {
				t.Errorf("%s, %s: %v, and the start says %v", filepath.Base(dir), damage, said, want)
			}
		}
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
