package files

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// app is an account that owns something in the tests.
var app = &Account{UID: stranger, GID: stranger + 1, Groups: []int{stranger + 2}}

// TestWay: with whose rights a file is made in a directory, or why it is not.
func TestWay(t *testing.T) {
	for name, c := range map[string]struct {
		before func(dir string, must func(error))
		as     *Account
		path   string
		make   uint32
		closed bool // the app cannot come here by itself
		want   string
	}{
		"root's":               {as: app, path: "/a/b", want: "root"},
		"root's, without one":  {path: "/a/b", want: "root"},
		"the app's":            {as: app, path: "/own/log", want: "app"},
		"the app's, ownerless": {path: "/own/log", want: "DIR/own belongs to uid 54321, and not to root"},
		"the app's, by root":   {as: &Account{}, path: "/own/log", want: "DIR/own belongs to uid 54321, and not to root"},
		"of the app's group": {as: app, path: "/a/b", want: "app", before: func(dir string, must func(error)) {
			must(os.Chown(dir+"/a/b", 0, app.Groups[0]))
			must(unix.Chmod(dir+"/a/b", 0o775))
		}},
		"of a group of the system's": {as: app, path: "/a/b", want: "root", before: func(dir string, must func(error)) {
			must(os.Chown(dir+"/a", 0, 4))
			must(unix.Chmod(dir+"/a", 0o775))
		}},
		"of a service's group": {as: &Account{UID: stranger, GID: stranger}, path: "/a/b", want: "permission denied", before: func(dir string, must func(error)) {
			must(os.Chown(dir+"/a", 0, 988))
			must(unix.Chmod(dir+"/a", 0o775))
		}},
		"of such a one that the app is in": {as: &Account{UID: stranger, GID: 4}, path: "/a/b", want: "permission denied", before: func(dir string, must func(error)) {
			must(os.Chown(dir+"/a", 0, 4))
			must(unix.Chmod(dir+"/a", 0o775))
		}},
		"the app's, where root alone gets to": {as: app, path: "/own/log", closed: true, want: "app"},
		"another's":                           {as: &Account{UID: 4711, GID: 4711}, path: "/own/log", want: "permission denied (with the rights of uid 4711, for DIR/own belongs to uid 54321, and not to root)"},
		"link to root's": {as: app, path: "/own/link", want: "permission denied", before: func(dir string, must func(error)) {
			must(os.Symlink(dir+"/a/b", dir+"/own/link"))
		}},
		"link to a descriptor": {as: app, path: "/own/link", want: "permission denied", before: func(dir string, must func(error)) {
			must(os.MkdirAll(dir+"/secret/open", 0o777))
			must(unix.Chmod(dir+"/secret/open", 0o777))
			must(unix.Chmod(dir+"/secret", 0o700))
			held, err := os.Open(dir + "/secret/open")
			must(err)
			t.Cleanup(func() { held.Close() })
			must(os.Symlink(fmt.Sprintf("/proc/self/fd/%d", held.Fd()), dir+"/own/link"))
		}},
		"link of root's to the app's": {as: app, path: "/link/log", want: "app", before: func(dir string, must func(error)) {
			must(os.Symlink("own", dir+"/link"))
		}},
		"sticky":             {as: app, path: "/tmp", want: "root, shared"},
		"root's in a sticky": {as: app, path: "/tmp/new", make: 0o750, want: "root"},
		"missing":            {as: app, path: "/a/new", want: "no such file or directory"},
		"made":               {as: app, path: "/a/new/deep", make: 0o750, want: "root"},
		"made by the app":    {as: app, path: "/own/new/deep", make: 0o750, want: "app"},
		"link to nowhere":    {as: app, path: "/nowhere/deep", make: 0o750, want: "no such file or directory", before: linkToNowhere},
		"a stranger's link": {as: app, path: "/tmp/link/log", want: "app", before: func(dir string, must func(error)) {
			must(os.Symlink(dir+"/own", dir+"/tmp/link"))
			must(os.Lchown(dir+"/tmp/link", app.UID, app.GID))
		}},
		"beyond a directory": {as: app, path: "/a/b/file", make: 0o750, want: "not a directory"},
		"made behind a link": {as: app, path: "/link/new", make: 0o750, want: "root", before: func(dir string, must func(error)) { must(os.Symlink("a", dir+"/link")) }},
		"made where it cannot": {as: app, path: "/own/link/new", make: 0o750, want: "permission denied", before: func(dir string, must func(error)) {
			must(os.Symlink(dir+"/a", dir+"/own/link"))
		}},
	} {
		dir, must := tree(t)
		must(os.MkdirAll(dir+"/own/log", 0o755))
		if !c.closed {
			must(unix.Chmod(dir, 0o755))
			must(unix.Chmod(filepath.Dir(dir), 0o755))
		}
		must(os.Chown(dir+"/own", app.UID, app.GID))
		must(os.Chown(dir+"/own/log", app.UID, app.GID))
		if c.before != nil {
			c.before(dir, must)
		}
		got := ""
		err := Way{As: c.as, Make: c.make, GID: app.GID}.In(dir+c.path, func(p Place) error {
			fd, st, err := p.Open("made", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
			if err != nil {
				return err
			}
			unix.Close(fd)
			switch {
			case st.Uid == 0 && !p.Lent:
				got = "root"
			case int(st.Uid) == app.UID && int(st.Gid) == app.GID && p.Lent:
				got = "app"
			}
			if p.Shared {
				got += ", shared"
			}
			return nil
		})
		if err != nil {
			got = strings.ReplaceAll(err.Error(), dir, "DIR")
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if c.make == 0 || err != nil {
			continue
		}
		var last unix.Stat_t
		must(unix.Stat(dir+c.path, &last))
		if last.Mode&0o7777 != c.make || int(last.Gid) != app.GID || (last.Uid == 0) != (got == "root") {
			t.Errorf("%s: mode %o, uid %d, gid %d", name, last.Mode, last.Uid, last.Gid)
		}
	}
	if uid, _ := unix.SetfsuidRetUid(-1); uid != 0 {
		t.Errorf("this thread goes on with uid %d", uid)
	}
}

func linkToNowhere(dir string, must func(error)) {
	must(os.Symlink("a/none", dir+"/nowhere"))
}

// TestWayShared: in a directory that everybody may write in root takes nothing that
// could be a stranger's.
func TestWayShared(t *testing.T) {
	dir, must := tree(t)
	must(os.WriteFile(dir+"/tmp/root", nil, 0o600))
	must(os.WriteFile(dir+"/tmp/linked", nil, 0o600))
	must(os.Link(dir+"/tmp/linked", dir+"/other"))
	must(os.WriteFile(dir+"/tmp/theirs", nil, 0o600))
	must(os.Chown(dir+"/tmp/theirs", stranger, stranger))
	must(os.Symlink(dir+"/a/b/file", dir+"/tmp/link"))
	open := func(name string) error {
		return Way{}.In(dir+"/tmp", func(p Place) error {
			fd, _, err := p.Open(name, os.O_WRONLY, 0)
			if err == nil {
				unix.Close(fd)
			}
			return err
		})
	}
	for name, want := range map[string]string{
		"root":   "<nil>",
		"linked": "has another name besides",
		"theirs": "belongs to uid 54321",
		"link":   "too many levels of symbolic links",
	} {
		if got := fmt.Sprint(open(name)); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	before := openDescriptors(t)
	for range 10 {
		for _, name := range []string{"root", "linked", "theirs", "link"} {
			_ = open(name)
		}
		_ = Way{As: app}.In(dir+"/none", nil)
	}
	if after := openDescriptors(t); after != before {
		t.Errorf("%d descriptors are open, and %d were", after, before)
	}
}

// TestMadeIsOnesOwn: a directory that was exchanged between mkdirat(2) and its chmod
// stays what it is.
func TestMadeIsOnesOwn(t *testing.T) {
	dir, must := tree(t)
	parent, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	must(err)
	defer unix.Close(parent)
	must(os.Symlink("a", dir+"/link"))
	must(os.Mkdir(dir+"/theirs", 0o700))
	must(os.Chown(dir+"/theirs", stranger, stranger))
	must(os.Mkdir(dir+"/secret", 0o700))
	for _, name := range []string{"link", "theirs", "a"} {
		if err := finish(parent, name, 0o777, stranger); err == nil {
			t.Errorf("%s was changed", name)
		}
	}
	must(finish(parent, "secret", 0o750, stranger)) // as one that was made just now
	info, err := os.Stat(dir + "/a")
	must(err)
	if info.Mode().Perm() != 0o755 {
		t.Errorf("mode %v", info.Mode())
	}
}

// TestWayMayMake: it says what In would say.
func TestWayMayMake(t *testing.T) {
	dir, must := tree(t)
	must(os.Mkdir(dir+"/own", 0o755))
	must(os.Chown(dir+"/own", app.UID, app.GID))
	must(os.Symlink(dir+"/a", dir+"/own/link"))
	for path, ok := range map[string]bool{"/own/x": true, "/own/new/x": true, "/own/link/x": false, "/own/link/new/x": false, "/a/x": true} {
		err := Way{As: app}.MayMake(dir + path)
		if (err == nil) != ok || err != nil && !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestWayOpen: a directory at the end may be anybody's, one on the way may not.
func TestWayOpen(t *testing.T) {
	dir, must := tree(t)
	must(unix.Chmod(filepath.Dir(dir), 0o755))
	must(unix.Chmod(dir, 0o755))
	for _, own := range []string{"/own", "/own/run"} {
		must(os.Mkdir(dir+own, 0o755))
		must(os.Chown(dir+own, app.UID, app.GID))
	}
	must(os.Mkdir(dir+"/open", 0o777))
	must(unix.Chmod(dir+"/open", 0o777))
	must(os.Symlink(dir+"/a", dir+"/own/link"))
	must(os.Symlink(dir+"/tmp", dir+"/own/sticky"))
	must(os.Symlink(dir+"/own", dir+"/link"))
	must(os.Symlink(dir+"/own", dir+"/tmp/link"))
	must(os.Lchown(dir+"/tmp/link", stranger, stranger))
	for _, c := range []struct {
		path string
		as   *Account
		want string // "" is the path itself
	}{
		{"/a", nil, ""},
		{"/own", nil, ""},
		{"/own/", nil, ""},
		{"/open", nil, ""},
		{"/tmp", nil, ""},
		{"/link", nil, "/own"},
		{"/own/run", nil, "DIR/own belongs to uid 54321"},
		{"/own/run", app, ""},
		{"/own/run", &Account{UID: 4711, GID: 4711}, "permission denied (with the rights of uid 4711"},
		{"/own/link", app, "permission denied (with the rights of uid 54321"},
		{"/own/sticky", app, "is sticky and another user's"},
		{"/tmp/link", nil, "DIR/tmp/link belongs to uid 54321"},
		{"/tmp/link", app, "/own"},
		{"/a/b/file", app, "not a directory"},
	} {
		way := Way{As: c.as, GID: -1, Any: true}
		fd, err := way.Open(dir + c.path)
		if err != nil {
			if got := strings.ReplaceAll(err.Error(), dir, "DIR"); c.want == "" || !strings.Contains(got, c.want) {
				t.Errorf("%s: %q, want %q", c.path, got, c.want)
			}
			if way.MayMake(dir+c.path+"/new") == nil {
				t.Errorf("%s: MayMake says yes", c.path)
			}
			continue
		}
		var got, want unix.Stat_t
		must(unix.Fstat(fd, &got))
		unix.Close(fd)
		must(unix.Stat(dir+cmp.Or(c.want, c.path), &want))
		if got.Ino != want.Ino {
			t.Errorf("%s is another directory, want %s", c.path, cmp.Or(c.want, c.path))
		}
		if err := way.MayMake(dir + c.path + "/new"); err != nil {
			t.Errorf("%s: %v", c.path, err)
		}
	}
}
