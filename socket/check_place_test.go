package socket

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCheckPlace: where nobody makes a file, or moves one, root does not either. Open fails
// in each of them, too.
func TestCheckPlace(t *testing.T) {
	needRoot(t)
	dir := shortDir(t)
	flags := map[string]int{"immutable": 0x10, "append": 0x20} // FS_IMMUTABLE_FL, FS_APPEND_FL (ioctl_iflags(2))
	tests := map[string]string{"/proc/s": "/proc is on a file system of the kernel (proc), in which no file can be made"}
	for name, flag := range flags {
		must(t, os.Mkdir(dir+"/"+name, 0o755))
		f, err := os.Open(dir + "/" + name)
		must(t, err)
		defer f.Close()
		if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flag); err != nil {
			t.Logf("no chattr here: %v", err)
			continue
		}
		defer unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, 0)
		tests[dir+"/"+name+"/s"] = map[string]string{"immutable": " is immutable, and no file", "append": " is append-only, and no name"}[name]
	}
	for path, want := range tests {
		err := Check(Spec{Listen: "unix:" + path}, nil, false)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
		if s, err := Open(Spec{Listen: "unix:" + path}); err == nil {
			s.Close()
			t.Errorf("%s could be opened", path)
		}
	}
}
