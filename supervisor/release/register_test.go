package release

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSideBySide(t *testing.T) {
	root, s := installed(t), Open(filepath.Join(t.TempDir(), "not", "there", "yet"))
	r := Registration{App: "app", Version: "1:1.0+dfsg~rc1-2_x", Path: root + "/", By: 1000}
	first, changed := mustRegister(t, s, r)
	if !changed || first.Files() != root || first.Path != root || first.Snapshot != "" || first.By != 1000 || first.Deploy || first.Origin != Manual {
		t.Errorf("registered as %+v, %v", first, changed)
	}
	r.By = 0
	if again, changed := mustRegister(t, s, r); changed || again.RegisteredAt.Compare(first.RegisteredAt) != 0 || again.By != 1000 {
		t.Errorf("registered again as %+v, %v", again, changed)
	}
	if names := snapshots(t, s, "app"); names != "" {
		t.Errorf("there are snapshots: %s", names)
	}
	r.Deploy = true
	if asked, changed := mustRegister(t, s, r); !changed || !asked.Deploy || asked.RegisteredAt.Compare(first.RegisteredAt) != 0 {
		t.Errorf("with Deploy: %+v, %v", asked, changed)
	}
	r.Deploy = false
	if still, changed := mustRegister(t, s, r); changed || !still.Deploy {
		t.Errorf("without Deploy again: %+v, %v", still, changed)
	}
	must(t, s.ClearDeploy(t.Context(), r.App, r.Version))
	if taken, err := s.Get(r.App, r.Version); err != nil || taken.Deploy {
		t.Errorf("taken: %+v, %v", taken, err)
	}
	r.Path = installed(t)
	if moved, changed := mustRegister(t, s, r); !changed || moved.Path != r.Path || !moved.RegisteredAt.After(first.RegisteredAt) {
		t.Errorf("moved: %+v, %v", moved, changed)
	}
}

func TestRegisterRefuses(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "file", "", 0o644)
	must(t, os.Symlink(dir, filepath.Join(dir, "link")))
	good := Registration{App: "app", Version: "1.0", Path: dir}
	for _, c := range []struct {
		change func(*Registration)
		want   string
	}{
		{func(r *Registration) { r.Path = "opt/app" }, `app 1.0: path "opt/app" is not absolute; name the directory from / on`},
		{func(r *Registration) { r.Path += "/gone" }, "does not exist; install the release first, or name its directory"},
		{func(r *Registration) { r.Path += "/file" }, "is not a directory; name the one that the release is in"},
		{func(r *Registration) { r.Path += "/link"; r.InPlace = true }, "not a directory, or a symbolic link; register the directory itself"},
		{func(r *Registration) { r.App = "../app" }, `"../app" is no app's name`},
		{func(r *Registration) { r.App = "-app" }, `"-app" is no app's name`},
		{func(r *Registration) { r.App = "App" }, `"App" is no app's name`},
		{func(r *Registration) { r.Version = "1/../../x" }, `"1/../../x" is no version`},
		{func(r *Registration) { r.Version = ".." }, `".." is no version`},
		{func(r *Registration) { r.Version = "" }, `"" is no version`},
		{func(r *Registration) { r.Version = strings.Repeat("1", 65) }, "longer than 64 bytes"},
	} {
		s, r := Open(filepath.Join(t.TempDir(), "state")), good
		c.change(&r)
		if _, _, err := s.Register(t.Context(), r); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", r, err, c.want)
		}
		if apps, err := s.Apps(); len(apps) > 0 || err != nil {
			t.Errorf("%+v: left %q, %v", r, apps, err)
		}
	}
}

// reachable sets the mode of the test's directories above root.
func reachable(t *testing.T, root string, mode fs.FileMode) {
	for dir := filepath.Dir(root); strings.Contains(dir, t.Name()); dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, mode))
	}
}

