package privdrop

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

func TestDenied(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("to become another user needs root")
	}
	top, err := os.MkdirTemp("/tmp", "denied-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(top) })
	closed, open := filepath.Join(top, "closed"), filepath.Join(top, "open")
	file := filepath.Join(closed, "deep", "file")
	err = errors.Join(os.Chmod(top, 0o755), os.MkdirAll(filepath.Dir(file), 0o755), os.Chown(closed, 0, 1234), os.Chmod(closed, 0o750),
		os.WriteFile(open, nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	err = files.OnThreadOfItsOwn(func() error {
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534); errno != 0 {
			return errno
		}
		for path, want := range map[string]string{
			file: " may not enter the directory " + closed + ", which is of root with mode 0750",
			open: " may not use " + open + ", which is of root with mode 0600",
		} {
			fd, err := unix.Open(path, unix.O_RDONLY, 0)
			if err == nil {
				unix.Close(fd)
			}
			d, ok := Denied(path, &fs.PathError{Op: "open", Path: path, Err: err})
			if !ok || !strings.HasSuffix(d.String(), want) || !strings.Contains(d.Who, "(uid ") {
				t.Errorf("%s: %v, %q", path, err, d)
			}
			if group := map[bool]string{true: "1234", false: ""}[path == file]; d.Group != group {
				t.Errorf("%s: group %q, want %q", path, d.Group, group)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if _, ok := Denied(open, fs.ErrNotExist); ok {
		t.Error("what is not there is denied")
	}
}
