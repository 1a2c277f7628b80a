package privdrop

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTraceable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "suid_dumpable")
	if traceable(path) {
		t.Error("traceable, on a machine that does not say so")
	}
	for text, want := range map[string]bool{"0\n": false, "1\n": true, "2\n": false} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := traceable(path); got != want {
			t.Errorf("%q: traceable %v, want %v", text, got, want)
		}
	}
}