// TestProtectedByParent: a file that all may read, in a directory that not all may
// enter, is no more open in a snapshot.
func TestProtectedByParent(t *testing.T) {
	needRoot(t, "a group is given to a directory")
	for name, c := range map[string]struct {
		own, above fs.FileMode
		group      int
		want       fs.FileMode
		gid        uint32
	}{
		"all":           {0o755, 0o711, 0, 0o755, 0},
		"group":         {0o750, 0o755, 7, 0o750, 7},
		"group above":   {0o755, 0o710, 7, 0o750, 7},
		"nobody":        {0o700, 0o755, 7, 0o700, 0},
		"group, nobody": {0o750, 0o700, 7, 0o700, 0},
	} {
		base := t.TempDir()
		root := filepath.Join(base, "above", "own", "app")
		must(t, os.MkdirAll(root, 0o755))
		put(t, root, "settings.py", "secret", 0o644)
		reachable(t, root, 0o755)
		for dir, mode := range map[string]fs.FileMode{filepath.Dir(root): c.own, filepath.Join(base, "above"): c.above} {
			must(t, errors.Join(os.Chown(dir, 0, c.group), os.Chmod(dir, mode)))
		}
		r, _ := mustRegister(t, Open(filepath.Join(t.TempDir(), "state")), inPlace(root, "1.0"))
		var st unix.Stat_t
		must(t, unix.Stat(filepath.Dir(r.Snapshot), &st))
		if fs.FileMode(st.Mode&0o777) != c.want || st.Gid != c.gid {
			t.Errorf("%s: mode %o, group %d; want %o, %d", name, st.Mode&0o777, st.Gid, c.want, c.gid)
		}
	}
}

func TestInPlace(t *testing.T) {
	old := unix.Umask(0o077) // of whoever calls supctl
	defer unix.Umask(old)
	root, s := installed(t), Open(filepath.Join(t.TempDir(), "state"))
	reachable(t, root, 0o755)
	r, changed := mustRegister(t, s, inPlace(root, "1.0"))
	if want := filepath.Join(s.dir, "apps/app/snapshots/1.0.1/tree"); !changed || r.Snapshot != want || r.Files() != want || r.Path != root {
		t.Fatalf("registered as %+v, %v; want the snapshot %s", r, changed, want)
	}
	sameTree(t, root, r.Snapshot, true)
	for _, path := range []string{s.dir, s.app("app"), s.releases("app"), s.snapshots("app"), filepath.Dir(r.Snapshot)} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	for _, path := range []string{s.recordFile("app", "1.0"), filepath.Join(filepath.Dir(r.Snapshot), manifestName)} {
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o644 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if again, changed := mustRegister(t, s, inPlace(root, "1.0")); changed || again.Snapshot != r.Snapshot {
		t.Errorf("registered again as %+v, %v", again, changed)
	}
	if names := snapshots(t, s, "app"); names != "1.0.1" {
		t.Errorf("snapshots %s", names)
	}
}

// TestNextVersion: a snapshot stays as it was when dpkg replaces the files at its
// path.
func TestNextVersion(t *testing.T) {
	root, s := installed(t), Open(t.TempDir())
	first, _ := mustRegister(t, s, inPlace(root, "1.0"))
	before := filesIn(t, first.Snapshot)
	replace(t, root, "lib/site-packages/app.py", "version = 2\n")
	must(t, os.Remove(filepath.Join(root, "bin/gunicorn")))
	put(t, root, "lib/new.py", "", 0o644)
	second, _ := mustRegister(t, s, inPlace(root, "2.0"))
	sameTree(t, root, second.Snapshot, true)
	for name, f := range filesIn(t, first.Snapshot) {
		if f != before[name] {
			t.Errorf("%s of the old snapshot has changed: %+v, was %+v", name, f, before[name])
		}
	}
	if got := versions(t, s, "app"); got != "1.0 2.0" {
		t.Errorf("releases %s", got)
	}
	// The downgrade installs the same old files again, under other inodes.
	replace(t, root, "lib/site-packages/app.py", "version = 1\n")
	put(t, root, "bin/gunicorn", "#!python\n", 0o755)
	must(t, os.Chtimes(filepath.Join(root, "bin/gunicorn"), time.Time{}, before["bin/gunicorn"].mtime))
	must(t, os.Remove(filepath.Join(root, "lib/new.py")))
	third, changed := mustRegister(t, s, inPlace(root, "1.0"))
	if !changed || third.Snapshot != first.Snapshot || !third.RegisteredAt.After(second.RegisteredAt) {
		t.Errorf("the downgrade is %+v, %v", third, changed)
	}
	if got := versions(t, s, "app"); got != "2.0 1.0" {
		t.Errorf("releases %s", got)
	}
}

func TestSameVersionOtherFiles(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, root string){
		"content": func(t *testing.T, root string) { replace(t, root, "lib/site-packages/app.py", "version = 2\n") },
		"size":    func(t *testing.T, root string) { replace(t, root, "lib/site-packages/app.py", "version = 11\n") },
		"mode":    func(t *testing.T, root string) { must(t, os.Chmod(filepath.Join(root, "bin/gunicorn"), 0o700)) },
		"written": func(t *testing.T, root string) { put(t, root, "bin/gunicorn", "#!pythoN\n", 0o755) },
		"dir":     func(t *testing.T, root string) { must(t, os.Chmod(filepath.Join(root, "lib"), 0o700)) },
		"root":    func(t *testing.T, root string) { must(t, os.Chmod(root, 0o700)) },
		"new":     func(t *testing.T, root string) { put(t, root, "lib/zzz", "", 0o644) },
		"first":   func(t *testing.T, root string) { put(t, root, "lib/aaa", "", 0o644) },
		"removed": func(t *testing.T, root string) { must(t, os.Remove(filepath.Join(root, "dangling"))) },
		"tree":    func(t *testing.T, root string) { must(t, os.RemoveAll(filepath.Join(root, "lib"))) },
		"type": func(t *testing.T, root string) {
			must(t, os.Remove(filepath.Join(root, "lib/site-packages/empty")))
			put(t, root, "lib/site-packages/empty", "", 0o755)
		},
		"target": func(t *testing.T, root string) {
			info, err := os.Lstat(filepath.Join(root, "lib64"))
			must(t, err)
			must(t, os.Remove(filepath.Join(root, "lib64")))
			must(t, os.Symlink("bin", filepath.Join(root, "lib64")))
			at := unix.NsecToTimespec(info.ModTime().UnixNano())
			must(t, unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(root, "lib64"), []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW))
		},
	} {
		t.Run(name, func(t *testing.T) {
			root, s := installed(t), Open(t.TempDir())
			first, _ := mustRegister(t, s, inPlace(root, "1.0"))
			change(t, root)
			second, changed := mustRegister(t, s, inPlace(root, "1.0"))
			if !changed || filepath.Base(filepath.Dir(second.Snapshot)) != "1.0.2" || !second.RegisteredAt.After(first.RegisteredAt) {
				t.Errorf("registered again as %+v, %v", second, changed)
			}
			sameTree(t, root, second.Snapshot, true)
			if names := snapshots(t, s, "app"); names != "1.0.1 1.0.2" {
				t.Errorf("snapshots %s", names)
			}
			if _, changed := mustRegister(t, s, inPlace(root, "1.0")); changed {
				t.Error("once more it is another again")
			}
		})
	}
}

