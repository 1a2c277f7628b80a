package socket

import (
	"errors"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// somePort is an address that nobody has just now.
func somePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

// TestOffered: a descriptor is known for a socket's by its address, or its name, and no
// longer once the socket is open.
func TestOffered(t *testing.T) {
	dir := shortDir(t)
	tcp, udp := "tcp:"+somePort(t), "udp:"+somePort(t)
	held := left(t, dir, "app/t", tcp, "app/u", udp, "app/s", "unix:"+dir+"/s", "app/c", "tcp:127.0.0.1:0")
	set := offered(t, dir, map[string]int{"a": held["app/t"], "b": held["app/u"], "c": held["app/s"], "app/c": held["app/c"]})
	for _, c := range []struct {
		key, listen string
		want        bool
	}{
		{"app/t", tcp, true},
		{"app/u", udp, true},
		{"app/s", "unix:" + dir + "/s", true},
		{"app/c", "tcp:127.0.0.1:0", true}, // by its name
		{"app/d", "tcp:127.0.0.1:0", false},
		{"app/t", "udp" + tcp[3:], false},
		{"app/s", "unix:" + dir + "/r", false},
		{"app/s", "unix:" + dir + "/none/r", false},
	} {
		if got := set.Offered(c.key, Spec{Listen: c.listen}); got != c.want {
			t.Errorf("%s, %s: %t", c.key, c.listen, got)
		}
	}
	must(t, apply(set, specs("app/t", tcp, "app/c", "tcp:127.0.0.1:0")))
	if set.Offered("app/t", Spec{Listen: tcp}) || set.Offered("app/s", Spec{Listen: "unix:" + dir + "/s"}) {
		t.Error("offered still")
	}
}

// TestClosedWithItsOffers: a socket that is closed refuses, also where other descriptors of
// it were offered and may serve later.
func TestClosedWithItsOffers(t *testing.T) {
	dir := shortDir(t)
	tcp := "tcp:" + somePort(t)
	held := left(t, dir, "app/t", tcp)
	set := offered(t, dir, map[string]int{"app/t": held["app/t"], "worker": held["app/t"]})
	failed, err := set.Apply(map[string]Spec{"app/t": {Listen: tcp}}, true)
	if len(failed) > 0 || err != nil {
		t.Fatal(failed, err)
	}
	sock := set.Get("app/t")
	null, err := unix.Open("/dev/null", unix.O_CLOEXEC, 0)
	must(t, err)
	must(t, errors.Join(unix.Dup3(null, held["app/t"], unix.O_CLOEXEC), unix.Close(null))) // it is closed at the end of the test
	failed, err = set.Apply(nil, true)
	if len(failed) > 0 || err != nil {
		t.Fatal(failed, err)
	}
	if set.Offered("app/t", Spec{Listen: tcp}) {
		t.Error("a descriptor of it is left")
	}
	if conn, err := dial(sock); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("dial: %v, %v", conn, err)
	}
}
