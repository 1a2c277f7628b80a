package record

import (
	"os"
	"path/filepath"
	"testing"
)

// A record that somebody else could have written is set aside, and nothing is written
// through a link.
func TestWhoseRecord(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	good := []byte(`{"format":1,"boot":"b","slots":[]}` + "\n")
	for name, make := range map[string]func(path string){
		"a stranger's": func(path string) { must(os.WriteFile(path, good, 0o600)); must(os.Chown(path, 54321, -1)) },
		"writable":     func(path string) { must(os.WriteFile(path, good, 0o600)); must(os.Chmod(path, 0o666)) },
		"a link":       func(path string) { must(os.WriteFile(path+".good", good, 0o600)); must(os.Symlink(path+".good", path)) },
		"a directory":  func(path string) { must(os.Mkdir(path, 0o700)) },
	} {
		path := filepath.Join(t.TempDir(), "state.json")
		make(path)
		if r, err := Read(path, "b"); r != nil || err == nil {
			t.Errorf("%s: %v, %v", name, r, err)
		}
		if _, err := os.Lstat(path + ".unreadable"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	path, elsewhere := dir+"/state.json", dir+"/elsewhere"
	must(os.Symlink(elsewhere, path+".new"))
	if err := ReplaceFile(path, good); err == nil {
		t.Error("written through a link")
	}
	if _, err := os.Stat(elsewhere); !os.IsNotExist(err) {
		t.Errorf("made by way of a link: %v", err)
	}
	must(os.Remove(path + ".new"))
	must(ReplaceFile(path, good))
	if r, err := Read(path, "b"); r == nil || err != nil {
		t.Errorf("%v, %v", r, err)
	}
}
