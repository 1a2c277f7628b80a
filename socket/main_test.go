package socket

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// deadline bounds every wait for something that has to happen.
const deadline = 20 * time.Second

// helperVar holds what a copy of the test binary is to do instead of testing.
const helperVar = "SUPD_SOCKET_TEST_HELPER"

func TestMain(m *testing.M) {
	if task := os.Getenv(helperVar); task != "" {
		if err := help(task, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stdout, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func help(task string, args []string) error {
	switch task {
	case "connect":
		return tryConnect(args[0])
	case "shutdown": // descriptor 3, which the parent owns too
		how := map[string]int{"both": unix.SHUT_RDWR, "read": unix.SHUT_RD}[args[0]]
		return unix.Shutdown(3, how)
	case "supd":
		return ownUntilKilled(args)
	case "confined supd":
		return becomeConfined()
	case "worker":
		return serveUntilEOF(args)
	case "port80":
		return openPort80()
	case "refused80":
		_, err := Open(Spec{Listen: "tcp:127.0.0.1:80"})
		return err
	}
	return fmt.Errorf("no task %q", task)
}

// helper runs a task in another process, and returns what it said and whether
// it succeeded.
func helper(t *testing.T, attr *syscall.SysProcAttr, fd int, task string, args ...string) (string, bool) {
	t.Helper()
	exe := "/proc/self/exe"
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), helperVar+"="+task)
	cmd.SysProcAttr = attr
	if fd >= 0 {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		file := os.NewFile(uintptr(dup), "listener")
		defer file.Close()
		cmd.ExtraFiles = []*os.File{file}
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out)), err == nil
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("SUPD_TEST_REQUIRE") == "1" {
		t.Fatal("needs root, and SUPD_TEST_REQUIRE=1 forbids to skip")
	}
	t.Skip("needs root: gives sockets to other users")
}

// shortDir is a temporary directory whose path leaves room for a socket's, and
// that other users can enter.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "sock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// apply is Apply as one that is the last, with all that failed in the error.
func apply(s *Set, specs map[string]Spec) error {
	failed, err := s.Apply(specs, false)
	for _, key := range slices.Sorted(maps.Keys(failed)) {
		err = errors.Join(err, fmt.Errorf("%s: %w", key, failed[key]))
	}
	return err
}

func mustOpen(t *testing.T, s Spec) *Socket {
	t.Helper()
	sock, err := Open(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sock.Close(); err != nil {
			t.Error(err)
		}
	})
	return sock
}

// answers fails unless a connection to the socket is accepted by whoever holds
// fd.
func answers(t *testing.T, sock *Socket) {
	t.Helper()
	network, address := sock.Addr()
	reaches(t, sock, network, address)
}

func reaches(t *testing.T, sock *Socket, network, address string) {
	t.Helper()
	client, err := net.DialTimeout(network, address, deadline)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := acceptOne(sock.Fd()); err != nil {
		t.Fatalf("accept: %v", err)
	}
}

func acceptOne(fd int) error {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(poll, int(deadline.Milliseconds())); n != 1 {
		return fmt.Errorf("nothing to accept: %v", err)
	}
	conn, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
	if err != nil {
		return err
	}
	return unix.Close(conn)
}

// occupy binds a socket the plain way, and leaves its file behind if it is
// closed.
func occupy(t *testing.T, path string, kind, backlog int) (closeIt func()) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if kind == unix.SOCK_STREAM {
		if err := unix.Listen(fd, backlog); err != nil {
			t.Fatal(err)
		}
	}
	done := false
	closeIt = func() {
		if !done {
			unix.Close(fd)
		}
		done = true
	}
	t.Cleanup(closeIt)
	return closeIt
}

// entries lists a directory but for the notes in it.
func entries(t *testing.T, dir string) []string {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range found {
		if !strings.HasSuffix(entry.Name(), noteSuffix) {
			names = append(names, entry.Name())
		}
	}
	return names
}

func dial(s *Socket) (net.Conn, error) {
	network, address := s.Addr()
	return net.DialTimeout(network, address, deadline)
}
