package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// typeIntoTerminal is the command of an attacker: it types a line into the terminal
// that it was started from, and says what came of it.
func typeIntoTerminal() int {
	sid, _ := unix.Getsid(0)
	typed := error(nil)
	for _, c := range []byte("x") {
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, 0, unix.TIOCSTI, uintptr(unsafe.Pointer(&c))); errno != 0 {
			typed = errno
		}
	}
	_, tty := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	fmt.Printf("leader %v, uid %d, typed %v, terminal %v\n", sid == os.Getpid(), os.Getuid(), typed, tty)
	return 42
}

// terminal is a pseudo terminal with suprun in it.
type terminal struct {
	master *os.File
	cmd    *exec.Cmd
	lines  *bufio.Reader
}

// inTerminal runs suprun, or a program that runs it, as the leader of a session with
// a terminal of its own.
func inTerminal(t *testing.T, argv ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "SUPRUN_TEST=1", "SUPRUN="+public(t))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	return &terminal{master, cmd, bufio.NewReader(master)}
}

// public is the test binary where every user can execute it.
func public(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		os.Chmod(d, 0o755)
	}
	text, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "suprun")
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	os.Chmod(path, 0o755) // whatever the umask
	return path
}

// line waits for one that has text in it; "" is the end.
func (m *terminal) line(text string) string {
	for {
		line, err := m.lines.ReadString('\n')
		if strings.Contains(line, text) {
			return strings.TrimSpace(line)
		}
		if err != nil { // EIO: nobody has the terminal open any more
			return ""
		}
	}
}

func (m *terminal) status(t *testing.T) int {
	t.Helper()
	go io.Copy(io.Discard, m.lines)
	m.cmd.Wait()
	return m.cmd.ProcessState.ExitCode()
}

// As another user, the command does not type into the terminal of root's shell.
func TestTerminal(t *testing.T) {
	needRoot(t)
	self := public(t)
	script := func(options string) []string {
		return []string{"/bin/sh", "-c", `"$SUPRUN" ` + options + ` --env SUPRUN_TEST=type -- ` + self + `; exit $?`}
	}
	const safe = "leader true, uid 65534, typed operation not permitted, terminal open /dev/tty: no such device or address"
	for _, test := range []struct {
		name string
		argv []string
		want string
	}{
		{"leads the session", []string{self, "--user", "65534", "--group", "65534", "--env", "SUPRUN_TEST=type", "--", self}, safe},
		{"from a script", script("--user 65534 --group 65534"), safe},
		{"from a shell with job control", []string{"/bin/sh", "-m", "-c", script("--user 65534 --group 65534")[2]}, safe},
		{"asked for", []string{"/bin/sh", "-m", "-c", script("--session --user 65534 --group 65534")[2]}, safe},
		{"not wished for", script("--no-session --user 65534 --group 65534"), "leader false, uid 65534, typed " + typing(t) + ", terminal <nil>"},
		{"the same user", script(""), "leader false, uid 0, typed <nil>, terminal <nil>"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := inTerminal(t, test.argv...)
			_, got, _ := strings.Cut(m.line("leader "), "leader ") // behind what was typed
			if got = "leader " + got; got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if code := m.status(t); code != 42 {
				t.Errorf("exit status %d, want 42", code)
			}
		})
	}
}

// typing is what becomes of typing by a user whose terminal it is.
func typing(t *testing.T) string {
	text, err := os.ReadFile("/proc/sys/dev/tty/legacy_tiocsti") // Linux 6.2
	if err == nil && strings.TrimSpace(string(text)) == "0" {
		return unix.EIO.Error()
	}
	return "<nil>"
}

// setsid(2) refuses the leader of a process group, terminal or not.
func TestSessionOfAGroupLeader(t *testing.T) {
	cmd := exec.Command("/proc/self/exe", "--session", "--", "/bin/sh", "-c", `cut -d' ' -f6 /proc/$$/stat; echo $$; exit 3`)
	cmd.Env = append(os.Environ(), "SUPRUN_TEST=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, _ := cmd.Output()
	sid, pid, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if code := cmd.ProcessState.ExitCode(); code != 3 || sid == "" || sid != pid {
		t.Errorf("exit status %d, session %q of pid %q", code, sid, pid)
	}
}

// With a terminal, ^Z and ^C reach the command in its own session.
func TestTerminalSignals(t *testing.T) {
	needRoot(t)
	m := inTerminal(t, public(t), "--user", "65534", "--group", "65534", "--", "/bin/sh", "-c", "echo ready; exec sleep 1000")
	pid := m.cmd.Process.Pid
	m.line("ready")
	m.master.Write([]byte{0x1a}) // ^Z
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, unix.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("suprun is not stopped: %#x, %v", status, err)
	}
	if got := stateOf(t, childOf(t, pid)); got != "T" {
		t.Errorf("the command is in state %s, want T", got)
	}
	unix.Kill(pid, unix.SIGCONT)
	m.master.Write([]byte{0x03}) // ^C
	if code := m.status(t); code != 128+2 {
		t.Errorf("exit status %d, want 130", code)
	}
}

// What else is sent to suprun is the command's, and its end by a signal is told.
func TestTerminalEnd(t *testing.T) {
	needRoot(t)
	m := inTerminal(t, public(t), "--user", "65534", "--group", "65534", "--", "/bin/sh", "-c", `echo ready; exec sleep 1000`)
	m.line("ready")
	unix.Kill(m.cmd.Process.Pid, unix.SIGTERM)
	if code := m.status(t); code != 128+15 {
		t.Errorf("exit status %d, want 143", code)
	}
}

func childOf(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	children := strings.Fields(string(text))
	if err != nil || len(children) != 1 { // of another thread's
		all, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
		for _, path := range all {
			text, _ := os.ReadFile(path)
			children = append(children, strings.Fields(string(text))...)
		}
	}
	if len(children) == 0 {
		t.Fatal("suprun has no child")
	}
	return children[0]
}

func stateOf(t *testing.T, pid string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text)[strings.LastIndexByte(string(text), ')')+1:])[0]
}
