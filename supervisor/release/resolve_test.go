package release

import (
	"os"
	"path/filepath"
	"testing"
)

// TestRegisterFollowsALink: workers run from where the files are, not through a
// link that may lead elsewhere later.
func TestRegisterFollowsALink(t *testing.T) {
	dir := t.TempDir()
	files, link := filepath.Join(dir, "1.0"), filepath.Join(dir, "current")
	for _, err := range []error{os.Mkdir(files, 0o755), os.Symlink("1.0", link)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r, _, err := Open(filepath.Join(dir, "state")).Register(t.Context(), Registration{App: "whois", Version: "1.0", Path: link})
	if err != nil || r.Path != files {
		t.Errorf("path %q, %v; want %q", r.Path, err, files)
	}
}
