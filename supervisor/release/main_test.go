package release

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds what takes no time when all is well.
const patience = 30 * time.Second

// helperVar names the task that a copy of the test binary does instead of testing.
const helperVar = "SUPD_RELEASE_TEST_HELPER"

func TestMain(m *testing.M) {
	if task := os.Getenv(helperVar); task != "" {
		if err := help(task, os.Args[1:]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func help(task string, args []string) error {
	switch task {
	case "register": // STATE PATH VERSION: again and again
		for {
			if _, _, err := Open(args[0]).Register(context.Background(), inPlace(args[1], args[2])); err != nil {
				return err
			}
			if err := Open(args[0]).Unregister(context.Background(), "app", args[2]); err != nil {
				return err
			}
		}
	case "mount": // SNAPSHOT PATH [ROOT]: in a mount namespace of its own, until its input ends
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return err
		}
		if err := unix.Mount(args[0], args[1], "", unix.MS_BIND, ""); err != nil {
			return err
		}
		if len(args) == 3 { // and has its own root there, unlike its child
			child := exec.Command("/proc/self/exe")
			child.Env = append(os.Environ(), helperVar+"=wait")
			child.Stdin = os.Stdin
			if err := child.Start(); err != nil {
				return err
			}
			if err := unix.Chroot(args[2]); err != nil {
				return err
			}
		}
		fmt.Println("mounted")
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	case "wait": // for the end of the input
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	case "unprivileged": // STATE PATH: everything that is done with a snapshot
		return unprivileged(Open(args[0]), args[1])
	case "open": // a journal, and keep it until the end of the input
		j, err := OpenJournal(args[0])
		if err != nil {
			return err
		}
		defer j.Close()
		fmt.Println("open")
		_, err = io.Copy(io.Discard, os.Stdin)
		return err
	case "write": // a journal, again and again
		j, err := OpenJournal(args[0])
		if err != nil {
			return err
		}
		fmt.Println("open")
		for i := j.State().NextID + 1; ; i++ {
			if err := j.Write(numbered(i)); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("no task %q", task)
}

// helper prepares a copy of the test binary for a task.
func helper(t *testing.T, task string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), helperVar+"="+task)
	cmd.Stderr = os.Stderr
	return cmd
}

// begin starts a helper and waits for its first line. The helper ends when end is
// called, or the test ends.
func begin(t *testing.T, cmd *exec.Cmd) (end func()) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() {
		if !ended {
			in.Close()
			cmd.Process.Kill()
			cmd.Wait()
		}
		ended = true
	}
	t.Cleanup(end)
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || strings.Contains(line, " ") {
		t.Fatalf("the helper said %q, %v", line, err)
	}
	return end
}

func needRoot(t *testing.T, why string) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("SUPD_TEST_REQUIRE") == "1" {
		t.Fatal("needs root, and SUPD_TEST_REQUIRE=1 forbids to skip")
	}
	t.Skip("needs root: " + why)
}

// mountTmpfs gives a directory on a file system of its own.
func mountTmpfs(t *testing.T, options string) string {
	t.Helper()
	needRoot(t, "mounts a tmpfs")
	dir := t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, options)
	if errors.Is(err, unix.EPERM) && os.Getenv("SUPD_TEST_REQUIRE") != "1" {
		t.Skip("mount is not permitted")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// installed makes a tree of what a virtualenv has.
func installed(t testing.TB) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "installed")
	for _, dir := range []string{"", "bin", "lib", "lib/site-packages", "lib/site-packages/empty"} {
		must(t, os.Mkdir(filepath.Join(root, dir), 0o755))
	}
	put(t, root, "bin/gunicorn", "#!python\n", 0o755)
	put(t, root, "lib/site-packages/app.py", "version = 1\n", 0o644)
	put(t, root, "lib/site-packages/secret", "x\n", 0o600)
	put(t, root, "lib/site-packages/app-1.0", "sorts between app and app.py\n", 0o644)
	put(t, root, "a name\nof two lines", "", 0o444)
	must(t, os.Symlink("/usr/bin/python3", filepath.Join(root, "bin/python")))
	must(t, os.Symlink("lib", filepath.Join(root, "lib64")))
	must(t, os.Symlink("nowhere", filepath.Join(root, "dangling")))
	must(t, os.Chmod(filepath.Join(root, "lib/site-packages"), 0o2750))
	past := time.Date(2020, 1, 2, 3, 4, 5, 6789, time.UTC)
	for _, dir := range []string{"lib/site-packages", "lib", ""} {
		must(t, os.Chtimes(filepath.Join(root, dir), past, past))
	}
	return root
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, root, name, content string, mode fs.FileMode) {
	t.Helper()
	path := filepath.Join(root, name)
	must(t, os.WriteFile(path, []byte(content), mode))
	must(t, os.Chmod(path, mode))
}

