package release

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReleases(t *testing.T) {
	root, s := installed(t), Open(filepath.Join(t.TempDir(), "state"))
	if all, err := s.Releases("app"); len(all) > 0 || err != nil {
		t.Errorf("before all: %v, %v", all, err)
	}
	if apps, err := s.Apps(); len(apps) > 0 || err != nil {
		t.Errorf("before all: %v, %v", apps, err)
	}
	for _, version := range []string{"10", "9", "8"} {
		mustRegister(t, s, inPlace(root, version))
	}
	mustRegister(t, s, Registration{App: "b", Version: "1", Path: root})
	put(t, s.releases("app"), "11.json", "{", 0o644)
	put(t, s.releases("app"), "12.json", `{"format":2,"app":"app","version":"12","path":"/"}`, 0o644)
	put(t, s.releases("app"), "13.json", `{"format":1,"app":"app","version":"10","path":"/"}`, 0o644)
	put(t, s.releases("app"), "14.json", `{"format":1,"app":"app","version":"14","path":"/","snapshot":"14.1/../../../x"}`, 0o644)
	put(t, s.releases("app"), "15.json", strings.Repeat("{", smallSize+1), 0o644)
	must(t, os.Symlink("10.json", filepath.Join(s.releases("app"), "16.json")))
	put(t, s.releases("app"), "README", "no record", 0o644)
	put(t, s.releases("app"), ".17.json123", "half of one", 0o644)
	all, err := s.Releases("app")
	var got []string
	for _, r := range all {
		got = append(got, r.Version)
	}
	if strings.Join(got, " ") != "10 9 8" {
		t.Errorf("releases %q", got)
	}
	for _, want := range []string{
		"11.json: unreadable record: ", "12.json: written by a newer supd, with record format 2; this one knows 1",
		"13.json: is a record of app 10", `14.json: "14.1/../../../x" is no snapshot of 14`, "15.json: longer than", "16.json: too many levels of symbolic links",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %s", err, want)
		}
	}
	if apps, err := s.Apps(); strings.Join(apps, " ") != "app b" || err != nil {
		t.Errorf("apps %q, %v", apps, err)
	}
	// An unreadable record does not get in the way of another one.
	if r, changed := mustRegister(t, s, inPlace(root, "11")); !changed || r.Order != 4 {
		t.Errorf("in the place of a record that is none: %+v, %v", r, changed)
	}
}

// TestMovedState: a registry may be built in a chroot and used outside.
func TestMovedState(t *testing.T) {
	root, s := installed(t), Open(filepath.Join(t.TempDir(), "state"))
	mustRegister(t, s, inPlace(root, "1.0"))
	must(t, os.Rename(s.dir, s.dir+"-moved"))
	moved := Open(s.dir + "-moved")
	r, err := moved.Get("app", "1.0")
	must(t, err)
	if found, err := moved.Changed(r); len(found) > 0 || err != nil {
		t.Errorf("changed: %q, %v", found, err)
	}
}

// TestOrderWithoutClock: the release that is registered last is the newest,
// whatever the clock says.
func TestOrderWithoutClock(t *testing.T) {
	root, s := installed(t), Open(t.TempDir())
	first, _ := mustRegister(t, s, Registration{App: "app", Version: "1.0", Path: root})
	first.RegisteredAt = time.Now().AddDate(10, 0, 0)
	must(t, s.write(first))
	mustRegister(t, s, Registration{App: "app", Version: "2.0", Path: root})
	if got := versions(t, s, "app"); got != "1.0 2.0" {
		t.Errorf("releases %s", got)
	}
}

// current is where app's link leads to; "" if there is none.
func current(t *testing.T, s *Store) string {
	t.Helper()
	target, err := os.Readlink(filepath.Join(s.app("app"), currentName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return target
}

func TestCurrent(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "state"))
	must(t, s.SetCurrent("app", ""))
	if target := current(t, s); target != "" {
		t.Errorf("before all: %q", target)
	}
	must(t, os.MkdirAll(s.app("app"), 0o755))
	must(t, os.Symlink("/killed", filepath.Join(s.app("app"), ".current")))
	for _, want := range []string{"/opt/app/1.0", "/opt/app/2.0", "/opt/app/2.0", ""} {
		must(t, s.SetCurrent("app", want))
		if target := current(t, s); target != want {
			t.Errorf("%q: want %q", target, want)
		}
		if names, _ := listNames(s.app("app")); strings.Contains(strings.Join(names, " "), ".") != false {
			t.Errorf("left are %q", names)
		}
	}
	if err := s.SetCurrent("app", "opt"); err == nil || !strings.Contains(err.Error(), "not absolute") {
		t.Errorf("relative: %v", err)
	}
}

// TestCurrentIsAlwaysThere while it is switched.
func TestCurrentIsAlwaysThere(t *testing.T) {
	s := Open(t.TempDir())
	must(t, s.SetCurrent("app", "/a"))
	done := make(chan error)
	go func() {
		var errs []error
		for i := range 500 {
			errs = append(errs, s.SetCurrent("app", []string{"/b", "/a"}[i%2]))
		}
		done <- errors.Join(errs...)
	}()
	for {
		if target := current(t, s); target != "/a" && target != "/b" {
			t.Fatalf("%q", target)
		}
		select {
		case err := <-done:
			must(t, err)
			return
		default:
		}
	}
}

// TestCurrentRelease: who may not read the journal finds the active release by the link.
func TestCurrentRelease(t *testing.T) {
	s, dir := Open(t.TempDir()), t.TempDir()
	if _, err := s.Current("app"); !errors.Is(err, ErrUnknown) {
		t.Errorf("before all: %v", err)
	}
	for _, version := range []string{"1.0", "2.0"} {
		must(t, os.Mkdir(filepath.Join(dir, version), 0o755))
		_, _, err := s.Register(t.Context(), Registration{App: "app", Version: version, Path: filepath.Join(dir, version), Origin: Manual})
		must(t, err)
	}
	must(t, s.SetCurrent("app", filepath.Join(dir, "1.0")))
	if r, err := s.Current("app"); err != nil || r.Version != "1.0" {
		t.Errorf("%+v, %v", r, err)
	}
	must(t, s.SetCurrent("app", "/elsewhere"))
	if r, err := s.Current("app"); !errors.Is(err, ErrUnknown) {
		t.Errorf("%+v, %v", r, err)
	}
}
