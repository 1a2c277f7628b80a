package control

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
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
	l, err := Open(c, silent)
	must(t, err)
	var st unix.Stat_t
	must(t, unix.Stat(c.Socket, &st))
	if st.Mode != unix.S_IFSOCK|0o640 || st.Gid != want {
		t.Errorf("mode %o, group %d", st.Mode, st.Gid)
	}
	must(t, l.Close())
	must(t, l.Close()) // net/http closes it, and so does whoever opened it
	if _, err := os.Lstat(c.Socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close: %v", err)
	}
}

func TestOpenRefusesALivingOne(t *testing.T) {
	c := configs.Control{Socket: shortDir(t) + "/supd.sock", Mode: 0o600}
	l, err := Open(c, silent)
	must(t, err)
	defer l.Close()
	_, err = Open(c, silent)
	if err == nil || !contains(err.Error(), "supd is already running: a process is listening on "+c.Socket) || isDying(c.Socket) {
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
	l, err := Open(configs.Control{Socket: path, Mode: 0o600}, silent)
	must(t, err)
	must(t, l.Close())
}

func TestOpenLeavesAFileAlone(t *testing.T) {
	path := shortDir(t) + "/supd.sock"
	must(t, os.WriteFile(path, []byte("precious"), 0o600))
	_, err := Open(configs.Control{Socket: path, Mode: 0o600}, silent)
	if err == nil || !contains(err.Error(), "control socket: ") {
		t.Errorf("error %v", err)
	}
	if text, err := os.ReadFile(path); string(text) != "precious" {
		t.Errorf("the file holds %q, %v", text, err)
	}
}

const listenVariable = "SUPD_TEST_LISTEN" // the path that TestListenAndEnd binds its descriptor 3 to

// TestListenAndEnd is the process that listens and ends in the next test.
func TestListenAndEnd(t *testing.T) {
	path := os.Getenv(listenVariable)
	if path == "" {
		t.Skip("is run by TestOpenWaitsForADyingOne")
	}
	must(t, unix.Bind(3, &unix.SockaddrUnix{Name: path}))
	must(t, unix.Listen(3, 1000)) // a client that has connected stays in the queue
}

// TestOpenWaitsForADyingOne: the process of a killed supd may be gone while its
// descriptors are still open.
func TestOpenWaitsForADyingOne(t *testing.T) {
	path := shortDir(t) + "/supd.sock"
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	listening := os.NewFile(uintptr(fd), "listening")
	defer listening.Close()
	child := exec.Command(os.Args[0], "-test.run=^TestListenAndEnd$")
	child.Env, child.ExtraFiles = append(os.Environ(), listenVariable+"="+path), []*os.File{listening}
	must(t, child.Run())
	if !answers(path) || !isDying(path) {
		t.Fatalf("it answers: %v, and is dying: %v", answers(path), isDying(path))
	}
	opened := make(chan error, 1)
	go func() {
		l, err := Open(configs.Control{Socket: path, Mode: 0o600}, silent)
		if err == nil {
			err = l.Close()
		}
		opened <- err
	}()
	must(t, listening.Close())
	must(t, <-opened)
}