// replace does what dpkg does: another file comes to the name.
func replace(t testing.TB, root, name, content string) {
	t.Helper()
	path := filepath.Join(root, name)
	old, err := os.Stat(path)
	must(t, err)
	must(t, os.WriteFile(path+".dpkg-new", []byte(content), old.Mode()))
	must(t, os.Chmod(path+".dpkg-new", old.Mode()))
	must(t, os.Chtimes(path+".dpkg-new", time.Time{}, old.ModTime()))
	must(t, os.Rename(path+".dpkg-new", path))
}

// file has what a test compares of a file.
type file struct {
	mode    fs.FileMode
	uid     uint32
	mtime   time.Time
	content string // or target
	ino     uint64
}

func filesIn(t testing.TB, root string) map[string]file {
	t.Helper()
	all := map[string]file{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		must(t, err)
		info, err := d.Info()
		must(t, err)
		st := info.Sys().(*syscall.Stat_t)
		f := file{mode: info.Mode(), uid: st.Uid, mtime: info.ModTime(), ino: st.Ino}
		switch {
		case d.Type().IsRegular():
			content, err := os.ReadFile(path)
			must(t, err)
			f.content = string(content)
		case d.Type() == fs.ModeSymlink:
			f.content, err = os.Readlink(path)
			must(t, err)
		case d.IsDir():
			f.ino = 0
		}
		rel, err := filepath.Rel(root, path)
		must(t, err)
		all[rel] = f
		return nil
	})
	must(t, err)
	return all
}

// sameTree fails unless both have the same files: linked, or copied.
func sameTree(t *testing.T, want, got string, linked bool) {
	t.Helper()
	a, b := filesIn(t, want), filesIn(t, got)
	for name, f := range a {
		g, there := b[name]
		if f.mode.IsRegular() && linked != (f.ino == g.ino) {
			t.Errorf("%q: inodes %d and %d", name, f.ino, g.ino)
		}
		f.ino, g.ino = 0, 0
		if !there || f != g {
			t.Errorf("%q: want %+v, got %+v", name, f, g)
		}
	}
	if len(a) != len(b) {
		t.Errorf("want %q, got %q", slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b)))
	}
}

// inPlace is a registration of the app "app".
func inPlace(path, version string) Registration {
	return Registration{App: "app", Version: version, Path: path, InPlace: true}
}

func mustRegister(t *testing.T, s *Store, r Registration) (Release, bool) {
	t.Helper()
	now, changed, err := s.Register(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(r.App, r.Version)
	if err != nil {
		t.Fatal(err)
	}
	if got != now {
		t.Errorf("Register gave %+v, Get %+v", now, got)
	}
	return now, changed
}

// versions lists what is registered, the oldest first.
func versions(t *testing.T, s *Store, app string) string {
	t.Helper()
	all, err := s.Releases(app)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, r := range all {
		list = append(list, r.Version)
	}
	return strings.Join(list, " ")
}

// snapshots lists what is kept, and fails when something there is unfinished.
func snapshots(t *testing.T, s *Store, app string) string {
	t.Helper()
	names, err := listNames(s.snapshots(app))
	must(t, err)
	records, err := listNames(s.releases(app))
	must(t, err)
	for _, name := range append(records, names...) {
		if name[0] == '.' {
			t.Errorf("%s is left over", name)
		}
	}
	return strings.Join(names, " ")
}

func as(id uint32) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
}

// numbered is a State that says which one it is.
func numbered(i int) State {
	return State{Active: strings.Repeat("x", i%3000), NextID: i}
}