// TestDamagedSnapshot: a damaged snapshot is not used again for the same files.
func TestDamagedSnapshot(t *testing.T) {
	for name, damage := range map[string]func(snapshot string) error{
		"manifest": func(snapshot string) error { return os.Truncate(filepath.Dir(snapshot)+"/manifest", 100) },
		"file":     func(snapshot string) error { return os.Remove(snapshot + "/bin/gunicorn") },
		"tree":     os.RemoveAll,
	} {
		t.Run(name, func(t *testing.T) {
			root, s := installed(t), Open(t.TempDir())
			first, _ := mustRegister(t, s, inPlace(root, "1.0"))
			must(t, damage(first.Snapshot))
			second, changed := mustRegister(t, s, inPlace(root, "1.0"))
			if !changed || second.Snapshot == first.Snapshot {
				t.Errorf("registered again as %+v, %v", second, changed)
			}
			sameTree(t, root, second.Snapshot, true)
		})
	}
}

func TestOtherFileSystem(t *testing.T) {
	s := Open(filepath.Join(mountTmpfs(t, "size=10m"), "state"))
	root := installed(t)
	put(t, root, "big", strings.Repeat("0123456789", 300_000), 0o644)
	r, _ := mustRegister(t, s, inPlace(root, "1.0"))
	sameTree(t, root, r.Snapshot, false)
	if _, changed := mustRegister(t, s, inPlace(root, "1.0")); changed {
		t.Error("registered again it is another")
	}
	if found, err := s.Changed(r); len(found) > 0 || err != nil {
		t.Errorf("changed: %q, %v", found, err)
	}
	put(t, root, "big", "now", 0o644) // this writes into the installed file alone
	if found, err := s.Changed(r); len(found) > 0 || err != nil {
		t.Errorf("changed: %q, %v", found, err)
	}
	if second, changed := mustRegister(t, s, inPlace(root, "1.0")); !changed || second.Snapshot == r.Snapshot {
		t.Errorf("with other files: %+v, %v", second, changed)
	}
}

