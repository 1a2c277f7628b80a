package files

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUntrustedBelow: what others could change is found wherever it is in a tree; where all
// of a directory is theirs, that alone is told.
func TestUntrustedBelow(t *testing.T) {
	dir, must := tree(t)
	look := func(most int) (all []string) {
		t.Helper()
		found, err := UntrustedBelow(dir+"/a", most)
		must(err)
		for _, one := range found {
			all = append(all, strings.ReplaceAll(one.Path+" "+one.Why, dir, "DIR"))
		}
		slices.Sort(all)
		return all
	}
	if all := look(9); len(all) > 0 {
		t.Errorf("of root's alone: %q", all)
	}
	for _, name := range []string{"owned", "open", "group", "listed", "well"} {
		must(os.WriteFile(dir+"/a/b/"+name, nil, 0o644))
	}
	must(os.MkdirAll(dir+"/a/theirs/in", 0o777))
	must(os.Symlink("/etc/passwd", dir+"/a/link"))
	must(unix.Mkfifo(dir+"/a/fifo", 0o600))
	for _, name := range []string{"/a/b/owned", "/a/theirs", "/a/theirs/in", "/a/link"} {
		must(os.Lchown(dir+name, stranger, stranger))
	}
	must(os.Chown(dir+"/a/b/group", 0, stranger))
	must(unix.Chmod(dir+"/a/b/group", 0o664))
	must(unix.Chmod(dir+"/a/b/open", 0o646))
	must(unix.Chmod(dir+"/a/b/well", 0o664)) // its group is root's
	must(acl("/a/b/listed")(dir))
	want := []string{
		"DIR/a/b/group has mode 0664: its group, gid 54321, may write to it",
		"DIR/a/b/listed has an access control list: others may write to it",
		"DIR/a/b/open has mode 0646: everybody may write to it",
		"DIR/a/b/owned belongs to uid 54321, and not to root",
		"DIR/a/theirs belongs to uid 54321, and not to root",
	}
	if !HasList(dir + "/a/b/listed") { // the file system has none
		want = slices.Delete(want, 1, 2)
	}
	before := openDescriptors(t)
	if all := look(9); !slices.Equal(all, want) {
		t.Errorf("%q, want %q", all, want)
	}
	if all := look(2); len(all) != 2 {
		t.Errorf("two of them: %q", all)
	}
	if after := openDescriptors(t); after != before {
		t.Errorf("%d descriptors are open, and %d were", after, before)
	}
	must(os.Chown(dir+"/a", 0, 104))
	must(unix.Chmod(dir+"/a", 0o775))
	if all := look(9); !slices.Equal(all, []string{"DIR/a has mode 0775: its group, gid 104, may write to it"}) {
		t.Errorf("in a directory of a group of the system's: %q", all)
	}
	must(os.Chown(dir+"/a", stranger, 0))
	if all := look(9); !slices.Equal(all, []string{"DIR/a belongs to uid 54321, and not to root"}) {
		t.Errorf("in a stranger's: %q", all)
	}
	if why := (Way{}).Untrusted(dir + "/a/b/owned"); why == nil {
		t.Error("a file in a stranger's directory is trusted")
	}
}

// TestBelowIsBounded: a deep tree costs neither descriptors nor paths for all of its levels.
func TestBelowIsBounded(t *testing.T) {
	for name, want := range map[string]string{"d": "is more than 128 directories deep", strings.Repeat("d", 255): "file name too long"} {
		dir, must := tree(t)
		t.Cleanup(func() { must(Remove(context.Background(), dir+"/a")) }) // with two descriptors
		at, err := unix.Open(dir+"/a", unix.O_PATH|unix.O_CLOEXEC, 0)
		must(err)
		for range 300 {
			must(unix.Mkdirat(at, name, 0o755))
			next, err := unix.Openat(at, name, unix.O_PATH|unix.O_CLOEXEC, 0)
			must(err)
			must(unix.Close(at))
			at = next
		}
		must(unix.Close(at))
		if found, err := UntrustedBelow(dir+"/a", 1); len(found) > 0 || err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 400 {
			t.Errorf("%d letters: %d found, %v", len(name), len(found), err)
		}
	}
}

// TestUntrustedFile: a file in root's directories counts by itself, and by what a link
// leads to.
func TestUntrustedFile(t *testing.T) {
	dir, must := tree(t)
	must(os.Symlink("b/file", dir+"/a/link"))
	for _, name := range []string{"/a/b/file", "/a/link", "/a/none"} {
		if why := (Way{}).Untrusted(dir + name); why != nil {
			t.Errorf("%s: %v", name, why)
		}
	}
	must(os.Chown(dir+"/a/b/file", stranger, 0))
	for _, name := range []string{"/a/b/file", "/a/link"} {
		if why := (Way{}).Untrusted(dir + name); !IsUntrusted(why) {
			t.Errorf("%s of a stranger: %v", name, why)
		}
	}
	must(os.Chown(dir+"/a/b/file", 0, 0))
	must(acl("/a/b/file")(dir))
	if why := (Way{}).Untrusted(dir + "/a/link"); HasList(dir+"/a/b/file") && !IsUntrusted(why) {
		t.Errorf("with a list: %v", why)
	}
}
