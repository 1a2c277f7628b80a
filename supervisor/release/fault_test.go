package release

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fillUp fills a small file system with one file, except for so many blocks. free
// removes the file.
func fillUp(t *testing.T, dir string, blocks int) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	file, err := os.Create(path)
	must(t, err)
	defer file.Close()
	var st unix.Statfs_t
	must(t, unix.Statfs(dir, &st))
	must(t, unix.Fallocate(int(file.Fd()), 0, 0, (int64(st.Bfree)-int64(blocks))*st.Bsize))
	return func() { must(t, os.Remove(path)) }
}

// TestFullDisk: whichever write finds the disk full, what was registered stays, and
// nothing else is left.
func TestFullDisk(t *testing.T) {
	disk := mountTmpfs(t, "size=1m,nr_inodes=300")
	root := installed(t) // on another disk: everything is copied
	for i := range 10 {
		put(t, root, fmt.Sprintf("lib/file%d", i), strings.Repeat("x", 5000), 0o644)
	}
	s := Open(filepath.Join(disk, "state"))
	first, _ := mustRegister(t, s, inPlace(root, "1.0"))
	put(t, root, "lib/app.py", "new", 0o644)
	failed := 0
	for blocks := 0; ; blocks++ {
		free := fillUp(t, disk, blocks)
		_, _, err := s.Register(t.Context(), inPlace(root, "2.0"))
		if err == nil {
			free()
			break
		}
		failed++
		if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "; make room and register again") {
			t.Fatalf("with %d blocks: %v", blocks, err)
		}
		if got := snapshots(t, s, "app") + " " + versions(t, s, "app"); got != "1.0.1 1.0" {
			t.Fatalf("with %d blocks there are %s", blocks, got)
		}
		if found, err := s.Changed(first); len(found) > 0 || err != nil {
			t.Fatalf("with %d blocks: %q, %v", blocks, found, err)
		}
		free()
	}
	if failed < 20 {
		t.Errorf("the disk was full %d times", failed)
	}
	if got := snapshots(t, s, "app") + " " + versions(t, s, "app"); got != "1.0.1 2.0.1 1.0 2.0" {
		t.Errorf("at last there are %s", got)
	}
}

// TestFullDiskAtFirst: nothing is left of an app that could not be registered.
func TestFullDiskAtFirst(t *testing.T) {
	disk := mountTmpfs(t, "size=1m")
	root, s := installed(t), Open(filepath.Join(disk, "state"))
	free := fillUp(t, disk, 3)
	defer free()
	if _, _, err := s.Register(t.Context(), inPlace(root, "1.0")); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("registered on a full disk: %v", err)
	}
	if left, err := listNames(filepath.Join(s.dir, "apps")); len(left) > 0 || err != nil {
		t.Errorf("left %q, %v", left, err)
	}
}

// TestKilled: a register that is killed at any moment leaves a whole registry, and
// the next one removes its remains.
func TestKilled(t *testing.T) {
	root, dir := installed(t), t.TempDir()
	for i := range 300 {
		put(t, root, fmt.Sprintf("lib/module%d.py", i), "x", 0o644)
	}
	s := Open(dir)
	kept, _ := mustRegister(t, s, inPlace(root, "1.0"))
	var unfinished, orphans int
	for range 40 {
		cmd := helper(t, "register", dir, root, "2.0")
		must(t, cmd.Start())
		awaitDirectory(t, s, "app")
		time.Sleep(rand.N(15 * time.Millisecond)) // any moment will do
		must(t, cmd.Process.Kill())
		_ = cmd.Wait()
		for _, dir := range []string{s.releases("app"), s.snapshots("app")} {
			names, err := listNames(dir)
			must(t, err)
			for _, name := range names {
				if name[0] == '.' {
					unfinished++
				}
			}
		}
		if got := versions(t, s, "app"); got != "1.0" && got != "1.0 2.0" {
			t.Fatalf("after the kill there are %s", got)
		} else if _, err := os.Stat(s.tree("app", "2.0.1")); err == nil && got == "1.0" {
			orphans++
		}
		r, _ := mustRegister(t, s, inPlace(root, "2.0"))
		if got := snapshots(t, s, "app"); got != "1.0.1 2.0.1" {
			t.Fatalf("registered again there are %s", got)
		}
		for _, r := range []Release{kept, r} {
			if found, err := s.Changed(r); len(found) > 0 || err != nil {
				t.Fatalf("%s: %q, %v", r.Version, found, err)
			}
		}
		must(t, s.Unregister(t.Context(), "app", "2.0"))
	}
	if unfinished == 0 {
		t.Error("none was killed in the middle")
	}
	t.Logf("%d unfinished things, %d snapshots without a record", unfinished, orphans)
}

// awaitDirectory waits until a register has begun.
func awaitDirectory(t *testing.T, s *Store, app string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		names, err := listNames(s.snapshots(app))
		must(t, err)
		if len(names) > 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the register does not begin")
		}
	}
}
