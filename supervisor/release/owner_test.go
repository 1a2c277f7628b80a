package release

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

const owner = 54321 // of files in a release

// ownedTree is installed, with files that are not root's alone.
func ownedTree(t *testing.T) string {
	t.Helper()
	needRoot(t, "gives files away")
	root := installed(t)
	reachable(t, root, 0o755)
	for name, mode := range map[string]fs.FileMode{
		"his": 0o644, "secret": 0o600, "program": 0o700, "setuid": 0o755, "setgid": 0o755, "shared": 0o664, "open": 0o646, "capable": 0o755,
	} {
		put(t, root, name, name, mode)
	}
	must(t, os.MkdirAll(filepath.Join(root, "var/cache"), 0o700))
	put(t, root, "var/cache/entry", "entry", 0o600)
	must(t, os.Symlink("his", filepath.Join(root, "link")))
	for _, name := range []string{"his", "secret", "program", "link", "var", "var/cache", "var/cache/entry"} {
		must(t, os.Lchown(filepath.Join(root, name), owner, owner))
	}
	must(t, os.Chmod(filepath.Join(root, "setuid"), fs.ModeSetuid|0o755))
	must(t, os.Chmod(filepath.Join(root, "setgid"), fs.ModeSetgid|0o755))
	must(t, os.Chown(filepath.Join(root, "shared"), 0, owner))
	// cap_net_raw, permitted and effective: VFS_CAP_REVISION_2 of linux/capability.h.
	must(t, unix.Setxattr(filepath.Join(root, "capable"), "security.capability",
		[]byte("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0))
	return root
}

// TestSnapshotIsRoots: what others than root can change in the installed tree is copied,
// and is root's alone in the snapshot.
func TestSnapshotIsRoots(t *testing.T) {
	root := ownedTree(t)
	r, _ := mustRegister(t, Open(filepath.Join(t.TempDir(), "state")), inPlace(root, "1.0"))
	was := filesIn(t, root)
	for name, f := range filesIn(t, r.Snapshot) {
		old := was[name]
		if f.uid != 0 || f.mode&(fs.ModeSetuid|fs.ModeSetgid|0o022) != 0 && f.mode.Type() != fs.ModeSymlink {
			t.Errorf("%s: uid %d, mode %v", name, f.uid, f.mode)
		}
		if f.content != old.content || !f.mtime.Equal(old.mtime) {
			t.Errorf("%s: %+v, want %+v", name, f, old)
		}
		if roots := old.mode.IsRegular() && old.uid == 0 && filepath.Dir(name) != "."; roots && f.ino != old.ino {
			t.Errorf("%s is not linked", name)
		}
		for _, shared := range []string{"his", "secret", "program", "setuid", "setgid", "shared", "open", "capable", "link"} {
			if name == shared && f.ino == old.ino {
				t.Errorf("%s is linked", name)
			}
		}
	}
	if _, err := unix.Getxattr(filepath.Join(r.Snapshot, "capable"), "security.capability", nil); !errors.Is(err, unix.ENODATA) {
		t.Errorf("capabilities of a copy: %v", err)
	}
	for uid, want := range map[int]string{owner: "secret program his var/cache/entry setuid", 4711: "his setuid"} {
		if got := readableBy(t, r.Snapshot, uid, "secret", "program", "his", "var/cache/entry", "setuid"); got != want {
			t.Errorf("uid %d can read %s; want %s", uid, got, want)
		}
	}
}

// readableBy gives those of the files that a user can read.
func readableBy(t *testing.T, root string, uid int, names ...string) string {
	t.Helper()
	var can []string
	must(t, files.OnThreadOfItsOwn(func() error {
		if !(&files.Account{UID: uid, GID: uid}).Become() {
			return errors.New("cannot become another user")
		}
		for _, name := range names {
			if fd, err := unix.Open(filepath.Join(root, name), unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
				unix.Close(fd)
				can = append(can, name)
			}
		}
		return nil
	}))
	return strings.Join(can, " ")
}

// TestOwnerForges: whoever owns an installed file can set its times as he likes, and
// write what has the same size; another snapshot is taken all the same. An owner's old
// copy is never his.
func TestOwnerForges(t *testing.T) {
	root := ownedTree(t)
	s := Open(filepath.Join(t.TempDir(), "state"))
	first, _ := mustRegister(t, s, inPlace(root, "1.0"))
	if _, changed := mustRegister(t, s, inPlace(root, "1.0")); changed {
		t.Fatal("registered again it is another")
	}
	his := filepath.Join(root, "his")
	must(t, os.Chmod(his, 0o600)) // a new ctime, and nothing else
	must(t, os.Chmod(his, 0o644))
	if _, changed := mustRegister(t, s, inPlace(root, "1.0")); changed {
		t.Error("with the same content it is another")
	}
	forge := func(path string) {
		t.Helper()
		info, err := os.Stat(path)
		must(t, err)
		must(t, os.WriteFile(path, []byte("HIS"), 0))
		must(t, os.Chtimes(path, time.Time{}, info.ModTime()))
	}
	forge(his)
	if found, err := s.Changed(first); len(found) > 0 || err != nil {
		t.Errorf("the snapshot has changed: %q, %v", found, err)
	}
	if second, changed := mustRegister(t, s, inPlace(root, "1.0")); !changed || second.Snapshot == first.Snapshot {
		t.Errorf("after a forged file: %+v", second)
	}
	forge(filepath.Join(first.Snapshot, "his"))
	if found, err := s.Changed(first); len(found) != 1 || err != nil {
		t.Errorf("a forged copy: %q, %v", found, err)
	}
}

// TestStrangersParent: a release in a directory that others can change is not kept for
// what it may be a moment later.
func TestStrangersParent(t *testing.T) {
	root := ownedTree(t)
	must(t, os.Chown(filepath.Dir(root), owner, owner))
	_, _, err := Open(filepath.Join(t.TempDir(), "state")).Register(t.Context(), inPlace(root, "1.0"))
	if !files.IsUntrusted(err) {
		t.Errorf("%v", err)
	}
}

// list lets the owner of files write to a path, or what is made in it, by an access
// control list (acl(5), xattr(7)), whatever its group may do.
func list(t *testing.T, path, attribute string, group byte) {
	t.Helper()
	const undefined = "\xff\xff\xff\xff"
	err := unix.Setxattr(path, attribute, []byte("\x02\x00\x00\x00"+
		"\x01\x00\x07\x00"+undefined+
		"\x02\x00\x07\x00\x31\xd4\x00\x00"+ // the owner
		"\x04\x00"+string(group)+"\x00"+undefined+
		"\x10\x00\x07\x00"+undefined+ // the mask
		"\x20\x00\x05\x00"+undefined), 0)
	if errors.Is(err, unix.EOPNOTSUPP) {
		t.Skip("the file system has no access control lists")
	}
	must(t, err)
}

// TestSnapshotHasNoLists: what an access control list lets others change is copied, and
// in the snapshot there is none, neither of the installed tree nor of the state directory.
func TestSnapshotHasNoLists(t *testing.T) {
	root := ownedTree(t)
	put(t, root, "listed", "listed", 0o644)
	put(t, root, "group", "group", 0o640)
	must(t, os.Chown(filepath.Join(root, "group"), 0, owner))
	list(t, filepath.Join(root, "listed"), files.AccessList, 5)
	list(t, filepath.Join(root, "group"), files.AccessList, 0)
	list(t, filepath.Join(root, "lib"), files.AccessList, 5)
	list(t, filepath.Join(root, "lib"), files.DefaultList, 5)
	state := filepath.Join(t.TempDir(), "state")
	must(t, os.Mkdir(state, 0o755))
	list(t, state, files.DefaultList, 5)
	r, _ := mustRegister(t, Open(state), inPlace(root, "1.0"))
	was := filesIn(t, root)
	for name, f := range filesIn(t, r.Snapshot) {
		path := filepath.Join(r.Snapshot, name)
		listed := name == "listed" || name == "group" || name == "lib"
		if own := f.mode.Type() == 0 && f.ino != was[name].ino || f.mode.IsDir(); listed && !own {
			t.Errorf("%s is linked", name)
		} else if own && was[name].uid == 0 && files.HasList(path) {
			t.Errorf("%s has an access control list", name)
		}
		if _, err := unix.Getxattr(path, files.DefaultList, nil); f.mode.IsDir() && !errors.Is(err, unix.ENODATA) {
			t.Errorf("%s hands on an access control list: %v", name, err)
		}
	}
	for name, want := range map[string]fs.FileMode{"listed": 0o755, "group": 0o705, "lib": 0o755} {
		info, err := os.Stat(filepath.Join(r.Snapshot, name))
		if must(t, err); info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, want %v", name, info.Mode(), want)
		}
	}
}

// TestListOpensNoSnapshot: who is named in the list of a directory above, and not the
// group that it is of, may enter that; so the group may not enter the snapshot.
func TestListOpensNoSnapshot(t *testing.T) {
	root := ownedTree(t)
	above := filepath.Dir(root)
	must(t, os.Chown(above, 0, 7))
	list(t, above, files.AccessList, 0)
	must(t, os.Chmod(above, 0o750))
	r, _ := mustRegister(t, Open(filepath.Join(t.TempDir(), "state")), inPlace(root, "1.0"))
	if info, err := os.Stat(filepath.Dir(r.Snapshot)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestListIsTold: one that root has given a shared file since then is a change.
func TestListIsTold(t *testing.T) {
	root, s := ownedTree(t), Open(filepath.Join(t.TempDir(), "state"))
	put(t, root, "writable", "writable", 0o664) // by root's group
	r, _ := mustRegister(t, s, inPlace(root, "1.0"))
	if found, err := s.Changed(r); len(found) > 0 || err != nil {
		t.Fatalf("%q, %v", found, err)
	}
	list(t, filepath.Join(root, "writable"), files.AccessList, 6)
	must(t, os.Chmod(filepath.Join(root, "writable"), 0o664))
	if found, err := s.Changed(r); strings.Join(found, " ") != "writable: has an access control list: others may write to it" || err != nil {
		t.Errorf("%q, %v", found, err)
	}
	if _, changed := mustRegister(t, s, inPlace(root, "1.0")); !changed {
		t.Error("registered again, it is the same snapshot")
	}
}
