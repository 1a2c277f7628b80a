package socket

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestTakeOver: a supd is killed, the next one takes its sockets from a worker.
// No client is refused, and all works on them as on others.
func TestTakeOver(t *testing.T) {
	for _, supd := range []string{"supd", "confined supd"} {
		t.Run(supd, func(t *testing.T) {
			if supd == "confined supd" {
				needRoot(t)
			}
			testTakeOver(t, supd)
		})
	}
}

func testTakeOver(t *testing.T, supd string) {
	needIPv6(t)
	dir, far := shortDir(t), otherFileSystem(t)
	listen := []string{"app/a", "unix:" + dir + "/run/a", "app/b", "unix:" + far + "/b",
		"app/t", "tcp:127.0.0.1:0", "app/u", "udp:127.0.0.1:0", "app/v", "tcp:*:0"}
	left, kill := startSupd(t, supd, append([]string{dir}, listen...)...)
	const clients = 16
	stop := []func() []error{
		hammer(t, clients, "unix", func(i int) string { return []string{dir + "/run/a", far + "/b"}[i%2] }),
		hammer(t, clients, "tcp", func(i int) string { return left.Address[[]string{"app/t", "app/v"}[i%2]] }),
	}
	kill()

	set, err := NewSet(dir + "/keep")
	must(t, err)
	want := map[string]uint64{}
	for i, key := range []string{"app/a", "app/b", "app/t", "app/u", "app/v"} {
		fd := takeFrom(t, left.Worker, 3+i)
		want[key] = cookie(fd)
		set.Offer(key, fd)
	}
	damages := make(chan Damage, 100)
	set.Watch(func(d Damage) { damages <- d })
	must(t, apply(set, specs(listen...)))
	for _, stop := range stop {
		if errs := stop(); len(errs) > 0 {
			t.Errorf("%d clients were refused: %v", len(errs), errs[0])
		}
	}
	got := map[string]uint64{}
	for key, sock := range set.All() {
		got[key] = cookie(sock.Fd())
		if !sock.Adopted() || addressOf(sock) != left.Address[key] {
			t.Errorf("%s: adopted %v, at %s, want %s", key, sock.Adopted(), addressOf(sock), left.Address[key])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(set.Refused()) > 0 {
		t.Errorf("other listeners (%v): %s", set.Refused(), diff)
	}
	if near, beside := entries(t, dir+"/keep"), entries(t, far); len(near) != 1 || len(beside) != 2 {
		t.Errorf("kept links: %q and %q", near, beside)
	}

	for key, path := range map[string]string{"app/a": dir + "/run/a", "app/b": far + "/b"} {
		must(t, os.Remove(path))
		must(t, set.Repair(wantDamage(t, damages, key, Unlinked)))
		must(t, ask("unix", path))
	}
	for _, key := range []string{"app/a", "app/t"} {
		must(t, unix.Shutdown(set.Get(key).Fd(), unix.SHUT_RDWR))
		for d := range damages { // one may be told twice
			must(t, set.Repair(d))
			if d.Key == key && d.Kind == ShutDown {
				break
			}
		}
		if set.Get(key).Adopted() {
			t.Errorf("%s was bound anew and counts as adopted", key)
		}
		answers(t, set.Get(key))
	}
	must(t, apply(set, specs("app/b", "unix:"+far+"/b")))
	must(t, set.Close())
	if got := append(append(entries(t, dir+"/run"), entries(t, dir+"/keep")...), entries(t, far)...); len(got) != 0 {
		t.Errorf("files left: %q", got)
	}
}

// left opens a set and leaves it, with a descriptor for each key that goes on
// listening.
func left(t *testing.T, dir string, listen ...string) map[string]int {
	t.Helper()
	set, err := NewSet(dir + "/keep")
	must(t, err)
	must(t, apply(set, specs(listen...)))
	held := map[string]int{}
	for key, sock := range set.All() {
		fd, err := unix.FcntlInt(uintptr(sock.Fds()[0]), unix.F_DUPFD_CLOEXEC, 0)
		must(t, err)
		t.Cleanup(func() { unix.Close(fd) })
		held[key] = fd
	}
	must(t, set.Leave())
	return held
}

// offered is a set that was offered a duplicate of each.
func offered(t *testing.T, dir string, held map[string]int) *Set {
	t.Helper()
	set, err := NewSet(dir + "/keep")
	must(t, err)
	t.Cleanup(func() {
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	})
	for key, fd := range held {
		set.Offer(key, dup(t, fd))
	}
	return set
}

func dup(t *testing.T, fd int) int {
	t.Helper()
	fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	must(t, err)
	return fd
}

func TestPathWhileNoSupdIsThere(t *testing.T) {
	tests := []struct {
		name    string
		happens func(t *testing.T, path string)
		adopted bool
		fails   string
	}{
		{"nothing", func(*testing.T, string) {}, true, ""},
		{"removed", func(t *testing.T, p string) { must(t, os.Remove(p)) }, true, ""},
		{"directory removed", func(t *testing.T, p string) { must(t, os.RemoveAll(filepath.Dir(p))) }, true, ""},
		{"stale socket over it", func(t *testing.T, p string) {
			must(t, os.Remove(p))
			occupy(t, p, unix.SOCK_STREAM, 1)()
		}, true, ""},
		{"foreign listener over it", func(t *testing.T, p string) {
			must(t, os.Remove(p))
			occupy(t, p, unix.SOCK_STREAM, 1)
		}, false, "another process is listening on"},
		{"file over it", func(t *testing.T, p string) {
			must(t, os.Remove(p))
			must(t, os.WriteFile(p, nil, 0o600))
		}, false, "is not a socket"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := shortDir(t)
			path := dir + "/run/s"
			held := left(t, dir, "app/s", "unix:"+path)
			test.happens(t, path)
			set := offered(t, dir, held)
			err := apply(set, map[string]Spec{"app/s": {Listen: "unix:" + path, Mode: 0o604, Backlog: 33}})
			if !matches(err, test.fails) {
				t.Fatalf("error %v, want %q", err, test.fails)
			}
			if !test.adopted {
				return
			}
			sock := set.Get("app/s")
			if !sock.Adopted() || cookie(sock.Fd()) != cookie(held["app/s"]) || !sock.atPath() {
				t.Errorf("adopted %v, at its path %v", sock.Adopted(), sock.atPath())
			}
			if got, err := lookAt(path); got.mode != unix.S_IFSOCK|0o604 {
				t.Errorf("mode %o, %v", got.mode, err)
			}
			wantQueue(t, sock, 0, 33)
			answers(t, sock)
			if got := entries(t, dir+"/keep"); len(got) != 1 {
				t.Errorf("kept links: %q", got)
			}
		})
	}
}

// TestNoNameIsLeft: neither path nor link; workers have to be given a new one.
func TestNoNameIsLeft(t *testing.T) {
	dir := shortDir(t)
	held := left(t, dir, "app/s", "unix:"+dir+"/s")
	must(t, os.Remove(dir+"/s"))
	must(t, os.RemoveAll(dir+"/keep"))
	set := offered(t, dir, held)
	must(t, apply(set, specs("app/s", "unix:"+dir+"/s")))
	if set.Get("app/s").Adopted() {
		t.Error("a socket without a name was adopted")
	}
	if refused := set.Refused(); len(refused) != 1 || !errors.Is(refused[0], ErrPathLost) {
		t.Errorf("refused: %v", refused)
	}
	answers(t, set.Get("app/s"))
}

// TestOwnerOfTheAdopted: it becomes the Spec's of now.
func TestOwnerOfTheAdopted(t *testing.T) {
	needRoot(t)
	dir := shortDir(t)
	set := offered(t, dir, left(t, dir, "app/s", "unix:"+dir+"/s"))
	must(t, apply(set, map[string]Spec{"app/s": {Listen: "unix:" + dir + "/s", Owner: OwnedBy(65534, 33), Mode: 0o620}}))
	if got, err := lookAt(dir + "/s"); got != (look{unix.S_IFSOCK | 0o620, 65534, 33}) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestWrongOffers: what is not the listener is closed, said, and bound anew.
func TestWrongOffers(t *testing.T) {
	bind := func(kind int, listen bool) func(*testing.T, string) int {
		return func(t *testing.T, address string) int {
			fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
			must(t, err)
			must(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
			must(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: freePort(t, address)}))
			if listen {
				must(t, unix.Listen(fd, 1))
			}
			return fd
		}
	}
	tests := []struct {
		name string
		make func(t *testing.T, address string) int
		want string
	}{
		{"another port", func(t *testing.T, _ string) int { return bind(unix.SOCK_STREAM, true)(t, "127.0.0.1:0") }, "no socket asks for"},
		{"not listening", bind(unix.SOCK_STREAM, false), "does not listen"},
		{"udp", bind(unix.SOCK_DGRAM, false), "udp:127.0.0.1:"},
		{"shut down", func(t *testing.T, a string) int {
			fd := bind(unix.SOCK_STREAM, true)(t, a)
			must(t, unix.Shutdown(fd, unix.SHUT_RDWR))
			return fd
		}, "does not listen"},
		{"a file", func(t *testing.T, _ string) int { return dup(t, 0) }, "it is no socket"},
		{"all addresses", func(t *testing.T, a string) int {
			l, err := net.Listen("tcp4", "0.0.0.0:0")
			must(t, err)
			defer l.Close()
			f, err := l.(*net.TCPListener).File()
			must(t, err)
			defer f.Close()
			return dup(t, int(f.Fd()))
		}, "it is tcp:0.0.0.0:"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			probe := mustOpen(t, Spec{Listen: "tcp:127.0.0.1:0"})
			address := addressOf(probe)
			must(t, probe.closeFd())
			probe.fd = -1
			set, _ := newTestSet(t)
			fd := test.make(t, address)
			set.Offer("app/s", fd)
			must(t, apply(set, specs("app/s", "tcp:"+address)))
			if refused := set.Refused(); len(refused) != 1 || !matches(refused[0], test.want) || !matches(refused[0], "app/s") {
				t.Errorf("refused: %v, want %q", refused, test.want)
			}
			if set.Get("app/s").Adopted() {
				t.Error("it was adopted")
			}
			answers(t, set.Get("app/s"))
			if fd != set.Get("app/s").Fd() && unix.Fstat(fd, new(unix.Stat_t)) != unix.EBADF {
				t.Error("the descriptor was not closed")
			}
			must(t, apply(set, nil))
			if len(set.Refused()) != 0 {
				t.Error("refused again")
			}
		})
	}
}

