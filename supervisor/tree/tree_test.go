package tree

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary is also the supervisor whose descendants are searched: it must
// not be the tests' own process, which has children of its own.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "supervise" {
		if err := supervise(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// supervise runs a worker's script in a session of its own until it has written
// a line, kills the main process, sweeps, and prints what is left beneath.
func supervise(script string) error {
	if err := BecomeSubreaper(); err != nil {
		return err
	}
	sibling, err := launch("a/web.2", "sleep 1000 & echo; wait")
	if err != nil {
		return err
	}
	w, err := launch("a/web.1", script)
	if err != nil {
		return err
	}
	w.Process.Kill()
	w.Wait()
	alive := func(pid int) bool { return pid == sibling.Process.Pid }
	killed, err := Sweep(os.Getpid(), []Worker{{Pid: w.Process.Pid, Name: "a/web.1", Generation: 7}}, alive)
	if err != nil {
		return err
	}
	all, err := processes()
	if err != nil {
		return err
	}
	f := family{all, childrenOf(all), func(int) bool { return false }}
	fmt.Println("killed", len(killed["a/web.1"]), "sibling", len(f.beneath(all[sibling.Process.Pid])))
	left, err := KillAll(os.Getpid(), alive)
	if err != nil {
		return err
	}
	rest, err := KillAll(os.Getpid(), func(int) bool { return false })
	fmt.Println("left", len(left), "rest", len(rest))
	return err
}

func launch(name, script string) (*exec.Cmd, error) {
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "SUPD_WORKER=" + name, "SUPD_GENERATION=7"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	_, err = bufio.NewReader(out).ReadString('\n')
	return cmd, err
}

func TestSweep(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		want   string
	}{
		"nothing":           {"echo; exec sleep 1000", "killed 0 sibling 2\nleft 0 rest 2\n"},
		"child":             {"sleep 1000 & echo; wait", "killed 1 sibling 2\nleft 0 rest 2\n"},
		"session":           {"setsid sleep 1000 & echo; wait", "killed 1 sibling 2\nleft 0 rest 2\n"},
		"daemon":            {"(setsid sh -c 'sleep 1000 & echo; wait' &); sleep 1000", "killed 3 sibling 2\nleft 0 rest 2\n"},
		"other environment": {"env -i sh -c 'sleep 1000 & echo; wait'", "killed 2 sibling 2\nleft 0 rest 2\n"},
		// Neither session nor environment: only at supd's own end.
		"escaped": {"env -i /usr/bin/setsid /bin/sleep 1000 & while ! grep -qs sleep /proc/$!/comm; do :; done; echo; wait",
			"killed 0 sibling 2\nleft 1 rest 2\n"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "supervise", c.script)
			cmd.Stderr = os.Stderr
			got, err := cmd.Output()
			if err != nil || string(got) != c.want {
				t.Errorf("%v\n%swant\n%s", err, got, c.want)
			}
		})
	}
}

func TestParseStat(t *testing.T) {
	const rest = " S 2 3 4 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0"
	for _, name := range []string{"sh", "a) (b", ") R 1 1 1", "", "\xff\n"} {
		p, err := parseStat(1, "1 ("+name+")"+rest)
		if want := (process{1, 2, 3, 4, 4711, false}); err != nil || p != want {
			t.Errorf("%q: %+v, %v", name, p, err)
		}
	}
	for _, bad := range []string{"", "1 (sh)", "1 (sh) S x 3 4" + rest, "no parenthesis"} {
		if p, err := parseStat(1, bad); err == nil {
			t.Errorf("%q: %+v", bad, p)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("1 (sh) S 2 3 4 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0")
	f.Fuzz(func(t *testing.T, s string) { parseStat(1, s) })
}

// TestStatOfItself: the fields are the right ones.
func TestStatOfItself(t *testing.T) {
	p, err := readStat(os.Getpid())
	sid, _ := unix.Getsid(0)
	if err != nil || p.parent != os.Getppid() || p.group != unix.Getpgrp() || p.session != sid || p.start == 0 || p.zombie {
		t.Errorf("%+v, %v", p, err)
	}
}

// needCgroup makes a cgroup of v2, or skips the test.
func needCgroup(t *testing.T) string {
	t.Helper()
	mount, err := cgroupMount()
	if err == nil && os.Geteuid() != 0 {
		err = errors.New("a cgroup needs root")
	}
	dir := filepath.Join(mount, "supd-test-"+strconv.Itoa(os.Getpid()))
	if err == nil {
		err = os.Mkdir(dir, 0o755)
	}
	if err != nil {
		t.Skip("no cgroup to be had: ", err) // also in CI: a container may have none
	}
	t.Cleanup(func() { KillCgroup(dir) })
	return dir
}

func TestKillCgroup(t *testing.T) {
	parent := needCgroup(t)
	group, err := MakeCgroup(parent, "app.web.1.1")
	if err != nil {
		t.Fatal(err)
	}
	defer group.Close()
	cmd := exec.Command("/bin/sh", "-c", "env -i /usr/bin/setsid /bin/sleep 1000 & echo $!; wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd())}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	escaped, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	go cmd.Wait()
	if err := KillCgroup(group.Name()); err != nil {
		t.Error(err)
	}
	if p, err := readStat(escaped); err == nil && !p.zombie {
		t.Errorf("%+v lives", p)
	}
	if exists(group.Name()) {
		t.Error("the cgroup is still there")
	}
	if err := KillCgroup(group.Name()); err != nil {
		t.Errorf("of one that is gone: %v", err)
	}
}

// TestMakeCgroupAgain: one that an earlier supd has left is emptied.
func TestMakeCgroupAgain(t *testing.T) {
	parent := needCgroup(t)
	for range 2 {
		group, err := MakeCgroup(parent, "left")
		if err != nil {
			t.Fatal(err)
		}
		group.Close()
	}
	if err := KillCgroup(filepath.Join(parent, "left")); err != nil {
		t.Error(err)
	}
}

// TestOwnedCgroup: only a delegated one is supd's.
func TestOwnedCgroup(t *testing.T) {
	if dir, why := OwnedCgroup(); (dir == "") == (why == "") {
		t.Errorf("%q, %q", dir, why)
	}
	dir := needCgroup(t)
	if delegated(dir) {
		t.Error("a new cgroup is delegated already")
	}
	if err := unix.Setxattr(dir, "trusted.delegate", []byte("1"), 0); err != nil {
		t.Skip("trusted attributes: ", err)
	}
	if !delegated(dir) {
		t.Error("a delegated cgroup is not seen to be")
	}
}

// TestAwaitEnd: a process that is dead already is not waited for.
func TestAwaitEnd(t *testing.T) {
	cmd := exec.Command("/bin/sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := readStat(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	killProcesses([]process{p, {pid: p.pid, start: p.start + 1}, {pid: 1 << 30}})
	if took := time.Since(begin); took > deathTime/2 {
		t.Errorf("took %v", took)
	}
	if err := cmd.Wait(); err == nil || !slices.Contains([]string{"signal: killed"}, err.Error()) {
		t.Errorf("ended with %v", err)
	}
}
