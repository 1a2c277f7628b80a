package privdrop

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// foster runs a shell command and tells its pid. It reaps it, or with "never"
// does not until its own standard input ends.
func foster(args []string) int {
	cmd := exec.Command("/bin/sh", "-c", args[1])
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 98
	}
	fmt.Println(cmd.Process.Pid)
	if args[0] == "reap" {
		cmd.Wait()
	}
	os.Stdin.Read(make([]byte, 1))
	cmd.Process.Kill()
	cmd.Wait()
	return 0
}

// stranger starts a command that is another process's child, and gives its
// identity.
func stranger(t testing.TB, reap, command string, files ...*os.File) (pid int, start, inode uint64) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "worker", "foster", reap, command)
	cmd.ExtraFiles, cmd.Stderr = files, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if pid, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{Pid: pid, fd: fd}
	defer p.Close()
	if start, inode, err = p.Identity(); err != nil {
		t.Fatal(err)
	}
	return pid, start, inode
}

func adopt(t testing.TB, pid int, start, inode uint64) *Process {
	t.Helper()
	p, err := Adopt(pid, start, inode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Signal(unix.SIGKILL); p.Close() })
	return p
}

// adopted is a stranger that is adopted.
func adopted(t testing.TB, reap, command string, files ...*os.File) *Process {
	t.Helper()
	pid, start, inode := stranger(t, reap, command, files...)
	return adopt(t, pid, start, inode)
}

// tellsExit reports whether this kernel gives the status of a stranger, from Linux
// 6.15 on.
func tellsExit(t testing.TB) bool {
	t.Helper()
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor)
	return major > 6 || major == 6 && minor >= 15
}

func TestAdopt(t *testing.T) {
	pid, start, inode := stranger(t, "reap", "exec sleep 1000")
	p := adopt(t, pid, start, inode)
	if !p.Alive() || p.Pid != pid {
		t.Errorf("%+v is not alive", p)
	}
	if s, i, err := p.Identity(); s != start || i != inode || err != nil {
		t.Errorf("identity %d, %d, %v: was %d, %d", s, i, err, start, inode)
	}
	if flags, err := unix.FcntlInt(uintptr(p.Fd()), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("descriptor flags %#x, %v: want FD_CLOEXEC", flags, err)
	}
	adopt(t, pid, start, 0)
	for name, other := range map[string][2]uint64{"start": {start + 1, inode}, "start alone": {start - 1, 0}, "inode": {start, inode + 1}} {
		if name == "inode" && inode == 0 {
			continue // this kernel has none
		}
		if _, err := Adopt(pid, other[0], other[1]); !errors.Is(err, ErrGone) || errors.Is(err, ErrEnded) {
			t.Errorf("with another %s: %v", name, err)
		}
	}
	p.Signal(unix.SIGKILL)
	if _, err := p.Done(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := Adopt(pid, start, inode); !errors.Is(err, ErrGone) || errors.Is(err, ErrEnded) {
		t.Errorf("after its end: %v", err)
	}
	if _, _, err := p.Identity(); !errors.Is(err, ErrGone) {
		t.Errorf("identity after its end: %v", err)
	}
}

func TestAdoptNobody(t *testing.T) {
	files := countFiles(t)
	for _, pid := range []int{1 << 30, 0, -1} {
		if _, err := Adopt(pid, 1, 1); !errors.Is(err, ErrGone) {
			t.Errorf("pid %d: %v", pid, err)
		}
	}
	// A thread's number is no process's.
	told := make(chan int)
	end := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		told <- unix.Gettid()
		<-end
	}()
	tid := <-told
	if _, err := Adopt(tid, 1, 1); !errors.Is(err, ErrGone) {
		t.Errorf("thread %d: %v", tid, err)
	}
	close(end)
	if now := countFiles(t); now != files {
		t.Errorf("%d descriptors, were %d", now, files)
	}
}

