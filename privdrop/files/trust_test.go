package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const stranger = 54321

// tree makes a directory with others in it, and gives a function that fails the test.
func tree(t *testing.T) (dir string, must func(error)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	must = func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir = t.TempDir()
	must(os.MkdirAll(dir+"/a/b", 0o755))
	must(os.WriteFile(dir+"/a/b/file", []byte("text"), 0o644))
	must(os.Mkdir(dir+"/tmp", 0o777))
	must(unix.Chmod(dir+"/tmp", 0o1777))
	return dir, must
}

func TestTrust(t *testing.T) {
	type change func(dir string) error
	chmod := func(path string, mode uint32) change {
		return func(dir string) error { return unix.Chmod(dir+path, mode) }
	}
	chown := func(path string, uid, gid int) change {
		return func(dir string) error { return os.Lchown(dir+path, uid, gid) }
	}
	link := func(target, path string) change {
		return func(dir string) error { return os.Symlink(strings.ReplaceAll(target, "DIR", dir), dir+path) }
	}
	mkdir := func(path string) change { return func(dir string) error { return os.Mkdir(dir+path, 0o755) } }
	for name, c := range map[string]struct {
		changes []change
		path    string
		want    string // "" is trusted
	}{
		"all root's":        {path: "/a/b/file"},
		"a directory":       {path: "/a/b"},
		"dots":              {path: "/a/./b/../b//file"},
		"supd's user's":     {changes: []change{chown("/a", 4711, 4711), chown("/a/b/file", 4711, 4711)}, path: "/a/b/file"},
		"not there":         {path: "/a/c/d", want: "DIR/a/c: no such file or directory"},
		"through a file":    {path: "/a/b/file/c", want: "DIR/a/b/file: not a directory"},
		"stranger's file":   {changes: []change{chown("/a/b/file", stranger, 0)}, path: "/a/b/file", want: "DIR/a/b/file belongs to uid 54321, and not to root or uid 4711, who supd runs as; chown -h 4711 DIR/a/b/file"},
		"stranger's way":    {changes: []change{chown("/a", stranger, 0)}, path: "/a/b/file", want: "DIR/a belongs to uid 54321"},
		"writable file":     {changes: []change{chmod("/a/b/file", 0o646)}, path: "/a/b/file", want: "DIR/a/b/file has mode 0646: everybody may write to it; chmod go-w DIR/a/b/file"},
		"writable way":      {changes: []change{chmod("/a", 0o777)}, path: "/a/b/file", want: "DIR/a has mode 0777: everybody may write to it; chmod go-w DIR/a"},
		"group's file":      {changes: []change{chmod("/a/b/file", 0o664), chown("/a/b/file", 0, 100)}, path: "/a/b/file", want: "DIR/a/b/file has mode 0664: its group, gid 100, may write to it; chmod g-w DIR/a/b/file"},
		"group's way":       {changes: []change{chmod("/a", 0o775), chown("/a", 0, 100)}, path: "/a/b/file", want: "DIR/a has mode 0775: its group, gid 100"},
		"root's group":      {changes: []change{chmod("/a", 0o775), chmod("/a/b/file", 0o664)}, path: "/a/b/file"},
		"sticky":            {changes: []change{mkdir("/tmp/own")}, path: "/tmp/own"},
		"sticky, missing":   {path: "/tmp/own", want: "DIR/tmp/own: no such file or directory"},
		"sticky itself":     {path: "/tmp", want: "DIR/tmp has mode 1777: everybody may write to it"},
		"stranger's in it":  {changes: []change{mkdir("/tmp/own"), chown("/tmp/own", stranger, 0)}, path: "/tmp/own/x", want: "DIR/tmp/own belongs to uid 54321"},
		"stranger's sticky": {changes: []change{mkdir("/tmp/own"), chown("/tmp", stranger, 0), chmod("/tmp", 0o1777)}, path: "/tmp/own", want: "DIR/tmp belongs to uid 54321"},
		"link":              {changes: []change{link("a/b", "/link")}, path: "/link/file"},
		"link to the root":  {changes: []change{link("DIR/a", "/link")}, path: "/link/b/file"},
		"link up":           {changes: []change{link("../../a/b/file", "/a/b/link")}, path: "/a/b/link"},
		"stranger's link":   {changes: []change{link("DIR/a", "/tmp/link"), chown("/tmp/link", stranger, 0)}, path: "/tmp/link/b/file", want: "DIR/tmp/link belongs to uid 54321"},
		"link to his":       {changes: []change{link("DIR/a", "/link"), chown("/a/b", stranger, 0)}, path: "/link/b/file", want: "DIR/a/b belongs to uid 54321"},
		"link over his":     {changes: []change{chmod("/a/b", 0o777), link("DIR/a/b/../../tmp", "/link"), mkdir("/tmp/own")}, path: "/link/own", want: "DIR/a/b has mode 0777"},
		"loop":              {changes: []change{link("loop", "/loop")}, path: "/loop", want: "DIR/loop: too many levels of symbolic links"},
		"list":              {changes: []change{chmod("/a", 0o775), acl("/a")}, path: "/a/b/file", want: "DIR/a has an access control list: others may write to it; setfacl -b DIR/a"},
	} {
		dir, must := tree(t)
		for _, change := range c.changes {
			must(change(dir))
		}
		trust := Trust{UID: 4711}
		err := trust.Check(dir + c.path)
		got := ""
		if err != nil {
			got = strings.TrimPrefix(strings.ReplaceAll(err.Error(), dir, "DIR"), "open ")
		}
		if got != c.want && (c.want == "" || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if missing := errors.Is(err, fs.ErrNotExist); missing != strings.HasSuffix(c.want, "no such file or directory") {
			t.Errorf("%s: %v, missing: %t", name, err, missing)
		}
	}
}

// acl lets uid 54321 write, as setfacl -m u:54321:rwx does (acl(5), xattr(7)).
func acl(path string) func(dir string) error {
	const undefined = "\xff\xff\xff\xff"
	list := "\x02\x00\x00\x00" +
		"\x01\x00\x07\x00" + undefined + // the owner
		"\x02\x00\x07\x00\x31\xd4\x00\x00" + // uid 54321
		"\x04\x00\x05\x00" + undefined + // the group
		"\x10\x00\x07\x00" + undefined + // the mask
		"\x20\x00\x05\x00" + undefined
	return func(dir string) error {
		err := unix.Setxattr(dir+path, "system.posix_acl_access", []byte(list), 0)
		if errors.Is(err, unix.EOPNOTSUPP) {
			return nil
		}
		return err
	}
}

// Groups of the system's own may write to directories on the way, but not to the thing.
func TestTrustSystemGroups(t *testing.T) {
	dir, must := tree(t)
	trust := Trust{SystemGroups: true}
	const adm = 4 // of every Linux
	must(os.Chown(dir+"/a", 0, adm))
	must(unix.Chmod(dir+"/a", 0o775))
	if err := trust.Check(dir + "/a/b"); err != nil {
		t.Error(err)
	}
	if err := trust.Check(dir + "/a"); err == nil {
		t.Error("the thing itself is trusted")
	}
	for _, gid := range []int{54321, 33, 999} { // nobody's, www-data or its like, a service's
		must(os.Chown(dir+"/a", 0, gid))
		if err := trust.Check(dir + "/a/b"); err == nil {
			t.Errorf("group %d is trusted", gid)
		}
	}
	must(os.Chown(dir+"/a", 0, adm))
	must(unix.Chmod(dir+"/a", 0o777))
	if err := trust.Check(dir + "/a/b"); err == nil {
		t.Error("everybody is trusted")
	}
}

func TestIsSystemGroup(t *testing.T) {
	path := t.TempDir() + "/group"
	if err := os.WriteFile(path, []byte("root:x:0:\nbroken\nsyslog:x:104:\nwhois:x:105:syslog\nadm:x:4:\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for gid, want := range map[uint32]bool{0: true, 104: true, 105: false, 4: true, 5: false} {
		if got := isSystemGroupIn(path, gid); got != want {
			t.Errorf("group %d: %v", gid, got)
		}
	}
}

func TestTrustOpens(t *testing.T) {
	dir, must := tree(t)
	must(os.Symlink("a/b/file", dir+"/link"))
	file, err := Own().Open(dir+"/link", os.O_RDONLY)
	must(err)
	defer file.Close()
	text := make([]byte, 10)
	if n, err := file.Read(text); string(text[:n]) != "text" || err != nil {
		t.Errorf("%q, %v", text[:n], err)
	}
	must(unix.Mkfifo(dir+"/fifo", 0o600))
	fifo, err := Own().Open(dir+"/fifo", os.O_RDONLY) // waits for nobody
	must(err)
	defer fifo.Close()
	if err := IsOurs(fifo); err == nil || IsUntrusted(err) {
		t.Errorf("a FIFO: %v", err)
	}
	if err := IsOurs(file); err != nil {
		t.Error(err)
	}
	must(os.Chmod(dir+"/a/b/file", 0o666))
	if err := IsOurs(file); !IsUntrusted(err) {
		t.Errorf("who may be written by everybody: %v", err)
	}
	must(os.Chmod(dir+"/a/b/file", 0o644))
	must(os.Chown(dir+"/a/b/file", stranger, 0))
	if err := IsOurs(file); !IsUntrusted(err) {
		t.Errorf("a stranger's: %v", err)
	}
	if _, err := Own().Open(filepath.Join(dir, "link"), os.O_RDONLY); !IsUntrusted(err) {
		t.Errorf("a link to a stranger's: %v", err)
	}
	before := openDescriptors(t)
	for range 10 {
		_, _ = Own().Open(dir+"/link", os.O_RDONLY)
		_ = Own().Check(dir + "/a/none")
		_ = Own().Check(dir + "/a/b")
	}
	if after := openDescriptors(t); after != before {
		t.Errorf("%d descriptors are open, and %d were", after, before)
	}
}

func openDescriptors(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
