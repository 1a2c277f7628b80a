package socket

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCheck: it says what Open says, and makes nothing.
func TestCheck(t *testing.T) {
	dir := shortDir(t)
	must(t, os.WriteFile(dir+"/file", nil, 0o644))
	port := anyPort(t, "tcp")
	open := func(listen string) *Socket {
		s, err := Open(Spec{Listen: listen})
		must(t, err)
		t.Cleanup(func() { s.Close() })
		return s
	}
	open("tcp:127.0.0.1:" + port)
	open("udp:127.0.0.1:" + port)
	open("unix:" + dir + "/live")
	left := open("unix:" + dir + "/left")
	must(t, left.closeFd())
	left.fd = -1
	before := entries(t, dir)
	for _, test := range []struct {
		listen, want string
		taken        bool
	}{
		{"tcp:127.0.0.1:" + port, "address already in use", true},
		{"tcp:*:" + port, "address already in use", true},
		{"udp:0.0.0.0:" + port, "address already in use", true},
		{"tcp:192.0.2.1:" + port, "no interface of this host has 192.0.2.1", true},
		{"unix:" + dir + "/live", "another process is listening on", true},
		{"unix:" + dir + "/file", "is there and is not a socket", false},
		{"unix:" + dir + "/file/in", "file is not a directory", false},
		{"unix:" + dir + "/left", "", false},
		{"unix:" + dir + "/new/deep", "", false},
		{"tcp:127.0.0.2:" + port, "", false},
		{"tcp:[::1]:" + port, "", false},
		{"tcp:127.0.0.1:0", "", false},
	} {
		err := Check(Spec{Listen: test.listen}, nil, false)
		if test.want == "" && err != nil || test.want != "" && !matches(err, test.want) || errors.Is(err, ErrTaken) != test.taken {
			t.Errorf("%s: %v, want %q", test.listen, err, test.want)
		}
		if now := entries(t, dir); len(now) != len(before) {
			t.Errorf("%s: %v, were %v", test.listen, now, before)
		}
		s, err := Open(Spec{Listen: test.listen})
		if err == nil {
			s.Close()
		}
		if (err == nil) != (test.want == "") || errors.Is(err, ErrTaken) != test.taken {
			t.Errorf("Open of %s: %v", test.listen, err)
		}
		if strings.HasSuffix(test.listen, "/left") { // Open has replaced it
			must(t, unix.Mknod(dir+"/left", unix.S_IFSOCK|0o600, 0))
		}
		os.Remove(dir + "/new")
	}
}

// TestCheckOfWhatIsHandedOn: a socket that the next supd gets is no obstacle, at the
// very address alone.
func TestCheckOfWhatIsHandedOn(t *testing.T) {
	dir := shortDir(t)
	port := anyPort(t, "tcp")
	handed, all := map[uint64]bool{}, []string{"tcp:0.0.0.0:" + port, "tcp:[::1]:" + port, "udp:127.0.0.1:" + port, "unix:" + dir + "/s"}
	for _, listen := range all {
		s, err := Open(Spec{Listen: listen})
		must(t, err)
		defer s.Close()
		var st unix.Stat_t
		must(t, unix.Fstat(s.fd, &st))
		if err := Check(Spec{Listen: listen}, HandedOn(handed), false); !errors.Is(err, ErrTaken) {
			t.Errorf("%s, another's: %v", listen, err)
		}
		handed[st.Ino] = true
	}
	for _, listen := range all {
		if err := Check(Spec{Listen: listen}, HandedOn(handed), false); err != nil {
			t.Error(err)
		}
	}
	for listen, closed := range map[string]bool{"tcp:127.0.0.1:" + port: true, "tcp:*:" + port: true, "udp:0.0.0.0:" + port: true} {
		if err := Check(Spec{Listen: listen}, HandedOn(handed), false); !errors.Is(err, ErrTaken) {
			t.Errorf("%s: %v", listen, err)
		}
		if err := Check(Spec{Listen: listen}, HandedOn(handed), closed); err != nil {
			t.Errorf("%s, closed before: %v", listen, err)
		}
	}
}
