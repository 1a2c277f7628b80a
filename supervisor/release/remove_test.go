package release

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestUnregister(t *testing.T) {
	root, s := installed(t), Open(filepath.Join(t.TempDir(), "state"))
	must(t, s.Unregister(t.Context(), "app", "1.0"))
	if _, err := os.Stat(s.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was not registered has made something: %v", err)
	}
	mustRegister(t, s, inPlace(root, "1.0"))
	put(t, root, "new", "", 0o644)
	mustRegister(t, s, inPlace(root, "1.0"))
	mustRegister(t, s, inPlace(root, "1.0.1")) // its name is that of the first snapshot of 1.0
	must(t, s.Unregister(t.Context(), "app", "1.0"))
	must(t, s.Unregister(t.Context(), "app", "1.0"))
	if got := snapshots(t, s, "app") + " " + versions(t, s, "app"); got != "1.0.1.1 1.0.1" {
		t.Errorf("left are %s", got)
	}
	if _, err := s.Get("app", "1.0"); !errors.Is(err, ErrUnknown) {
		t.Errorf("Get: %v", err)
	}
}

// mountElsewhere starts a process that has mounted a snapshot, as a worker has.
func mountElsewhere(t *testing.T, snapshot, path string) (end func()) {
	t.Helper()
	needRoot(t, "makes a mount namespace")
	cmd := helper(t, "mount", snapshot, path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	end = begin(t, cmd)
	return end
}

func TestBusySnapshotStays(t *testing.T) {
	root, s := installed(t), Open(t.TempDir())
	r, _ := mustRegister(t, s, inPlace(root, "1.0"))
	other, _ := mustRegister(t, s, Registration{App: "other", Version: "1.0", Path: root, InPlace: true})
	end := mountElsewhere(t, r.Snapshot, root)
	must(t, s.Unregister(t.Context(), "app", "1.0"))
	must(t, s.Unregister(t.Context(), "other", "1.0"))
	if got := snapshots(t, s, "app") + " " + snapshots(t, s, "other"); got != "1.0.1 " {
		t.Errorf("left are %s; %s is of another app", got, other.Snapshot)
	}
	if removed, err := s.Prune(t.Context(), "app", 0, nil); len(removed) > 0 || err != nil {
		t.Errorf("pruned %q, %v", removed, err)
	}
	sameTree(t, root, r.Snapshot, true)
	end()
	if removed, err := s.Prune(t.Context(), "app", 0, nil); strings.Join(removed, " ") != "1.0.1" || err != nil {
		t.Errorf("pruned %q, %v", removed, err)
	}
}

func TestPrune(t *testing.T) {
	// 1, 2 and 3 were active before, 4 is active, 5 is to be deployed, 6 is the
	// newest. 2 was registered before with other files.
	fill := func(t *testing.T) *Store {
		root, s := installed(t), Open(t.TempDir())
		for i, version := range []string{"1", "2", "2", "3", "4", "5", "6"} {
			put(t, root, "file.new", strings.Repeat("x", i), 0o644)
			must(t, os.Rename(root+"/file.new", root+"/file"))
			r := inPlace(root, version)
			r.Deploy = version == "5"
			mustRegister(t, s, r)
		}
		mustRegister(t, s, Registration{App: "app", Version: "0", Path: root}) // by its side
		put(t, root, "file.new", "again", 0o644)
		must(t, os.Rename(root+"/file.new", root+"/file"))
		mustRegister(t, s, inPlace(root, "6"))
		return s
	}
	for _, c := range []struct {
		keep      int
		protected string // versions, and snapshots
		removed   string
		left      string
	}{
		{3, "4", "2.1 6.1", "1 2 3 4 5 0 6"},
		{1, "4", "1.1 2.1 2.2 6.1", "3 4 5 0 6"},
		{0, "4", "1.1 2.1 2.2 3.1 6.1", "4 5 0 6"},
		{0, "1 4 2.1", "2.2 3.1 6.1", "1 4 5 0 6"},
		{9, "", "2.1 6.1", "1 2 3 4 5 0 6"},
		{0, "", "1.1 2.1 2.2 3.1 4.1 6.1", "5 0 6"},
	} {
		s := fill(t)
		protects := strings.Fields(c.protected)
		removed, err := s.Prune(t.Context(), "app", c.keep, func(snapshot, version string) bool {
			name := filepath.Base(filepath.Dir(snapshot))
			if _, err := os.Stat(snapshot); err != nil || filepath.Base(snapshot) != treeName {
				t.Errorf("asked of %s, %v", snapshot, err)
			}
			for _, p := range protects {
				if p == name || p == version {
					return true
				}
			}
			return false
		})
		if got := strings.Join(removed, " "); got != c.removed || err != nil {
			t.Errorf("keep %d, protected %s: removed %s, %v; want %s", c.keep, c.protected, got, err, c.removed)
		}
		if got := versions(t, s, "app"); got != c.left {
			t.Errorf("keep %d, protected %s: left %s, want %s", c.keep, c.protected, got, c.left)
		}
		all, _ := s.Releases("app")
		for _, r := range all {
			if found, err := s.Changed(r); len(found) > 0 || err != nil {
				t.Errorf("%s: %q, %v", r.Version, found, err)
			}
		}
		if again, err := s.Prune(t.Context(), "app", c.keep, func(snapshot, version string) bool { return true }); len(again) > 0 || err != nil {
			t.Errorf("all is protected, and removed is %q, %v", again, err)
		}
	}
}

// TestPruneKnowsWhatItRemoves: an unreadable record may point to any snapshot.
func TestPruneKnowsWhatItRemoves(t *testing.T) {
	root, s := installed(t), Open(t.TempDir())
	mustRegister(t, s, inPlace(root, "1"))
	mustRegister(t, s, inPlace(root, "2"))
	must(t, os.WriteFile(s.recordFile("app", "1"), []byte("{"), 0o644))
	if removed, err := s.Prune(t.Context(), "app", 0, nil); len(removed) > 0 || err == nil {
		t.Errorf("removed %q, %v", removed, err)
	}
	if got := snapshots(t, s, "app"); got != "1.1 2.1" {
		t.Errorf("left are %s", got)
	}
}

// TestRemovalFollowsNoLinks: the app's user may own the tree that is removed.
func TestRemovalFollowsNoLinks(t *testing.T) {
	root, s, outside := installed(t), Open(t.TempDir()), t.TempDir()
	put(t, outside, "file", "", 0o644)
	must(t, os.Symlink(outside, root+"/lib/outside"))
	r, _ := mustRegister(t, s, inPlace(root, "1.0"))
	must(t, os.Symlink(outside, r.Snapshot+"/lib/more"))
	must(t, s.Unregister(t.Context(), "app", "1.0"))
	if _, err := os.Stat(outside + "/file"); err != nil {
		t.Error(err)
	}
	if got := snapshots(t, s, "app"); got != "" {
		t.Errorf("left are %s", got)
	}
}

func TestChanged(t *testing.T) {
	root, s := installed(t), Open(t.TempDir())
	r, _ := mustRegister(t, s, inPlace(root, "1.0"))
	if found, err := s.Changed(r); len(found) > 0 || err != nil {
		t.Errorf("at first: %q, %v", found, err)
	}
	// In the installed tree: a write into a file, and a replacement of one.
	if out, err := exec.Command("sh", "-c", "echo '# debug' >>"+root+"/bin/gunicorn").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	must(t, os.Chmod(root+"/lib/site-packages/app-1.0", 0o640))
	replace(t, root, "lib/site-packages/app.py", "version = 2\n")
	put(t, root, "lib/new.py", "", 0o644)
	// In the snapshot itself.
	must(t, os.Remove(r.Snapshot+"/dangling"))
	must(t, os.WriteFile(r.Snapshot+"/lib/more.py", nil, 0o644))
	must(t, os.WriteFile(r.Snapshot+"/zzz", nil, 0o644))
	replace(t, r.Snapshot, "lib/site-packages/secret", "y\n")
	found, err := s.Changed(r)
	want := "bin/gunicorn: has another size\ndangling: is gone\nlib/more.py: is new\n" +
		"lib/site-packages/app-1.0: has another mode\nlib/site-packages/secret: was replaced\nzzz: is new"
	if got := strings.Join(found, "\n"); got != want || err != nil {
		t.Errorf("changed:\n%s\n%v; want\n%s", got, err, want)
	}
	must(t, os.RemoveAll(r.Snapshot))
	if _, err := s.Changed(r); !errors.Is(err, ErrMissing) {
		t.Errorf("without its files: %v", err)
	}
}

func TestChangedSideBySide(t *testing.T) {
	root, s := installed(t), Open(t.TempDir())
	r, _ := mustRegister(t, s, Registration{App: "app", Version: "1.0", Path: root})
	put(t, root, "new", "", 0o644)
	if found, err := s.Changed(r); len(found) > 0 || err != nil {
		t.Errorf("%q, %v", found, err)
	}
	must(t, os.RemoveAll(root))
	put(t, filepath.Dir(root), "installed", "a file", 0o644)
	if _, err := s.Changed(r); !errors.Is(err, ErrMissing) {
		t.Errorf("without its directory: %v", err)
	}
}
