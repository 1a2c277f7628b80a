package release

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// stranger starts a process that has mounted a snapshot in user and mount namespaces of
// its own, as anybody may.
func stranger(t *testing.T, snapshot, path string) {
	t.Helper()
	cmd := helper(t, "mount", snapshot, path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}}
	trial := helper(t, "wait")
	trial.SysProcAttr = cmd.SysProcAttr
	if err := trial.Run(); err != nil {
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EACCES) {
			if os.Getenv("SUPD_TEST_REQUIRE") != "1" {
				t.Skip("no user namespace can be made: ", err)
			}
		}
		t.Fatal(err)
	}
	begin(t, cmd)
}

// TestStrangerKeepsNoSnapshot: what somebody has mounted in a user namespace of his own is
// not looked at.
func TestStrangerKeepsNoSnapshot(t *testing.T) {
	root, s := installed(t), Open(t.TempDir())
	r, _ := mustRegister(t, s, inPlace(root, "1.0"))
	mustRegister(t, s, inPlace(root, "1.1"))
	stranger(t, r.Snapshot, root)
	must(t, s.Unregister(t.Context(), "app", "1.0"))
	if got := snapshots(t, s, "app"); got != "1.1.1" {
		t.Errorf("left are %s", got)
	}
}

// TestLikePathKeepsNoSnapshot: what is mounted is known by its file system and its whole path.
func TestLikePathKeepsNoSnapshot(t *testing.T) {
	root, s := installed(t), Open(t.TempDir())
	r, _ := mustRegister(t, s, inPlace(root, "1.0"))
	l, err := s.newLook(t.Context(), "app")
	must(t, err)
	name := filepath.Base(filepath.Dir(r.Snapshot))
	for _, like := range []string{
		filepath.Join(t.TempDir(), "app", "snapshots", name, treeName),
		filepath.Join(mountTmpfs(t, ""), l.root, name, treeName),
	} {
		must(t, os.MkdirAll(like, 0o755))
		mountElsewhere(t, like, root)
	}
	must(t, s.Unregister(t.Context(), "app", "1.0"))
	if got := snapshots(t, s, "app"); got != "" {
		t.Errorf("left are %s", got)
	}
}

// TestBusyBesideChroot: a process that has a root of its own does not see what the others in
// its namespace have mounted.
func TestBusyBesideChroot(t *testing.T) {
	needRoot(t, "makes a mount namespace")
	root, s := installed(t), Open(t.TempDir())
	r, _ := mustRegister(t, s, inPlace(root, "1.0"))
	cmd := helper(t, "mount", r.Snapshot, root, t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	begin(t, cmd)
	must(t, s.Unregister(t.Context(), "app", "1.0"))
	if got := snapshots(t, s, "app"); got != "1.0.1" {
		t.Errorf("left are %q", got)
	}
}

// TestLookHasBounds: where the mounts are too many nothing is known, and nothing goes.
func TestLookHasBounds(t *testing.T) {
	root, s := installed(t), Open(t.TempDir())
	mustRegister(t, s, inPlace(root, "1.0"))
	l, err := s.newLook(t.Context(), "app")
	must(t, err)
	must(t, l.process(os.Getpid(), false))
	l.most, l.done = 100, map[uint64]bool{}
	if err := l.process(os.Getpid(), false); err == nil {
		t.Error("more than 100 bytes of mounts were read")
	}
	over, end := context.WithCancel(t.Context())
	end()
	if removed, err := s.Prune(over, "app", 0, nil); len(removed) > 0 || err == nil {
		t.Errorf("without a look, removed are %q, %v", removed, err)
	}
}