// freePort is the port of an address that nobody has, where 0 is any.
func freePort(t *testing.T, address string) (port int) {
	t.Helper()
	_, err := fmt.Sscanf(address[strings.LastIndexByte(address, ':'):], ":%d", &port)
	must(t, err)
	return port
}

func TestDeadUnixListenerIsNotAdopted(t *testing.T) {
	dir := shortDir(t)
	held := left(t, dir, "app/s", "unix:"+dir+"/s")
	must(t, unix.Shutdown(held["app/s"], unix.SHUT_RD))
	set := offered(t, dir, held)
	must(t, apply(set, specs("app/s", "unix:"+dir+"/s")))
	if refused := set.Refused(); len(refused) != 1 || !matches(refused[0], "shut it down") {
		t.Errorf("refused: %v", refused)
	}
	answers(t, set.Get("app/s"))
	if got := entries(t, dir+"/keep"); len(got) != 1 {
		t.Errorf("kept links: %q", got)
	}
}

// TestPathOfAnotherIsNotTaken: a socket that was at one path is not put at
// another, neither by its key nor because a name of it is left. Without root the
// kernel knows a socket by its staging name alone, and the key is believed.
func TestPathOfAnotherIsNotTaken(t *testing.T) {
	needRoot(t)
	dir := shortDir(t)
	held := left(t, dir, "app/s", "unix:"+dir+"/old")
	set := offered(t, dir, held)
	must(t, apply(set, specs("app/s", "unix:"+dir+"/new")))
	if set.Get("app/s").Adopted() {
		t.Error("it is at another path")
	}
	answers(t, set.Get("app/s"))
}

