package socket

import (
	"io/fs"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	long := "/" + strings.Repeat("x", maxPath-1)
	tests := []struct{ listen, network, address, fails string }{
		{"tcp:127.0.0.1:8080", "tcp", "127.0.0.1:8080", ""},
		{"tcp:0.0.0.0:80", "tcp", "0.0.0.0:80", ""},
		{"tcp:[::]:443", "tcp", "[::]:443", ""},
		{"tcp:[::1]:0", "tcp", "[::1]:0", ""},
		{"tcp:[fe80::1%lo]:80", "tcp", "[fe80::1%lo]:80", ""},
		{"tcp:[::ffff:10.0.0.1]:80", "tcp", "10.0.0.1:80", ""},
		{"tcp:localhost:80", "tcp", "127.0.0.1:80", ""},
		{"tcp:*:80", "tcp", "[::]:80", ""},
		{"udp:127.0.0.1:514", "udp", "127.0.0.1:514", ""},
		{"unix:/run/whois/web.sock", "unix", "/run/whois/web.sock", ""},
		{"unix:/run/a:b", "unix", "/run/a:b", ""},
		{"unix:" + long, "unix", long, ""},

		{"", "", "", `want "tcp:HOST:PORT"`},
		{"127.0.0.1:80", "", "", `want "tcp:HOST:PORT"`},
		{"TCP:127.0.0.1:80", "", "", `want "tcp:HOST:PORT"`},
		{"tcp:8080", "", "", `no port; want "tcp:HOST:PORT"`},
		{"udp:127.0.0.1", "", "", `want "udp:HOST:PORT"`},
		{"tcp::80", "", "", `"*" for all addresses`},
		{"tcp:example.org:80", "", "", "names are not looked up"},
		{"tcp:127.0.0.1:", "", "", "from 0 to 65535"},
		{"tcp:127.0.0.1:http", "", "", "from 0 to 65535"},
		{"tcp:127.0.0.1:65536", "", "", "from 0 to 65535"},
		{"tcp:127.0.0.1:-1", "", "", "from 0 to 65535"},
		{"tcp:127.0.0.01:80", "", "", "want an IP address"},
		{"tcp:::1:80", "", "", "in brackets: [::1]"},
		{"tcp:[127.0.0.1]:80", "", "", "without brackets: 127.0.0.1"},
		{"tcp:[::1:80", "", "", "in brackets: [::1]"},
		{"tcp:[::1]80", "", "", "want a number"},
		{"unix:", "", "", "want an absolute path"},
		{"unix:web.sock", "", "", "want an absolute path"},
		{"unix:@web", "", "", "abstract"},
		{"unix:/", "", "", "path of a file"},
		{"unix:/run/whois/", "", "", "path of a file"},
		{"unix:/run/../web.sock", "", "", "path of a file"},
		{"unix:/run//web.sock", "", "", "path of a file"},
		{"unix:/run/a\x00b", "", "", "zero byte"},
		{"unix:" + long + "x", "", "", "108 bytes: a unix socket's has at most 107"},
	}
	for _, test := range tests {
		network, address, err := Parse(test.listen)
		if !matches(err, test.fails) {
			t.Errorf("Parse(%q): error %v, want %q", test.listen, err, test.fails)
		}
		if network != test.network || address != test.address {
			t.Errorf("Parse(%q) = %q, %q, want %q, %q", test.listen, network, address, test.network, test.address)
		}
	}
}

// matches reports whether err is nil for "", or else says what is wanted.
func matches(err error, want string) bool {
	if want == "" {
		return err == nil
	}
	return err != nil && strings.Contains(err.Error(), want)
}

func TestValidate(t *testing.T) {
	tests := []struct {
		spec  Spec
		fails string
	}{
		{Spec{Listen: "tcp:*:80", Backlog: 5}, ""},
		{Spec{Listen: "unix:/run/x", Owner: OwnedBy(33, 33), Mode: 0o777}, ""},
		{Spec{Listen: "tcp:*:x"}, "port"},
		{Spec{Listen: "tcp:*:80", Mode: 0o600}, "belong to a unix socket; a tcp socket has none"},
		{Spec{Listen: "udp:*:80", Owner: OwnedBy(0, KeepID)}, "belong to a unix socket"},
		{Spec{Listen: "tcp:*:80", Owner: OwnedBy(KeepID, 0)}, "belong to a unix socket"},
		{Spec{Listen: "unix:/run/x", Mode: fs.ModeSetuid | 0o600}, "permission bits only"},
		{Spec{Listen: "unix:/run/x", Mode: 0o4660}, "permission bits only"},
		{Spec{Listen: "unix:/run/x", Backlog: -1}, "backlog -1"},
	}
	for _, test := range tests {
		if err := test.spec.Validate(); !matches(err, test.fails) {
			t.Errorf("%+v: error %v, want %q", test.spec, err, test.fails)
		}
	}
	both := Spec{Listen: "tcp:*:80", Mode: 0o600, Backlog: -1}.Validate()
	if !matches(both, "belong to") || !matches(both, "backlog") {
		t.Errorf("not all at once: %v", both)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"tcp:127.0.0.1:80", "tcp:[::1%eth0]:1", "udp:*:53", "unix:/run/x", "unix:@x", "tcp:[::]:", "tcp:[]:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, listen string) {
		network, address, err := Parse(listen)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: error of several lines: %v", listen, err)
			}
			return
		}
		// What was parsed is itself a Listen, and means the same.
		again, same, err := Parse(network + ":" + address)
		if err != nil || again != network || same != address {
			t.Errorf("%q is %q %q, but that is %q %q, %v", listen, network, address, again, same, err)
		}
	})
}
