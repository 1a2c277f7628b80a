package socket

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestExclude opens each pair of sockets as well: the kernel says the same.
func TestExclude(t *testing.T) {
	tests := []struct {
		one, other string
		want       string // a part of it; "" is none
	}{
		{"tcp:0.0.0.0:PORT", "tcp:[::]:PORT", "IPv4 too"},
		{"tcp:*:PORT", "tcp:127.0.0.1:PORT", "IPv4 too"},
		{"tcp:[::]:PORT", "tcp:[::1]:PORT", "[::]"},
		{"tcp:0.0.0.0:PORT", "tcp:127.0.0.1:PORT", "0.0.0.0"},
		{"tcp:localhost:PORT", "tcp:127.0.0.1:PORT", "the same"},
		{"tcp:[::ffff:127.0.0.1]:PORT", "tcp:127.0.0.1:PORT", "the same"},
		{"udp:0.0.0.0:PORT", "udp:127.0.0.2:PORT", "0.0.0.0"},
		{"udp:[::]:PORT", "udp:127.0.0.2:PORT", "[::]"},
		{"tcp:*:PORT", "tcp:[::]:PORT", "the same"},
		{"tcp:127.0.0.1:PORT", "tcp:127.0.0.2:PORT", ""},
		{"tcp:0.0.0.0:PORT", "tcp:[::1]:PORT", ""},
		{"tcp:0.0.0.0:PORT", "udp:0.0.0.0:PORT", ""},
		{"tcp:0.0.0.0:0", "tcp:0.0.0.0:0", ""},
	}
	for _, test := range tests {
		port := anyPort(t, test.one[:3])
		one, other := strings.ReplaceAll(test.one, "PORT", port), strings.ReplaceAll(test.other, "PORT", port)
		for _, pair := range [][2]string{{one, other}, {other, one}} {
			got := Exclude(pair[0], pair[1])
			if !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
				t.Errorf("%v: %q, want %q", pair, got, test.want)
			}
			if got != "" && Room(pair[0]) != Room(pair[1]) {
				t.Errorf("%v exclude each other in two rooms", pair)
			}
			first, err := Open(Spec{Listen: pair[0]})
			must(t, err)
			second, err := Open(Spec{Listen: pair[1]})
			if (err != nil) != (test.want != "") {
				t.Errorf("%v: the kernel says %v", pair, err)
			}
			if err == nil {
				second.Close()
			}
			first.Close()
		}
	}
}

// anyPort is one that nobody has on any address.
func anyPort(t *testing.T, network string) string {
	t.Helper()
	s, err := Open(Spec{Listen: network + ":[::]:0"})
	must(t, err)
	defer s.Close()
	return strconv.Itoa(int(s.bound.Port()))
}

func TestPlace(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	must(t, os.Mkdir(dir+"/real", 0o755))
	for name, to := range map[string]string{"link": "real", "real/web.sock": "/nowhere", "loop": "loop"} {
		must(t, os.Symlink(to, filepath.Join(dir, name)))
	}
	for path, want := range map[string]string{
		"/link/web.sock":     "/real/web.sock",
		"/real/web.sock":     "/real/web.sock",
		"/link/made/later/a": "/real/made/later/a",
		"/loop/a":            "/loop/a",
	} {
		if got := strings.TrimPrefix(Place("unix:"+dir+path), "unix:"+dir); got != want {
			t.Errorf("%s leads to %s, want %s", path, got, want)
		}
	}
	if got := Place("tcp:127.0.0.1:80"); got != "tcp:127.0.0.1:80" {
		t.Error(got)
	}
}