// TestOffersAreKept: while something fails, or there is more to come, what was offered
// may still serve.
func TestOffersAreKept(t *testing.T) {
	dir, far := shortDir(t), otherFileSystem(t)
	listen := []string{"app/a", "unix:" + dir + "/a", "app/b", "unix:" + far + "/b", "app/t", "tcp:127.0.0.1:0"}
	held := left(t, dir, listen...)
	set := offered(t, dir, held)
	for range 3 {
		if err := apply(set, specs("app/z", "unix:"+dir)); !matches(err, "is not a socket") {
			t.Fatalf("error %v", err)
		}
	}
	if failed, err := set.Apply(specs(listen[:2]...), true); len(failed) > 0 || err != nil {
		t.Fatal(failed, err)
	}
	if len(set.Refused()) > 0 {
		t.Errorf("refused: %v", set.Refused())
	}
	must(t, apply(set, specs(listen...)))
	for key, sock := range set.All() {
		if !sock.Adopted() || cookie(sock.Fd()) != cookie(held[key]) {
			t.Errorf("%s was not adopted", key)
		}
		answers(t, sock)
	}
}

// TestChosenPortNeedsTheKey: any port serves a port 0, of the right key only.
func TestChosenPortNeedsTheKey(t *testing.T) {
	dir := shortDir(t)
	held := left(t, dir, "app/s", "tcp:127.0.0.1:0")
	set := offered(t, dir, map[string]int{"app/other": held["app/s"]})
	must(t, apply(set, specs("app/s", "tcp:127.0.0.1:0")))
	if set.Get("app/s").Adopted() {
		t.Error("adopted under another key")
	}
	again := offered(t, shortDir(t), held)
	must(t, apply(again, specs("app/s", "tcp:127.0.0.1:0")))
	if !again.Get("app/s").Adopted() {
		t.Error("not adopted under its key")
	}
}

