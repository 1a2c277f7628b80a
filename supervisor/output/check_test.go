package output

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCheck: it says what Open says, and leaves everything as it is.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	for name, to := range map[string]string{"link": "file", "nowhere": "none"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(dir+"/file", []byte("x\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(dir+"/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ path, want string }{
		{"/dev/null", "/dev/null is not a regular file; name one"},
		{dir + "/fifo", "is not a regular file"},
		{dir, "is not a regular file"},
		{dir + "/link", "is a symbolic link, which is not followed"},
		{dir + "/file/log", dir + "/file is not a directory; choose"},
		{dir + "/file/deep/log", dir + "/file is not a directory; choose"},
		{dir + "/nowhere/log", dir + "/nowhere is a symbolic link that leads nowhere"},
		{dir + "/file", ""},
		{dir + "/new", ""},
		{dir + "/deep/new", ""},
	} {
		before, _ := os.ReadDir(dir)
		err := Check(test.path, Options{UID: -1, GID: -1, Mode: 0o640})
		after, _ := os.ReadDir(dir)
		if len(before) != len(after) {
			t.Errorf("%s: something was made", test.path)
		}
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", test.path, err, test.want)
		}
		l, opened := Open(test.path, Options{UID: -1, GID: -1, Mode: 0o640})
		if opened == nil {
			l.Close()
			os.Remove(dir + "/new")
			os.RemoveAll(dir + "/deep")
		}
		if (opened == nil) != (test.want == "") {
			t.Errorf("Open of %s: %v", test.path, opened)
		}
	}
}
