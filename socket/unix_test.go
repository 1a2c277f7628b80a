package socket

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// look is what a file's metadata says, as stat(2) gives it at one moment.
type look struct {
	mode, uid, gid uint32
}

func lookAt(path string) (look, error) {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	return look{st.Mode, st.Uid, st.Gid}, err
}

// lookTwice fails if two looks differ. stat(2) is not atomic: one alone may have
// the mode of before a change and the owner of after it.
func lookTwice(path string) (look, error) {
	first, err := lookAt(path)
	if err != nil {
		return look{}, err
	}
	if second, err := lookAt(path); err != nil || first != second {
		return look{}, unix.EAGAIN
	}
	return first, nil
}

// lookAllTheTime collects what a path's metadata are, until stopped.
func lookAllTheTime(path string, see func(string) (look, error)) (stop func() map[look]int) {
	stopped, seen := make(chan struct{}), make(chan map[look]int)
	go func() {
		looks := map[look]int{}
		for {
			select {
			case <-stopped:
				seen <- looks
				return
			default:
			}
			if l, err := see(path); err == nil {
				looks[l]++
			}
		}
	}()
	return func() map[look]int {
		close(stopped)
		return <-seen
	}
}

func TestExactFromTheFirstInstant(t *testing.T) {
	needRoot(t)
	path := shortDir(t) + "/s"
	want := look{unix.S_IFSOCK | 0o620, 65534, 33}
	stop := lookAllTheTime(path, lookAt)
	refused := 0
	for range 300 {
		sock, err := Open(Spec{Listen: "unix:" + path, Owner: OwnedBy(65534, 33), Mode: 0o620})
		if err != nil {
			t.Fatal(err)
		}
		if err := tryConnect(path); err != nil {
			refused++
		}
		if err := sock.Close(); err != nil {
			t.Fatal(err)
		}
	}
	looks := stop()
	if len(looks) != 1 || looks[want] == 0 {
		t.Errorf("seen %+v, want only %+v", looks, want)
	}
	if refused > 0 {
		t.Errorf("%d of 300 connections were refused", refused)
	}
}

func TestOwnerAndModeDecideWhoConnects(t *testing.T) {
	needRoot(t)
	path := shortDir(t) + "/s"
	mustOpen(t, Spec{Listen: "unix:" + path, Owner: OwnedBy(0, 33), Mode: 0o660})
	tests := []struct {
		uid, gid uint32
		ok       bool
	}{{65534, 33, true}, {65534, 65534, false}}
	for _, test := range tests {
		attr := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: test.uid, Gid: test.gid}}
		out, ok := helper(t, attr, -1, "connect", path)
		if ok != test.ok || !ok && out != unix.EACCES.Error() {
			t.Errorf("uid %d gid %d: connected %v (%s), want %v", test.uid, test.gid, ok, out, test.ok)
		}
	}
}

func TestOwner(t *testing.T) {
	needRoot(t)
	path := shortDir(t) + "/s"
	tests := []struct {
		owner Owner
		want  look
	}{
		{Owner{}, look{unix.S_IFSOCK | 0o660, 0, 0}},
		{OwnedBy(65534, 65534), look{unix.S_IFSOCK | 0o660, 65534, 65534}},
		{OwnedBy(65534, 0), look{unix.S_IFSOCK | 0o660, 65534, 0}},
		{OwnedBy(KeepID, 33), look{unix.S_IFSOCK | 0o660, 0, 33}},
		{OwnedBy(4000000000, 4000000001), look{unix.S_IFSOCK | 0o660, 4000000000, 4000000001}},
	}
	for _, test := range tests {
		sock, err := Open(Spec{Listen: "unix:" + path, Owner: test.owner})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := lookAt(path); got != test.want || err != nil {
			t.Errorf("%+v gives %+v, %v, want %+v", test.owner, got, err, test.want)
		}
		sock.Close()
	}
}

