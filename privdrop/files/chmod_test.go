package files

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestChmodAt: a link in the place of what is to be changed leads nowhere.
func TestChmodAt(t *testing.T) {
	dir := t.TempDir()
	for _, err := range []error{os.Mkdir(dir+"/d", 0o711), os.WriteFile(dir+"/secret", nil, 0o600), os.Symlink("secret", dir+"/link")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	at, err := unix.Open(dir, unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(at)
	if err := ChmodAt(at, "d", unix.S_IFDIR, 0o700); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"link", "secret"} {
		if err := ChmodAt(at, name, unix.S_IFSOCK, 0o666); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := ChmodAt(at, "none", unix.S_IFDIR, 0o700); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
	for name, want := range map[string]os.FileMode{"d": 0o700, "secret": 0o600} {
		if info, err := os.Stat(dir + "/" + name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}
