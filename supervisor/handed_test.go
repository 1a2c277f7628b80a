package supervisor

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"supd/socket"
)

// TestSocketsOfSystemd: of an address where systemd listens it is not said that another
// process has to be stopped. This test is its own systemd.
func TestSocketsOfSystemd(t *testing.T) {
	path := t.TempDir() + "/s"
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	unix, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	for _, listen := range []string{"tcp:" + tcp.Addr().String(), "unix:" + path} {
		spec := socket.Spec{Listen: listen}
		for pid, want := range map[int]string{0: "", os.Getpid(): "systemd keeps it for supd"} {
			h := handed{sockets: socket.HandedOn(nil)}
			h.keptBy(pid)
			err := h.check(spec)
			if !errors.Is(err, socket.ErrTaken) || !strings.Contains(err.Error(), want) || (want == "") != !strings.Contains(err.Error(), "systemd") {
				t.Errorf("%s, systemd is %d: %v", listen, pid, err)
			}
		}
	}
	h := handed{sockets: socket.HandedOn(nil)}
	h.keptBy(os.Getpid())
	if err := h.check(socket.Spec{Listen: "tcp:192.0.2.1:80"}); err == nil || strings.Contains(err.Error(), "systemd") {
		t.Errorf("an address of nobody: %v", err)
	}
}

// TestSocketsOfASystemdThatIsNotSeen: who may not look at its descriptors does not say what
// they may be.
func TestSocketsOfASystemdThatIsNotSeen(t *testing.T) {
	h := handed{sockets: socket.HandedOn(nil)}
	h.keptBy(1 << 30) // no pid is that high
	if !h.unknown {
		t.Error("is taken for one without sockets")
	}
}
