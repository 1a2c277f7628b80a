package supervisor

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/socket"
)

// TestCheckLock: what keeps a start from having its lock is known before.
func TestCheckLock(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: a file of another user")
	}
	for damage, do := range map[string]func(path string) error{
		"none":            func(string) error { return nil },
		"of another user": func(path string) error { return os.Chown(path, 54321, -1) },
		"everybody's":     func(path string) error { return unix.Chmod(path, 0o666) },
		"gone":            os.Remove,
		"a FIFO":          func(path string) error { return errors.Join(os.Remove(path), unix.Mkfifo(path, 0o600)) },
		"a directory":     func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
		"a link": func(path string) error {
			return errors.Join(os.Rename(path, path+".moved"), os.Symlink(path+".moved", path))
		},
	} {
		runtime := configs.Runtime(t.TempDir())
		if err := os.WriteFile(runtime.Lock(), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := do(runtime.Lock()); err != nil {
			t.Fatal(err)
		}
		_, before := os.Lstat(runtime.Lock())
		said := checkLock(runtime.Lock())
		if _, after := os.Lstat(runtime.Lock()); (before == nil) != (after == nil) {
			t.Errorf("%s: the check has made it", damage)
		}
		file, want := lockRuntime(runtime)
		if fmt.Sprint(said) != fmt.Sprint(want) {
			t.Errorf("%s: %v, and the start says %v", damage, said, want)
		}
		if want == nil {
			file.Close()
		}
	}
}

// TestCheckServed: a socket of supd's own is always bound anew, whoever has it open.
func TestCheckServed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: chattr, and a file system")
	}
	dir := t.TempDir()
	for _, name := range []string{"append", "full"} {
		if err := os.Mkdir(dir+"/"+name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount("test", dir+"/full", "tmpfs", 0, "nr_inodes=2"); err != nil { // the directory is one
		t.Skipf("no file system can be mounted: %v", err)
	}
	defer unix.Unmount(dir+"/full", unix.MNT_DETACH)
	h := handed{inodes: map[uint64]bool{}}
	for name, before := range map[string]func() error{
		"append": func() error { return exec.Command("chattr", "+a", dir+"/append").Run() },
		"full":   func() error { return nil },
	} {
		spec := socket.Spec{Listen: "unix:" + dir + "/" + name + "/s"}
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: dir + "/" + name + "/s"}), unix.Listen(fd, 1)); err != nil {
			t.Fatal(err)
		}
		h.addOpen(os.Getpid(), h.inodes)
		h.sockets = socket.HandedOn(h.inodes)
		if err := before(); err != nil {
			t.Skipf("the file system has no attributes: %v", err)
		}
		if name == "append" {
			defer exec.Command("chattr", "-a", dir+"/append").Run()
		}
		if err := checkServed(spec, h); err == nil {
			t.Errorf("%s: can be bound anew", name)
		}
	}
}
