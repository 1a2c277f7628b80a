package main_test

import (
	"fmt"
	"net"
	"os"
	"testing"

	"supd/socket/sockettest"
)

// TestLingering: what others leave in sockets of supd's, or of an app's, keeps nobody
// waiting: connections for whose end the kernel would wait for an hour.
func TestLingering(t *testing.T) {
	if os.Getenv(namespaceVariable) != "" {
		t.Skip("runs outside of the namespace")
	}
	t.Parallel()
	tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tcp.Close() })
	leave := func(t *testing.T, path string, times int) {
		t.Helper()
		c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		for range times { // the server waits at the first of them
			if err := sockettest.SendLingering(c, tcp); err != nil {
				t.Fatal(err)
			}
		}
	}
	start := func(t *testing.T) *frozen {
		f := newFrozen(t)
		f.victim = fmt.Sprintf("[socket.web]\nlisten = %q\n[process.web]\ncommand = [\"/bin/sleep\", \"1000000\"]\nsockets = [\"web\"]\nready = { uptime = \"1ms\" }\n", "unix:"+f.dir+"/web.sock")
		f.tables = "[metrics]\nlisten = \"unix:metrics.sock\"\n"
		f.start()
		return f
	}
	t.Run("apply", func(t *testing.T) {
		t.Parallel()
		f := start(t)
		leave(t, f.dir+"/web.sock", 2)
		if err := os.Remove(f.dir + "/apps/victim.toml"); err != nil {
			t.Fatal(err)
		}
		f.supctl("apply", "--no-wait")
		f.check()
	})
	for name, socket := range map[string]string{"control": "supd.sock", "metrics": "metrics.sock"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t)
			leave(t, f.dir+"/"+socket, 3)
			leave(t, f.dir+"/"+socket, 1)
			f.check()
		})
		t.Run(name+" at a reexec", func(t *testing.T) {
			t.Parallel()
			f := start(t)
			leave(t, f.dir+"/"+socket, 3)
			stays := f.worker("stays")
			f.supctl("reexec")
			if now := f.worker("stays"); now.Pid != stays.Pid {
				t.Errorf("pid %d is pid %d now", stays.Pid, now.Pid)
			}
			f.check()
		})
	}
}
