package launch

import (
	"os"
	"path/filepath"
	"testing"

	"supd/privdrop"
)

func TestWithoutLinks(t *testing.T) {
	link := filepath.Join(t.TempDir(), "venvs")
	if err := os.Symlink("/opt", link); err != nil {
		t.Fatal(err)
	}
	if got, want := withoutLinks(link+"/no-such/whois/"), "/opt/no-such/whois"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestCoverFrom: a cover begins where no package manager removes the directory, and
// below what is not root's alone.
func TestCoverFrom(t *testing.T) {
	worker := Spec{Account: &privdrop.Account{UID: 65534}}
	for to, want := range map[string]string{
		"/opt/no-such-venvs/whois":       "/opt",
		"/opt/no-such-whois":             "/opt",
		"/usr/share/no-such-venvs/whois": "/usr/share",
		"/usr/local/no-such/a/whois":     "/usr/local",
		"/no-such-venvs/whois":           "",
		"/no-such-whois":                 "",
		"/tmp/no-such/whois":             "",
	} {
		if got := worker.coverFrom(to); got != want {
			t.Errorf("%s: from %q, want %q", to, got, want)
		}
	}
	if got := (Spec{Account: &privdrop.Account{}}).coverFrom("/opt/whois"); got != "" {
		t.Errorf("for a worker that is root: from %q", got)
	}
	if os.Geteuid() != 0 {
		return
	}
	dir := t.TempDir() // in /tmp, where everybody may write
	if err := os.MkdirAll(dir+"/a/b", 0o755); err != nil {
		t.Fatal(err)
	}
	got := worker.coverFrom(dir + "/a/b/c/whois")
	if want := filepath.Dir(filepath.Dir(dir)); filepath.Dir(got) != want {
		t.Errorf("from %s, want the one in %s", got, want)
	}
}