// A launched process is recognized later by what it was recorded with.
func TestIdentityOfLaunched(t *testing.T) {
	plan, err := Spec{Argv: []string{"/bin/sleep", "1000"}}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	process, err := plan.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer process.Close()
	start, inode, err := process.Identity()
	if err != nil {
		t.Fatal(err)
	}
	adopt(t, process.Pid, start, inode)
	process.Signal(unix.SIGKILL)
	if ended, err := process.ended(10000); !ended || err != nil {
		t.Fatalf("not ended: %v", err)
	}
	if _, err := Adopt(process.Pid, start, inode); !errors.Is(err, ErrEnded) || !errors.Is(err, ErrGone) {
		t.Errorf("of a zombie: %v", err)
	}
	process.reap()
	if _, err := Adopt(process.Pid, start, inode); !errors.Is(err, ErrGone) || errors.Is(err, ErrEnded) {
		t.Errorf("of a reaped one: %v", err)
	}
}

func TestDone(t *testing.T) {
	for command, want := range map[string]string{
		"read x; exit 7": "code 7", "read x; exit 0": "code 0", "read x; kill -TERM $$": "signal 15",
	} {
		t.Run(want, func(t *testing.T) {
			in, out, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			p := adopted(t, "reap", "exec <&3; "+command, in)
			in.Close()
			done := make(chan Exit)
			go func() {
				exit, err := p.Done(t.Context())
				if err != nil {
					t.Error(err)
				}
				done <- exit
			}()
			out.WriteString("\n")
			if got := (<-done).text(); got != want && tellsExit(t) {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

func (e Exit) text() string {
	switch {
	case !e.Known:
		return "unknown"
	case e.Status.Signaled():
		return fmt.Sprintf("signal %d", e.Status.Signal())
	}
	return fmt.Sprintf("code %d", e.Status.ExitStatus())
}

// What nobody reaps has ended all the same.
func TestDoneOfZombie(t *testing.T) {
	p := adopted(t, "never", "exec sleep 1000")
	p.Signal(unix.SIGKILL)
	if exit, err := p.done(t.Context(), time.Millisecond); err != nil || exit.Known {
		t.Errorf("%s, %v", exit.text(), err)
	}
}

func TestDoneCancelled(t *testing.T) {
	p := adopted(t, "reap", "exec sleep 1000")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	files := countFiles(t)
	if _, err := p.Done(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := p.Done(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if now := countFiles(t); now != files {
		t.Errorf("%d descriptors, were %d", now, files)
	}
	if !p.Alive() {
		t.Error("not alive any more")
	}
}

// The parent itself may wait with Done, and reap afterwards.
func TestDoneOfChild(t *testing.T) {
	plan, err := Spec{Argv: []string{"/bin/sh", "-c", "exit 7"}}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	process, err := plan.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer process.Close()
	if _, err := process.done(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if code := exitStatus(t, process); code != 7 {
		t.Errorf("exit status %d", code)
	}
}

// Waiting for many takes no thread each.
func TestDoneTakesNoThreads(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := adopted(t, "reap", "exec sleep 1000")
	before, files := pprof.Lookup("threadcreate").Count(), countFiles(t)
	const waiting = 100
	done := make(chan error)
	for range waiting {
		go func() { _, err := p.Done(ctx); done <- err }()
	}
	for countFiles(t) < files+waiting { // each has one of its own
		runtime.Gosched()
	}
	if threads := pprof.Lookup("threadcreate").Count(); threads > before+waiting/4 {
		t.Errorf("%d threads, were %d", threads, before)
	}
	cancel()
	for range waiting {
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

// A listening socket comes back from a process that has inherited it.
func TestDescriptor(t *testing.T) {
	needRoot(t) // or the right to trace, which yama may restrict
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	file, err := listener.File()
	if err != nil {
		t.Fatal(err)
	}
	p := adopted(t, "reap", "exec sleep 1000", file)
	address := listener.Addr().String()
	file.Close()
	listener.Close()
	fd, err := p.Descriptor(3)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("descriptor flags %#x, %v: want FD_CLOEXEC", flags, err)
	}
	again, err := net.FileListener(os.NewFile(uintptr(mustDup(t, fd)), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	client, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	if _, err := p.Descriptor(99); !errors.Is(err, unix.EBADF) || !strings.HasPrefix(err.Error(), fmt.Sprintf("descriptor 99 of pid %d: ", p.Pid)) {
		t.Errorf("of one that is not there: %v", err)
	}
}

func mustDup(t testing.TB, fd int) int {
	t.Helper()
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return dup
}
