package supervisor

import (
	"bufio"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"supd/configs"
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
	local, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
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

// TestHolderIsTheOwner: a lock of somebody else's is of another file, which has the same
// inode elsewhere.
func TestHolderIsTheOwner(t *testing.T) {
	path := t.TempDir() + "/lock"
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for uid, want := range map[int]bool{os.Geteuid(): true, 65534: false} {
		cmd := exec.Command("perl", "-e", `$| = 1; open(F, "<&=3"); flock(F, 2) and print "locked\n"; <STDIN>; flock(F, 8)`)
		cmd.ExtraFiles = []*os.File{file} // as it could not open it
		if uid != os.Geteuid() {
			if os.Geteuid() != 0 {
				t.Log("another user's process is not tried: that needs root")
				continue
			}
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
		}
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Skip("perl is not installed: ", err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
			t.Errorf("perl said %q, %v", line, err)
		}
		if all := holders(path); len(all) > 0 != want || want && all[0] != cmd.Process.Pid {
			t.Errorf("locked by pid %d of uid %d: found %v", cmd.Process.Pid, uid, all)
		}
		in.Close()
		cmd.Wait()
	}
}

// TestHolder: a lock on a file with the same number on another file system, which anybody may
// have, is not taken for the one that is asked for.
func TestHolder(t *testing.T) {
	st := &unix.Stat_t{Dev: unix.Mkdev(0, 0x32), Ino: 16}
	const other, own = "1: FLOCK  ADVISORY  WRITE 11 00:47:16 0 EOF\n", "2: FLOCK  ADVISORY  WRITE 12 00:32:16 0 EOF\n"
	for locks, want := range map[string]int{other + own: 12, own + other: 12, other: 11, "": 0, "1: POSIX  ADVISORY  WRITE 12 00:32:16 0 EOF\n": 0, "1: FLOCK  ADVISORY  WRITE 12 00:32:116 0 EOF\n": 0} {
		if all := holdersIn(strings.NewReader(locks), st); len(all) > 0 != (want != 0) || want != 0 && all[0] != want {
			t.Errorf("%q: %v, want %d", locks, all, want)
		}
	}
}

// TestHandedOnByTheReplaced: the supd that is to be replaced is known, whoever has a lock.
func TestHandedOnByTheReplaced(t *testing.T) {
	runtime := configs.Runtime(t.TempDir())
	l, err := net.Listen("unix", runtime.Control())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	other := exec.Command("flock", runtime.Lock(), "sh", "-c", "echo held; exec cat")
	in, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	h := handedOn(runtime, os.Getpid())
	if err := socket.Check(socket.Spec{Listen: "unix:" + runtime.Control()}, h.sockets, true); err != nil {
		t.Error(err)
	}
	if err := checkHeld(runtime, os.Getpid()); err == nil {
		t.Error("the lock of another process is taken for this one's")
	}
	in.Close()
	if err := other.Wait(); err != nil {
		t.Error(err)
	}
	lock, err := lockRuntime(runtime)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := checkHeld(runtime, os.Getpid()); err != nil {
		t.Error(err)
	}
}
