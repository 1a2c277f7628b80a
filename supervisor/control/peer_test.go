package control

import (
	"bufio"
	"net"
	"net/http"
	"os"
	"reflect"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"supd/configs"
)

// The kernel, not the client, says who asks.
func TestStrangerOverTheSocket(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("SUPD_TEST_REQUIRE") != "" {
			t.Fatal("needs root, and SUPD_TEST_REQUIRE is set")
		}
		t.Skip("needs root, to be somebody else")
	}
	d := newFake("/nonexistent")
	_, c := serve(t, d)
	must(t, os.Chmod(c.socket, 0o666))
	must(t, os.Chmod(c.socket[:len(c.socket)-len("/supd.sock")], 0o755))
	conn := connectAs(t, 12345, c.socket)
	defer conn.Close()
	if code := statusOf(t, conn, post(`{"action":"shutdown"}`)); code != http.StatusForbidden {
		t.Errorf("POST: %d", code)
	}
	get, err := http.NewRequest("GET", "http://supd/v1/version", nil)
	must(t, err)
	if code := statusOf(t, conn, get); code != http.StatusOK {
		t.Errorf("GET: %d", code)
	}
	if len(d.requests()) > 0 {
		t.Error("it reached the daemon")
	}
}

// connectAs connects on a thread that has another user id and ends at once.
func connectAs(t *testing.T, uid int, path string) net.Conn {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	file := os.NewFile(uintptr(fd), "client")
	defer file.Close()
	must(t, onAnotherThread(func() error {
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			return errno
		}
		return unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	}))
	conn, err := net.FileConn(file)
	must(t, err)
	return conn
}

// onAnotherThread runs f on a thread that is not the main one and ends with it.
func onAnotherThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			done <- onAnotherThread(f)
			runtime.UnlockOSThread()
			return
		}
		done <- f()
	}()
	return <-done
}

func statusOf(t *testing.T, conn net.Conn, r *http.Request) int {
	t.Helper()
	must(t, r.Write(conn))
	answer, err := http.ReadResponse(bufio.NewReader(conn), r)
	must(t, err)
	answer.Body.Close()
	return answer.StatusCode
}

func TestPeerOf(t *testing.T) {
	path := shortDir(t) + "/supd.sock"
	l, err := Open(configs.Control{Socket: path, Mode: 0o600}, silent)
	must(t, err)
	defer l.Close()
	client, err := net.Dial("unix", path)
	must(t, err)
	defer client.Close()
	conn, err := l.Accept()
	must(t, err)
	defer conn.Close()
	groups, err := os.Getgroups()
	must(t, err)
	want := peer{uid: os.Geteuid(), pid: os.Getpid(), gids: append(groups, os.Getegid())}
	if got := peerOf(conn); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	pipe, _ := net.Pipe()
	if got := peerOf(pipe); !reflect.DeepEqual(got, nobody) {
		t.Errorf("of a pipe: %+v", got)
	}
}
