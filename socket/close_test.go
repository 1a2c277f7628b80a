package socket

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"supd/socket/sockettest"
)

// lingers leaves a connection that takes an hour to close in a socket.
func lingers(t *testing.T, c *net.UnixConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	t.Cleanup(func() { l.Close() })
	must(t, sockettest.SendLingering(c, l))
}

func dialled(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	c, err := net.Dial("unix", path)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c.(*net.UnixConn)
}

// soon does what must not wait for what others have left in a socket.
func soon(t *testing.T, what string, do func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	case <-time.After(deadline):
		t.Fatalf("%s waits for a connection that somebody has left in the queue", what)
	}
}

// TestCloseLingers: nothing of supd's waits for connections that others have left where it
// has the last descriptor.
func TestCloseLingers(t *testing.T) {
	t.Run("listener", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		sock, err := Open(Spec{Name: "s", Listen: "unix:" + path, Mode: 0o600})
		must(t, err)
		for range 3 {
			lingers(t, dialled(t, path))
		}
		soon(t, "Close", sock.Close)
	})
	t.Run("repair", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		set, err := newSet(nil)
		must(t, err)
		sock, err := set.openOne("app/s", Spec{Name: "s", Listen: "unix:" + path, Mode: 0o600}, nil)
		must(t, err)
		set.live.Store(&map[string]*Socket{"app/s": sock})
		lingers(t, dialled(t, path))
		must(t, unix.Shutdown(sock.Fd(), unix.SHUT_RDWR))
		soon(t, "Repair", func() error { return set.Repair(Damage{Key: "app/s", Kind: ShutDown}) })
		lingers(t, dialled(t, path))
		soon(t, "Close", set.Close)
	})
	t.Run("lasting", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		l, err := Last(Spec{Name: "s", Listen: "unix:" + path, Mode: 0o600}, func(error) {})
		must(t, err)
		lingers(t, dialled(t, path))
		must(t, os.Remove(path))
		for end := time.Now().Add(deadline); ; time.Sleep(time.Millisecond) {
			if _, err := os.Lstat(path); err == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatal("the path does not come back")
			}
		}
		lingers(t, dialled(t, path))
		soon(t, "Close", l.Close)
	})
	t.Run("connection", func(t *testing.T) {
		l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
		must(t, err)
		defer l.Close()
		lingers(t, dialled(t, l.Addr().String()))
		c, err := l.Accept()
		must(t, err)
		closed := make(chan struct{})
		soon(t, "Close", func() error { return Close(c, func() { close(closed) }) })
		<-closed
		if _, err := c.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Errorf("it can be read: %v", err)
		}
	})
}
