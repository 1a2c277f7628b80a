package control

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"supd/configs"
)

func TestOpenGivesModeAndGroup(t *testing.T) {
	c := configs.Control{Socket: shortDir(t) + "/supd.sock", Mode: 0o640}
	want := uint32(os.Getegid())
	if os.Geteuid() == 0 {
		c.Group, want = "12345", 12345
	}
	l, err := Open(c)
	must(t, err)
	var st unix.Stat_t
	must(t, unix.Stat(c.Socket, &st))
	if st.Mode != unix.S_IFSOCK|0o640 || st.Gid != want {
		t.Errorf("mode %o, group %d", st.Mode, st.Gid)
	}
	must(t, l.Close())
	must(t, l.Close()) // net/http closes it, and whoever opened it does
	if _, err := os.Lstat(c.Socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close: %v", err)
	}
}

func TestOpenRefusesALivingOne(t *testing.T) {
	c := configs.Control{Socket: shortDir(t) + "/supd.sock", Mode: 0o600}
	l, err := Open(c)
	must(t, err)
	defer l.Close()
	_, err = Open(c)
	if err == nil || !contains(err.Error(), "supd is already running: a process is listening on "+c.Socket) {
		t.Errorf("error %v", err)
	}
	conn, err := net.Dial("unix", c.Socket)
	must(t, err)
	conn.Close()
}

func TestOpenReplacesAStaleOne(t *testing.T) {
	path := shortDir(t) + "/supd.sock"
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	must(t, err)
	stale.SetUnlinkOnClose(false)
	must(t, stale.Close())
	l, err := Open(configs.Control{Socket: path, Mode: 0o600})
	must(t, err)
	must(t, l.Close())
}

func TestOpenLeavesAFileAlone(t *testing.T) {
	path := shortDir(t) + "/supd.sock"
	must(t, os.WriteFile(path, []byte("precious"), 0o600))
	_, err := Open(configs.Control{Socket: path, Mode: 0o600})
	if err == nil || !contains(err.Error(), "control socket: ") {
		t.Errorf("error %v", err)
	}
	if text, err := os.ReadFile(path); string(text) != "precious" {
		t.Errorf("the file holds %q, %v", text, err)
	}
}