func TestOnlyRootGivesAway(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may give a socket away")
	}
	dir := shortDir(t)
	_, err := Open(Spec{Listen: "unix:" + dir + "/s", Owner: OwnedBy(0, KeepID)})
	if !errors.Is(err, unix.EPERM) || !matches(err, "only root") {
		t.Errorf("error %v", err)
	}
	if left := entries(t, dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestUmaskHasNoSay(t *testing.T) {
	dir := shortDir(t)
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	path := filepath.Join(dir, "a", "b", "s")
	mustOpen(t, Spec{Listen: "unix:" + path, Mode: 0o666})
	for p, want := range map[string]uint32{path: unix.S_IFSOCK | 0o666, dir + "/a": unix.S_IFDIR | 0o755, dir + "/a/b": unix.S_IFDIR | 0o755} {
		if got, err := lookAt(p); got.mode != want {
			t.Errorf("%s has mode %o, want %o (%v)", p, got.mode, want, err)
		}
	}
	if now := unix.Umask(0o077); now != 0o077 {
		t.Errorf("umask is %#o now", now)
	}
}

func TestNothingElseIsLeft(t *testing.T) {
	dir := shortDir(t)
	sock, err := Open(Spec{Listen: "unix:" + dir + "/s"})
	if err != nil {
		t.Fatal(err)
	}
	if got := entries(t, dir); len(got) != 1 || got[0] != "s" {
		t.Errorf("in the directory: %q", got)
	}
	if err := sock.Close(); err != nil {
		t.Error(err)
	}
	if got := entries(t, dir); len(got) != 0 {
		t.Errorf("after Close: %q", got)
	}
}

func TestKernelKnowsThePublicPath(t *testing.T) {
	needRoot(t)
	if chroot, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, unix.CAP_SYS_CHROOT, 0, 0, 0); chroot != 1 {
		t.Skipf("needs CAP_SYS_CHROOT (%v)", err)
	}
	dir := shortDir(t)
	for _, path := range []string{dir + "/s", fill(dir)} {
		sock := mustOpen(t, Spec{Listen: "unix:" + path})
		name, err := unix.Getsockname(sock.Fd())
		if err != nil {
			t.Fatal(err)
		}
		if got := name.(*unix.SockaddrUnix).Name; got != path {
			t.Errorf("getsockname gives %q, want %q", got, path)
		}
		answers(t, sock)
	}
	if root, err := os.Readlink("/proc/self/root"); root != "/" {
		t.Errorf("the root directory of this process is %q, %v", root, err)
	}
	if _, err := os.Stat("/proc/self/exe"); err != nil {
		t.Error(err)
	}
}

// fill makes of dir the longest path that a unix socket can have.
func fill(dir string) string {
	return dir + "/" + strings.Repeat("x", maxPath-len(dir)-1)
}

func TestBindWithoutChroot(t *testing.T) {
	dir := shortDir(t)
	parent, err := openDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer parent.close()
	for _, parentPath := range []string{dir, fill(dir)} { // the longer one only in name
		stage, err := newStage(parent)
		if err != nil {
			t.Fatal(err)
		}
		stage.path = parentPath + strings.TrimPrefix(stage.path, dir)
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := stage.bindHere(fd); err != nil {
			t.Error(err)
		}
		if _, kind, err := stage.lookup(staged); kind != unix.S_IFSOCK {
			t.Errorf("no socket in the stage: %v", err)
		}
		if err := stage.leave(false); err != nil {
			t.Error(err)
		}
	}
}

func TestStaleFileIsReplaced(t *testing.T) {
	path := shortDir(t) + "/s"
	occupy(t, path, unix.SOCK_STREAM, 1)()
	if err := tryConnect(path); err != unix.ECONNREFUSED {
		t.Fatalf("the file is not stale: %v", err)
	}
	answers(t, mustOpen(t, Spec{Listen: "unix:" + path}))
}

func TestForeignFilesAreRefused(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T, path string)
		want string
	}{
		{"listening", func(t *testing.T, p string) { occupy(t, p, unix.SOCK_STREAM, 5) }, "another process is listening on"},
		{"full queue", func(t *testing.T, p string) {
			occupy(t, p, unix.SOCK_STREAM, 0)
			for tries := 0; tryConnectKept(t, p) == nil; tries++ {
				if tries > 100 {
					t.Fatal("the queue does not get full")
				}
			}
		}, "another process is listening on"},
		{"datagram", func(t *testing.T, p string) { occupy(t, p, unix.SOCK_DGRAM, 0) }, "another process is listening on"},
		{"regular file", func(t *testing.T, p string) { must(t, os.WriteFile(p, []byte("precious"), 0o600)) }, "is not a socket"},
		{"directory", func(t *testing.T, p string) { must(t, os.Mkdir(p, 0o700)) }, "is not a socket"},
		{"symbolic link", func(t *testing.T, p string) { must(t, os.Symlink("/nowhere", p)) }, "is not a socket"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := shortDir(t)
			path := dir + "/s"
			test.make(t, path)
			before, err := os.Lstat(path)
			must(t, err)
			_, err = Open(Spec{Listen: "unix:" + path})
			if !matches(err, test.want) || !matches(err, path) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			after, err := os.Lstat(path)
			if err != nil || !os.SameFile(before, after) || before.Mode() != after.Mode() {
				t.Errorf("the file was touched: %v, %v", after, err)
			}
			if got := entries(t, dir); len(got) != 1 {
				t.Errorf("in the directory: %q", got)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tryConnectKept connects without blocking, and keeps the connection.
func tryConnectKept(t *testing.T, path string) error {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	return unix.Connect(fd, &unix.SockaddrUnix{Name: path})
}

func TestCloseLeavesAnothersPath(t *testing.T) {
	path := shortDir(t) + "/s"
	sock, err := Open(Spec{Listen: "unix:" + path})
	must(t, err)
	must(t, os.Remove(path))
	other, err := net.Listen("unix", path)
	must(t, err)
	defer other.Close()
	must(t, sock.Close())
	if err := tryConnect(path); err != nil {
		t.Errorf("the other socket's path is gone: %v", err)
	}
}

func TestParentThatCannotBeMade(t *testing.T) {
	dir := shortDir(t)
	must(t, os.WriteFile(dir+"/file", nil, 0o600))
	if _, err := Open(Spec{Listen: "unix:" + dir + "/file/s"}); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("error %v, want ENOTDIR", err)
	}
}