func TestSpecialFiles(t *testing.T) {
	for name, mode := range map[string]uint32{"a fifo": unix.S_IFIFO, "a socket": unix.S_IFSOCK, "a device": unix.S_IFCHR} {
		if mode == unix.S_IFCHR && os.Geteuid() != 0 {
			continue
		}
		root, s := installed(t), Open(t.TempDir())
		special := filepath.Join(root, "lib/special")
		must(t, unix.Mknod(special, mode|0o644, int(unix.Mkdev(1, 3))))
		_, _, err := s.Register(t.Context(), inPlace(root, "1.0"))
		if err == nil || !strings.Contains(err.Error(), special+": "+name+" cannot be part of a release; remove it") {
			t.Errorf("%s: %v", name, err)
		}
		if left, err := listNames(filepath.Join(s.dir, "apps")); len(left) > 0 || err != nil {
			t.Errorf("%s: left %q, %v", name, left, err)
		}
	}
}

func TestStateWithinTree(t *testing.T) {
	root := installed(t)
	_, _, err := Open(filepath.Join(root, "state")).Register(t.Context(), inPlace(root, "1.0"))
	if err == nil || !strings.Contains(err.Error(), "state: is supd's own state directory") {
		t.Errorf("%v", err)
	}
}

// each is a context by which a test acts whenever a directory is begun.
type each struct {
	context.Context
	act func()
}

func (e each) Err() error { e.act(); return nil }

// after gives a context that acts once, as the nth directory is begun.
func after(n int, act func()) context.Context {
	return each{context.Background(), func() {
		if n--; n == 0 {
			act()
		}
	}}
}

// TestTreeThatChanges: the tree has five directories, which are begun in the order
// of their names, once to be kept and once to be compared.
func TestTreeThatChanges(t *testing.T) {
	for name, c := range map[string]struct {
		when    int
		change  func(root string) error
		noticed bool // otherwise the snapshot has the changed tree
	}{
		"not yet seen":        {3, func(root string) error { return os.Remove(root + "/lib/site-packages/app.py") }, false},
		"file gone":           {4, func(root string) error { return os.Remove(root + "/lib64") }, true},
		"directory gone":      {2, func(root string) error { return os.RemoveAll(root + "/lib") }, true},
		"file gone later":     {6, func(root string) error { return os.Remove(root + "/lib64") }, true},
		"directory gone then": {6, func(root string) error { return os.RemoveAll(root + "/lib") }, true},
		"file kept and gone":  {3, func(root string) error { return os.Remove(root + "/bin/gunicorn") }, true},
		"all gone":            {5, os.RemoveAll, true},
		"new file":            {3, func(root string) error { return os.WriteFile(root+"/bin/celery", nil, 0o755) }, true},
		"written":             {3, func(root string) error { return os.WriteFile(root+"/bin/gunicorn", []byte("#!/bin/sh\n"), 0o755) }, true},
		"replaced":            {3, func(root string) error { replace(t, root, "bin/gunicorn", "#!python\n"); return nil }, true},
		"link for directory": {2, func(root string) error {
			return errors.Join(os.Rename(root+"/lib", root+"-old"), os.Symlink("/etc", root+"/lib"))
		}, false},
		"link for kept directory": {3, func(root string) error {
			return errors.Join(os.Rename(root+"/bin", root+"-old"), os.Symlink("/etc", root+"/bin"))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			root, s := installed(t), Open(t.TempDir())
			done := false
			_, _, err := s.Register(after(c.when, func() { done = true; must(t, c.change(root)) }), inPlace(root, "1.0"))
			if !done {
				t.Fatal("nothing was changed")
			}
			if c.noticed {
				if !errors.Is(err, ErrChanging) || snapshots(t, s, "app")+versions(t, s, "app") != "" {
					t.Errorf("want ErrChanging and nothing left, got %v", err)
				}
				return
			}
			must(t, err)
			r, err := s.Get("app", "1.0")
			must(t, err)
			if same, err := isOf(t.Context(), r.Snapshot, root); !same || err != nil {
				t.Errorf("what is kept is something else: %v", err)
			}
		})
	}
}

// TestUnfinishedIsClosed: nobody else can enter a snapshot in the making.
func TestUnfinishedIsClosed(t *testing.T) {
	root, s := installed(t), Open(t.TempDir())
	look := after(3, func() {
		names, err := listNames(s.snapshots("app"))
		must(t, err)
		if len(names) != 1 {
			t.Fatalf("in the making are %q", names)
		}
		info, err := os.Stat(filepath.Join(s.snapshots("app"), names[0]))
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", names[0], info.Mode(), err)
		}
	})
	_, _, err := s.Register(look, inPlace(root, "1.0"))
	must(t, err)
}

