package socket

import (
	"errors"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func newTestSet(t *testing.T) (*Set, string) {
	t.Helper()
	dir := shortDir(t)
	set, err := NewSet(dir + "/keep")
	must(t, err)
	t.Cleanup(func() {
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	})
	return set, dir
}

func specs(listen ...string) map[string]Spec {
	m := map[string]Spec{}
	for i := 0; i < len(listen); i += 2 {
		m[listen[i]] = Spec{Listen: listen[i+1]}
	}
	return m
}

func fds(s *Set) map[string]int {
	m := map[string]int{}
	for key, sock := range *s.live.Load() {
		m[key] = sock.Fd()
	}
	return m
}

func TestApplyKeepsOpensCloses(t *testing.T) {
	set, dir := newTestSet(t)
	a, b, c := "unix:"+dir+"/a", "unix:"+dir+"/b", "unix:"+dir+"/c"
	must(t, apply(set, specs("app/a", a, "app/b", b, "app/t", "tcp:127.0.0.1:0")))
	first := fds(set)
	must(t, apply(set, specs("app/a", a, "app/c", c, "app/t", "tcp:127.0.0.1:0")))
	second := fds(set)
	if first["app/a"] != second["app/a"] || first["app/t"] != second["app/t"] {
		t.Errorf("descriptors were %v and are %v", first, second)
	}
	if set.Get("app/b") != nil || tryConnect(dir+"/b") != unix.ENOENT {
		t.Error("app/b is still there")
	}
	for _, key := range []string{"app/a", "app/c", "app/t"} {
		answers(t, set.Get(key))
	}
	if got := entries(t, dir+"/keep"); len(got) != 2 {
		t.Errorf("kept links: %q, want those of a and c", got)
	}
}

func TestApplyFollowsTheAddress(t *testing.T) {
	set, dir := newTestSet(t)
	a, b := "unix:"+dir+"/a", "unix:"+dir+"/b"
	must(t, apply(set, specs("app/a", a, "app/b", b)))
	before := fds(set)
	must(t, apply(set, specs("app/b", a, "app/renamed", b)))
	want := map[string]int{"app/b": before["app/a"], "app/renamed": before["app/b"]}
	if diff := cmp.Diff(want, fds(set)); diff != "" {
		t.Error(diff)
	}
	answers(t, set.Get("app/b"))
	answers(t, set.Get("app/renamed"))
}

func TestApplyChangesInPlace(t *testing.T) {
	set, dir := newTestSet(t)
	path := dir + "/s"
	spec := Spec{Listen: "unix:" + path, Mode: 0o600, Backlog: 10}
	must(t, apply(set, map[string]Spec{"app/s": spec}))
	fd := set.Get("app/s").Fd()

	spec.Mode, spec.Backlog = 0o666, 20
	must(t, apply(set, map[string]Spec{"app/s": spec}))
	wantQueue(t, set.Get("app/s"), 0, 20)
	if got, err := lookAt(path); got.mode != unix.S_IFSOCK|0o666 {
		t.Errorf("mode %o, %v", got.mode, err)
	}
	if set.Get("app/s").Fd() != fd {
		t.Error("it was opened anew")
	}
	if diff := cmp.Diff(spec, set.Get("app/s").Spec(), cmp.AllowUnexported(Owner{})); diff != "" {
		t.Error(diff)
	}
}

func TestApplyChangesOwnerInPlace(t *testing.T) {
	needRoot(t)
	set, dir := newTestSet(t)
	path := dir + "/s"
	steps := []struct {
		spec Spec
		want look
	}{
		{Spec{Owner: OwnedBy(65534, 33), Mode: 0o660}, look{unix.S_IFSOCK | 0o660, 65534, 33}},
		{Spec{Owner: OwnedBy(0, 33), Mode: 0o606}, look{unix.S_IFSOCK | 0o606, 0, 33}},
		{Spec{}, look{unix.S_IFSOCK | 0o660, 0, 0}}, // back to this process's own
	}
	for _, step := range steps {
		step.spec.Listen = "unix:" + path
		must(t, apply(set, map[string]Spec{"app/s": step.spec}))
		if got, err := lookAt(path); got != step.want {
			t.Errorf("%+v, %v, want %+v", got, err, step.want)
		}
	}
}

// One group has 0660, the other 0606: neither ever has what is the other's.
func TestChangedOwnerNeverHasTheOldMode(t *testing.T) {
	needRoot(t)
	set, dir := newTestSet(t)
	path := dir + "/s"
	one := Spec{Listen: "unix:" + path, Owner: OwnedBy(KeepID, 33), Mode: 0o660}
	two := Spec{Listen: "unix:" + path, Owner: OwnedBy(KeepID, 34), Mode: 0o606}
	must(t, apply(set, map[string]Spec{"app/s": one}))
	stop := lookAllTheTime(path, lookTwice)
	for range 500 {
		must(t, apply(set, map[string]Spec{"app/s": two}))
		must(t, apply(set, map[string]Spec{"app/s": one}))
	}
	for l, n := range stop() {
		if l.gid == 33 && l.mode&0o006 != 0 || l.gid == 34 && l.mode&0o060 != 0 {
			t.Errorf("%d times group %d with mode %o", n, l.gid, l.mode)
		}
	}
}

// TestApplyFailsAlone: what cannot be opened leaves its key as it was, and all else is
// applied.
func TestApplyFailsAlone(t *testing.T) {
	set, dir := newTestSet(t)
	moved, refused := Spec{Listen: "unix:" + dir + "/moved", Mode: 0o600}, Spec{Listen: "unix:" + dir + "/refused"}
	must(t, apply(set, map[string]Spec{"app/moved": moved, "app/refused": refused, "app/gone": {Listen: "unix:" + dir + "/gone"}}))
	before := fds(set)
	must(t, os.WriteFile(dir+"/file", nil, 0o600))
	foreign, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer foreign.Close()
	next := map[string]Spec{
		"app/moved":   {Listen: "tcp:" + foreign.Addr().String()},
		"app/refused": {Listen: refused.Listen, Mode: 0o666, Backlog: -1},
		"app/bad":     {Listen: "unix:" + dir + "/file"},
		"app/new":     {Listen: "unix:" + dir + "/new"},
	}
	failed, err := set.Apply(next, false)
	must(t, err)
	if got := slices.Sorted(maps.Keys(failed)); !slices.Equal(got, []string{"app/bad", "app/moved", "app/refused"}) {
		t.Errorf("failed: %v", failed)
	}
	if after := fds(set); after["app/moved"] != before["app/moved"] || after["app/refused"] != before["app/refused"] || len(after) != 3 {
		t.Errorf("open %v, were %v", after, before)
	}
	answers(t, set.Get("app/moved"))
	answers(t, set.Get("app/new"))
	if got, want := entries(t, dir), []string{"file", "keep", "moved", "new", "refused"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}

	must(t, foreign.Close())
	delete(next, "app/bad")
	next["app/refused"] = refused
	must(t, apply(set, next))
	if got, want := entries(t, dir), []string{"file", "keep", "new", "refused"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	if got := entries(t, dir+"/keep"); len(got) != 2 {
		t.Errorf("kept links: %q", got)
	}
}

func TestApplyRefusesBeforeTouching(t *testing.T) {
	set, dir := newTestSet(t)
	path := "unix:" + dir + "/s"
	err := apply(set, specs("app/a", path, "app/b", path, "app/c", "tcp:80", "app/d", "tcp:127.0.0.1:0", "app/e", "tcp:127.0.0.1:0"))
	if !matches(err, "app/b: "+path+": app/a listens there already") || !matches(err, "app/c: ") || matches(err, "app/e") {
		t.Errorf("error %v", err)
	}
	if len(fds(set)) != 3 {
		t.Errorf("open %v", fds(set))
	}
}

func TestApplyNamesTheConflict(t *testing.T) {
	set, _ := newTestSet(t)
	must(t, apply(set, specs("app/all", "tcp:0.0.0.0:0")))
	_, address := set.Get("app/all").Addr()
	_, port, _ := net.SplitHostPort(address)
	err := apply(set, specs("app/one", "tcp:127.0.0.1:"+port))
	if !errors.Is(err, unix.EADDRINUSE) || !matches(err, "app/all has tcp:0.0.0.0:0, and the two exclude each other") {
		t.Errorf("error %v", err)
	}
	must(t, apply(set, specs("app/one", "tcp:127.0.0.1:"+port))) // the other one is closed by now
	answers(t, set.Get("app/one"))
}

func TestApplyLeaksNothing(t *testing.T) {
	set, dir := newTestSet(t)
	a := specs("app/a", "unix:"+dir+"/x/a", "app/t", "tcp:127.0.0.1:0", "app/u", "udp:127.0.0.1:0")
	b := specs("app/b", "unix:"+dir+"/x/b", "app/v", "tcp:127.0.0.1:0")
	bad := specs("app/c", "unix:"+dir+"/x/c", "app/d", "unix:"+dir+"/keep")
	must(t, apply(set, a)) // opens what Go itself opens at first use
	must(t, apply(set, nil))
	before := openFds(t)
	for range 50 {
		must(t, apply(set, a))
		must(t, apply(set, b))
		if err := apply(set, bad); err == nil {
			t.Fatal("a directory was taken for a socket")
		}
	}
	must(t, apply(set, nil))
	if diff := cmp.Diff(before, openFds(t)); diff != "" {
		t.Error(diff)
	}
	if got := append(entries(t, dir+"/keep"), entries(t, dir+"/x")...); len(got) != 0 {
		t.Errorf("files left: %q", got)
	}
	if len(set.watcher.dirs) != 0 {
		t.Errorf("still watched: %v", slices.Collect(maps.Keys(set.watcher.dirs)))
	}
}

// openFds is the numbers of this process's descriptors, but for the one that
// lists them.
func openFds(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("/proc/self/fd/*")
	must(t, err)
	var open []string
	for _, name := range names {
		if _, err := os.Readlink(name); err == nil {
			open = append(open, name)
		}
	}
	return open
}

func TestSetCloseClosesAll(t *testing.T) {
	dir := shortDir(t)
	before := openFds(t)
	set, err := NewSet(dir + "/keep")
	must(t, err)
	must(t, apply(set, specs("app/a", "unix:"+dir+"/a", "app/t", "tcp:127.0.0.1:0")))
	must(t, set.Close())
	if diff := cmp.Diff(before, openFds(t)); diff != "" {
		t.Error(diff)
	}
	if got, want := entries(t, dir), []string{"keep"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}

func TestKeepDirectory(t *testing.T) {
	dir := shortDir(t)
	must(t, os.Mkdir(dir+"/open", 0o755))
	if _, err := NewSet(dir + "/open"); !matches(err, "want uid") {
		t.Errorf("a directory that others can enter: error %v", err)
	}
	must(t, os.Mkdir(dir+"/keep", 0o700))
	must(t, os.WriteFile(dir+"/keep/file", nil, 0o600))
	occupy(t, dir+"/keep/OLD", unix.SOCK_STREAM, 1)()
	set, err := NewSet(dir + "/keep")
	must(t, err)
	defer set.Close()
	if got := entries(t, dir+"/keep"); len(got) != 2 {
		t.Errorf("in keep before the first Apply: %q", got)
	}
	must(t, apply(set, nil))
	if got := entries(t, dir+"/keep"); !slices.Equal(got, []string{"file"}) {
		t.Errorf("in keep: %q, want the file alone", got)
	}
}

// otherFileSystem is a directory on another file system than /tmp's.
func otherFileSystem(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "sock")
	if err != nil {
		t.Skipf("no second file system: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	var here, there unix.Stat_t
	must(t, unix.Stat("/tmp", &here))
	must(t, unix.Stat(dir, &there))
	if here.Dev == there.Dev {
		t.Skip("/tmp and /dev/shm are one file system")
	}
	return dir
}

func TestKeepOnAnotherFileSystem(t *testing.T) {
	far := otherFileSystem(t)
	set, _ := newTestSet(t)
	must(t, apply(set, specs("app/s", "unix:"+far+"/s")))
	if got := entries(t, far); len(got) != 2 {
		t.Fatalf("files %q, want the socket and a private directory", got)
	}
	must(t, os.Remove(far+"/s"))
	must(t, set.Repair(Damage{Key: "app/s", Kind: Unlinked}))
	answers(t, set.Get("app/s"))
	must(t, unix.Shutdown(set.Get("app/s").Fd(), unix.SHUT_RDWR))
	must(t, set.Repair(Damage{Key: "app/s", Kind: ShutDown}))
	answers(t, set.Get("app/s"))
	must(t, apply(set, map[string]Spec{"app/s": {Listen: "unix:" + far + "/s", Mode: 0o604}}))
	if got, err := lookAt(far + "/s"); got.mode != unix.S_IFSOCK|0o604 {
		t.Errorf("mode %o, %v", got.mode, err)
	}
	must(t, apply(set, nil))
	if got := entries(t, far); len(got) != 0 {
		t.Errorf("files left: %q", got)
	}
}

func TestLeftoversOfAKilledSetAreSwept(t *testing.T) {
	far := otherFileSystem(t)
	dir := shortDir(t)
	killed, err := NewSet(dir + "/keep1")
	must(t, err)
	must(t, apply(killed, specs("app/s", "unix:"+far+"/s", "app/other", "unix:"+far+"/other")))
	must(t, killed.Get("app/s").closeFd()) // as the kernel does it, leaving the files
	defer killed.closeSocket(killed.Get("app/other"))

	set, err := NewSet(dir + "/keep2")
	must(t, err)
	must(t, apply(set, specs("app/s", "unix:"+far+"/s")))
	answers(t, set.Get("app/s"))
	if got := entries(t, far); len(got) != 4 {
		t.Errorf("files %q, want two sockets and a private directory for each", got)
	}
	must(t, set.Close())
}
