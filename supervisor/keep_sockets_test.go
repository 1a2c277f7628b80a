package supervisor

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/socket"
	"supd/supervisor/engine"
)

// keeper is one that holds sockets while no supd is there, as systemd does.
type keeper struct {
	said []string
	held map[string]int
}

func (k *keeper) changed(changes []Kept) {
	for _, c := range changes {
		if have, ok := k.held[c.Key]; ok && len(c.Fds) == 0 {
			unix.Close(have)
		}
		delete(k.held, c.Key)
		k.said = append(k.said, fmt.Sprintf("%s %d", c.Key, len(c.Fds)))
		if len(c.Fds) > 0 {
			k.held[c.Key] = c.Fds[0]
		}
	}
}

func (k *keeper) want(t *testing.T, said ...string) {
	t.Helper()
	if diff := cmp.Diff(said, k.said); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
	k.said = nil
}

// inherit gives the next supd what is held.
func (k *keeper) inherit() (all []Inherited) {
	for name, fd := range k.held {
		all = append(all, Inherited{name, fd})
	}
	k.held = map[string]int{}
	return all
}

// idleConfig is an app that has sockets, and a worker that is not started.
func idleConfig(t *testing.T, dir, sockets string) *configs.Config {
	t.Helper()
	own, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"supd.toml":     fmt.Sprintf("[daemon]\nstate = %q\nruntime = %q\nlogs = %q\n", dir+"/state", dir+"/run", dir+"/logs"),
		"apps/app.toml": fmt.Sprintf("user = %q\nallow_root = true\n[process.web]\ncommand = \"/bin/true\"\nautostart = false\n%s", own.Username, sockets),
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := configs.Load(dir + "/supd.toml")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func quietSupd(t *testing.T, c *configs.Config, k *keeper) *Supervisor {
	t.Helper()
	s, err := New(c, slog.New(slog.DiscardHandler), k.inherit()...)
	if err != nil {
		t.Fatal(err)
	}
	s.KeepSockets(k.changed)
	return s
}

// TestSocketsOutliveSupd: from one supd to the next by way of whoever keeps them,
// the same listeners, and no path of theirs is missing meanwhile.
func TestSocketsOutliveSupd(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "supd-kept-") // short, for the sockets' sake
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	k := &keeper{held: map[string]int{}}
	both := fmt.Sprintf("[socket.a]\nlisten = \"unix:%s/a\"\n[socket.b]\nlisten = \"tcp:127.0.0.1:0\"\n", dir)
	s := quietSupd(t, idleConfig(t, dir, both), k)
	k.want(t, "app/a 1", "app/b 1")
	address := s.host.sockets.set.Get("app/b")
	_, port := address.Addr()
	before := inodesIn([]int{k.held["app/a"], k.held["app/b"]})
	s.host.close()
	waiting, err := net.Dial("unix", dir+"/a") // while no supd is there
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()

	s = quietSupd(t, idleConfig(t, dir, both), k)
	k.want(t, "app/a 0", "app/a 1", "app/b 0", "app/b 1")
	if diff := cmp.Diff(before, inodesIn([]int{k.held["app/a"], k.held["app/b"]})); diff != "" {
		t.Errorf("other listeners: %s", diff)
	}
	if _, now := s.host.sockets.set.Get("app/b").Addr(); now != port {
		t.Errorf("the kernel has chosen %s before, and now %s", port, now)
	}
	all := map[string]configs.Socket{"app/a": {Spec: s.host.sockets.set.Get("app/a").Spec()}, "app/c": {Spec: socket.Spec{Listen: "tcp:127.0.0.1:0"}}}
	if failed := s.host.sockets.Open(all, false); len(failed) > 0 {
		t.Fatal(failed)
	}
	k.want(t, "app/c 1", "app/b 0")
	if err := unix.Shutdown(s.host.sockets.set.Get("app/c").Fd(), unix.SHUT_RDWR); err != nil {
		t.Fatal(err)
	}
	if _, err := s.host.sockets.Repair(engine.Damage{Key: "app/c", ShutDown: true}); err != nil {
		t.Fatal(err)
	}
	k.want(t, "app/c 0", "app/c 1")
	s.host.close()

	one := fmt.Sprintf("[socket.a]\nlisten = \"unix:%s/a\"\n", dir)
	s = quietSupd(t, idleConfig(t, dir, one), k)
	k.want(t, "app/a 0", "app/a 1", "app/c 0")
	s.host.sockets.keeping = nil // a supd that nobody keeps sockets for
	s.host.close()
	if _, err := os.Lstat(dir + "/a"); !os.IsNotExist(err) {
		t.Errorf("the path is left: %v", err)
	}
	for _, fd := range k.held {
		unix.Close(fd)
	}
}

// TestUnitsSocketCannotRefuse: systemd has a socket of its units as well, and would go on
// listening when supd closes it.
func TestUnitsSocketCannotRefuse(t *testing.T) {
	for name, held := range map[string]bool{"whois.socket": true, "app/a": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			file, err := listener.(*net.TCPListener).File()
			if err != nil {
				t.Fatal(err)
			}
			fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
			if err = errors.Join(err, file.Close()); err != nil {
				t.Fatal(err)
			}
			c := idleConfig(t, dir, fmt.Sprintf("sockets = [\"a\"]\n[socket.a]\nlisten = \"tcp:%s\"\nwhen_stopped = \"refuse\"\n", listener.Addr()))
			s := quietSupd(t, c, &keeper{held: map[string]int{name: fd}})
			defer s.host.close()
			if note := s.owner.Status().Apps[0].Note; strings.Contains(note, "socket unit") != held {
				t.Errorf("note %q", note)
			}
		})
	}
}