// TestLinksAreNotFollowed: somebody who may write into the tree exchanges a
// directory for a link to another, all the time.
func TestLinksAreNotFollowed(t *testing.T) {
	root, s := installed(t), Open(t.TempDir())
	outside := t.TempDir()
	put(t, outside, "app.py", "outside", 0o600)
	must(t, os.Symlink(outside, root+"/lib/link"))
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swapping.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, root+"/lib/link", unix.AT_FDCWD, root+"/lib/site-packages", unix.RENAME_EXCHANGE)
			}
		}
	})
	defer swapping.Wait()
	defer close(stop)
	for range 200 {
		r, _, err := s.Register(t.Context(), inPlace(root, "1.0"))
		if err != nil {
			if !errors.Is(err, ErrChanging) {
				t.Fatal(err)
			}
			continue
		}
		for name, f := range filesIn(t, r.Snapshot) {
			if f.content == "outside" {
				t.Fatalf("%s is in the snapshot", name)
			}
		}
	}
}

func TestLock(t *testing.T) {
	root, s := installed(t), Open(t.TempDir())
	unlock, err := s.lock(t.Context())
	must(t, err)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Open(s.dir).Register(gone, inPlace(root, "1.0")); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "lock: another process changes the registry") {
		t.Errorf("while it is locked: %v", err)
	}
	unlock()
	mustRegister(t, s, inPlace(root, "1.0")) // somebody else may hold it for a moment only
}

// TestTwoAtOnce: of several that register at once, the first takes the snapshot.
func TestTwoAtOnce(t *testing.T) {
	root, dir := installed(t), t.TempDir()
	const many = 8
	var all sync.WaitGroup
	var news [2 * many]bool
	for i := range 2 * many {
		version := "1.0"
		if i%2 == 1 {
			version = "2.0"
		}
		all.Go(func() {
			_, changed, err := Open(dir).Register(context.Background(), inPlace(root, version))
			if err != nil {
				t.Error(err)
			}
			news[i] = changed
		})
	}
	all.Wait()
	if !slices.Contains(news[:], true) {
		t.Error("new to nobody")
	}
	s := Open(dir)
	if got := snapshots(t, s, "app"); got != "1.0.1 2.0.1" {
		t.Errorf("snapshots %s", got)
	}
	if got := versions(t, s, "app"); got != "1.0 2.0" && got != "2.0 1.0" {
		t.Errorf("releases %s", got)
	}
}

func unprivileged(s *Store, root string) error {
	ctx := context.Background()
	r, _, err := s.Register(ctx, inPlace(root, "1.0"))
	if err != nil {
		return err
	}
	if found, err := s.Changed(r); err != nil || len(found) > 0 {
		return errors.Join(err, errors.New(strings.Join(found, ", ")))
	}
	if _, changed, err := s.Register(ctx, inPlace(root, "1.0")); err != nil || changed {
		return errors.Join(err, errors.New("registered again it is another"))
	}
	if err := s.Unregister(ctx, "app", "1.0"); err != nil {
		return err
	}
	names, err := listNames(s.snapshots("app"))
	if err == nil && len(names) > 0 {
		err = errors.New(strings.Join(names, ", ") + " are left")
	}
	return err
}

// TestUnprivileged: a supd of an ordinary user, with files of root's and
// directories that cannot be written.
func TestUnprivileged(t *testing.T) {
	needRoot(t, "becomes another user")
	dir, err := os.MkdirTemp("/tmp", "release")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	root := filepath.Join(dir, "installed")
	must(t, os.MkdirAll(root+"/lib", 0o755))
	put(t, root, "lib/app.py", "x", 0o644)
	put(t, root, "app.py", "x", 0o444)
	must(t, os.Chmod(root+"/lib", 0o555))
	state := filepath.Join(dir, "state")
	must(t, os.Mkdir(state, 0o755))
	must(t, os.Chown(state, 65534, 65534))
	cmd := helper(t, "unprivileged", state, root)
	exe, err := os.Readlink("/proc/self/exe")
	must(t, err)
	data, err := os.ReadFile(exe)
	must(t, err)
	cmd.Path = filepath.Join(dir, "test") // another user may run it there
	must(t, os.WriteFile(cmd.Path, data, 0o755))
	must(t, os.Chmod(cmd.Path, 0o755))
	cmd.SysProcAttr = as(65534)
	if out, err := cmd.Output(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