// TestSameListenerTwice: as if two workers had been asked for it.
func TestSameListenerTwice(t *testing.T) {
	dir := shortDir(t)
	held := left(t, dir, "app/s", "unix:"+dir+"/s", "app/t", "tcp:127.0.0.1:0")
	set := offered(t, dir, held)
	for key, fd := range held {
		set.Offer(key, dup(t, fd))
	}
	before := len(openFds(t))
	must(t, apply(set, specs("app/s", "unix:"+dir+"/s", "app/t", "tcp:127.0.0.1:0")))
	if len(set.Refused()) > 0 {
		t.Errorf("refused: %v", set.Refused())
	}
	if after := len(openFds(t)); after != before-2 {
		t.Errorf("%d descriptors, and %d before", after, before)
	}
}

// TestActivated: what somebody else has opened, as systemd does for a .socket
// unit, is matched by its address and gets our options.
func TestActivated(t *testing.T) {
	set, dir := newTestSet(t)
	path := dir + "/s"
	unixListener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	must(t, err)
	unixListener.SetUnlinkOnClose(false)
	tcpListener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := tcpListener.Addr().String()
	for _, l := range []interface{ File() (*os.File, error) }{unixListener, tcpListener.(*net.TCPListener)} {
		f, err := l.File()
		must(t, err)
		fd := dup(t, int(f.Fd()))
		f.Close()
		must(t, unix.SetNonblock(fd, false))
		set.Offer("whois.socket", fd)
	}
	must(t, unixListener.Close())
	must(t, tcpListener.Close())
	must(t, apply(set, specs("app/s", "unix:"+path, "app/t", "tcp:"+address)))
	for key, sock := range set.All() {
		flags, err := unix.FcntlInt(uintptr(sock.Fd()), unix.F_GETFL, 0)
		if !sock.Adopted() || err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("%s: adopted %v, flags %#x, %v", key, sock.Adopted(), flags, err)
		}
		answers(t, sock)
	}
	if got, err := lookAt(path); got.mode != unix.S_IFSOCK|0o660 {
		t.Errorf("mode %o, %v", got.mode, err)
	}
	if got := entries(t, dir+"/keep"); len(got) != 1 {
		t.Errorf("kept links: %q", got)
	}
}

