package configs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"supd/privdrop/files"
)

// TestFilesOfTheProgram: what a program is told by a file is looked at as far as its user
// may read that.
func TestFilesOfTheProgram(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("to have another user's rights needs root")
	}
	dir := t.TempDir()
	secret, link := filepath.Join(dir, "root", "uwsgi.ini"), filepath.Join(dir, "uwsgi.ini")
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755), os.Mkdir(filepath.Dir(secret), 0o700),
		os.WriteFile(secret, []byte("[uwsgi]\nprocesses = 7\n"), 0o644), os.Symlink(secret, link)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		as      *files.Account
		partial bool
	}{{nil, false}, {&files.Account{UID: 65534, GID: 65534}, true}} {
		o := readUWSGI(dir, []string{link}, nil, test.as)
		if o.partial != test.partial || (len(o.all["processes"]) == 0) != test.partial {
			t.Errorf("as %v: %+v", test.as, o)
		}
	}
	if err := os.Chmod(filepath.Dir(secret), 0o755); err != nil {
		t.Fatal(err)
	}
	text, err := readThrough(nil, link, &files.Account{UID: 65534, GID: 65534})
	if err != nil || !strings.Contains(string(text), "processes") {
		t.Errorf("where the user may: %q, %v", text, err)
	}
}
