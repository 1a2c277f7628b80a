package privdrop

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReach: the directory that stands in the way is named, wherever links lead.
func TestReach(t *testing.T) {
	account := nobody(t)
	dir, err := os.MkdirTemp("/tmp", "supd-") // a way that everybody may go
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		t.Fatal(err)
	}
	lay := func(name string, mode os.FileMode, file bool) {
		path := filepath.Join(dir, name)
		var err error
		if file {
			err = os.WriteFile(path, nil, mode)
		} else {
			err = os.Mkdir(path, mode)
		}
		if err == nil {
			err = os.Chmod(path, mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	lay("open", 0o711, false)
	lay("open/run", 0o755, true)
	lay("open/theirs", 0o750, true)
	lay("closed", 0o700, false)
	lay("closed/in", 0o755, false)
	lay("closed/in/run", 0o755, true)
	lay("group", 0o710, false)
	lay("group/run", 0o755, true)
	lay("release", 0o755, false)
	lay("release/run", 0o755, true)
	if err := unix.Chown(dir+"/group", 0, 4711); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"link": "closed/in", "open/far": dir + "/closed/in/run"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	member := *account
	member.Groups = []int{4711}
	mounted := View{{From: dir + "/closed/in", To: dir + "/release"}}
	for _, test := range []struct {
		path    string
		account *Account
		view    View
		want    string // what is named; "" is that nothing is in the way
	}{
		{"/open/run", account, nil, ""},
		{"/open", account, nil, ""},
		{"/open/none", account, nil, ""},
		{"/open/theirs", account, nil, "execute DIR/open/theirs;"},
		{"/closed/in/run", account, nil, "enter the directory DIR/closed;"},
		{"/closed", account, nil, "enter the directory DIR/closed;"},
		{"/link/run", account, nil, "enter the directory DIR/closed;"},
		{"/open/far", account, nil, "enter the directory DIR/closed;"},
		{"/open/../closed/in", account, nil, "enter the directory DIR/closed;"},
		{"/group/run", account, nil, "enter the directory DIR/group;"},
		{"/group/run", &member, nil, ""},
		{"/closed/in/run", &Account{Name: "root"}, nil, ""},
		{"/release/run", account, mounted, ""},
	} {
		got := ""
		if err := test.account.Reach(test.view, dir+test.path); err != nil {
			got = strings.ReplaceAll(err.Error(), dir, "DIR")
		}
		if !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%s as %s: %q, want %q", test.path, test.account.title(), got, test.want)
		}
	}
}

// TestReachIsTheThreads: the rest of this process keeps its rights.
func TestReachIsTheThreads(t *testing.T) {
	account := nobody(t)
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for range 20 {
		go func() { done <- account.Reach(nil, closed) }()
	}
	for range 20 {
		if err := <-done; err == nil {
			t.Error("nobody may enter the directory of root")
		}
		if _, err := os.ReadDir(closed); err != nil {
			t.Error(err)
		}
	}
	if uid, _ := unix.SetfsuidRetUid(-1); uid != os.Geteuid() {
		t.Errorf("fsuid %d", uid)
	}
}