// TestAdoptOne: a socket outside of a Set.
func TestAdoptOne(t *testing.T) {
	dir := shortDir(t)
	for _, spec := range []Spec{{Listen: "unix:" + dir + "/s", Mode: 0o600}, {Listen: "tcp:127.0.0.1:0"}, {Listen: "udp:127.0.0.1:0"}} {
		old, err := Open(spec)
		must(t, err)
		fd, was := dup(t, old.Fd()), addressOf(old)
		must(t, old.Leave())
		if spec.Mode != 0 {
			spec.Mode = 0o640
		}
		sock, err := Adopt(spec, fd)
		must(t, err)
		if addressOf(sock) != was || sock.Fd() != fd {
			t.Errorf("at %s, want %s", addressOf(sock), was)
		}
		if spec.Mode != 0 {
			answers(t, sock)
			if got, err := lookAt(dir + "/s"); got.mode != unix.S_IFSOCK|0o640 {
				t.Errorf("mode %o, %v", got.mode, err)
			}
			if got := entries(t, dir); !slices.Equal(got, []string{"s"}) {
				t.Errorf("files %q", got)
			}
		}
		must(t, sock.Close())
	}
	if got := entries(t, dir); len(got) != 0 {
		t.Errorf("files left: %q", got)
	}
}

func TestAdoptOneRefuses(t *testing.T) {
	dir := shortDir(t)
	path := dir + "/s"
	before := openFds(t)
	old, err := Open(Spec{Listen: "unix:" + path})
	must(t, err)
	fd := dup(t, old.Fd())
	must(t, old.Close()) // takes its path along
	if _, err := Adopt(Spec{Listen: "unix:" + path}, fd); !errors.Is(err, ErrPathLost) {
		t.Errorf("error %v, want ErrPathLost", err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(pair[1])
	if _, err := Adopt(Spec{Listen: "unix:" + path}, pair[0]); err == nil {
		t.Error("a connection was adopted as a listener")
	}
	connected, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	must(t, unix.Connect(connected, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 9}))
	if _, err := Adopt(Spec{Listen: "udp:127.0.0.1:0"}, connected); !matches(err, "connected to one peer") {
		t.Errorf("error %v", err)
	}
	unix.Close(pair[1])
	if diff := cmp.Diff(before, openFds(t)); diff != "" {
		t.Error(diff)
	}
}

// TestOtherNumbersOfTheFileSystem: overlayfs tells stat(2) another device than it
// has.
func TestOtherNumbersOfTheFileSystem(t *testing.T) {
	needRoot(t)
	base := otherFileSystem(t) // another one than that of the layer beneath
	for _, name := range []string{"/upper", "/work", "/merged"} {
		must(t, os.Mkdir(base+name, 0o755))
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%[2]s/work", shortDir(t), base)
	if err := unix.Mount("overlay", base+"/merged", "overlay", 0, options); err != nil {
		if os.Getenv("SUPD_TEST_REQUIRE") == "1" && !errors.Is(err, syscall.ENODEV) {
			t.Fatal(err)
		}
		t.Skip("no overlayfs: ", err)
	}
	defer unix.Unmount(base+"/merged", unix.MNT_DETACH)
	dir := base + "/merged"
	held := left(t, dir, "app/s", "unix:"+dir+"/s")
	set, err := NewSet(dir + "/keep")
	must(t, err)
	for key, fd := range held {
		set.Offer(key, dup(t, fd))
	}
	err = apply(set, specs("app/s", "unix:"+dir+"/s"))
	if err != nil || !set.Get("app/s").Adopted() {
		t.Errorf("not adopted: %v, %v", err, set.Refused())
	}
	if got, want := entries(t, dir), []string{"keep", "s"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	must(t, set.Close())
}
