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
	if len(os.Args) > 1 && os.Args[1] == "strays" {
		if err := findStrays(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) > 2 && os.Args[1] == "members" {
		if err := signalMembers(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
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
	killed, err := sweep(os.Getpid(), []Worker{{Pid: w.Process.Pid, Name: "a/web.1", Generation: 7}}, alive)
	if err != nil {
		return err
	}
	all, err := processes()
	if err != nil {
		return err
	}
	fmt.Println("killed", len(killed["a/web.1"]), "sibling", 1+len(all.beneath(sibling.Process.Pid, nobody, anybody)))
	// The sibling has the pid of a worker that is dead: it was given out again.
	reused, err := sweep(os.Getpid(), []Worker{{Pid: sibling.Process.Pid, Name: "a/web.3", Generation: 7}}, nobody)
	if err != nil || len(reused) > 0 {
		return fmt.Errorf("killed %v, which has a dead worker's pid: %w", reused, err)
	}
	left, err := KillAll(os.Getpid(), alive)
	if err != nil {
		return err
	}
	rest, err := KillAll(os.Getpid(), nobody)
	fmt.Println("left", len(left), "rest", len(rest))
	return err
}

// sweep gives the pids that a Sweep has killed.
func sweep(self int, dead []Worker, alive func(pid int) bool) (pids map[string][]int, err error) {
	found, err := Sweep(self, dead, alive, nobody)
	pids = map[string][]int{}
	for name, all := range found.Killed {
		for _, p := range all {
			pids[name] = append(pids[name], p.Pid)
		}
	}
	return pids, err
}

func nobody(int) bool { return false }

func anybody(Process) *Worker { return new(Worker) }

func launch(name, script string) (*exec.Cmd, error) {
	return start(name, script, &syscall.SysProcAttr{Setsid: true})
}

// start waits until the script has written a line.
func start(name, script string, as *syscall.SysProcAttr) (*exec.Cmd, error) {
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "SUPD_WORKER=" + name, "SUPD_GENERATION=7"}
	cmd.SysProcAttr = as
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
		"daemon":            {"x=$( (setsid sh -c 'sleep 1000 >/dev/null & echo; exec >/dev/null; wait' &) ); echo; kill -STOP $$", "killed 2 sibling 2\nleft 0 rest 2\n"},
		"other environment": {"env -i sh -c 'sleep 1000 & echo; wait' & wait", "killed 2 sibling 2\nleft 0 rest 2\n"},
		"odd name":          {`sh -c 'printf "x) R 1 1" >/proc/$$/comm; echo; kill -STOP $$' & wait`, "killed 1 sibling 2\nleft 0 rest 2\n"},
		// The daemon itself cannot be told any more, but its child is in the
		// worker's session.
		"child of an escaped one": {`env -i /bin/sh -c '/bin/sleep 1000 & exec /usr/bin/setsid /bin/sh -c "echo; kill -STOP \$\$"' & wait`,
			"killed 1 sibling 2\nleft 1 rest 2\n"},
		// It has neither the session nor the environment: only KillAll at supd's
		// end finds it.
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
	const rest = " S 2 3 4 0 -1 4194560 1 9 9 9 5 6 7 -8 20 0 10 0 4711 9 12 18446744073709551615"
	for _, name := range []string{"sh", "a) (b", ") R 1 1 1", "", "\xff\n"} {
		p, err := ParseStat(1, []byte("1 ("+name+")"+rest))
		if want := (Process{Pid: 1, Parent: 2, Group: 3, Session: 4, Start: 4711, Threads: 10, Ticks: 18, Pages: 12}); err != nil || p != want {
			t.Errorf("%q: %+v, %v", name, p, err)
		}
	}
	for _, bad := range []string{"", "1 (sh)", "1 (sh) S x 3 4" + rest, "1 (sh)" + strings.Replace(rest, "4711", "-", 1), "no parenthesis"} {
		if p, err := ParseStat(1, []byte(bad)); err == nil {
			t.Errorf("%q: %+v", bad, p)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("1 (sh) S 2 3 4 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0")
	f.Fuzz(func(t *testing.T, s string) { ParseStat(1, []byte(s)) })
}

// TestStatOfItself: the fields are the right ones.
func TestStatOfItself(t *testing.T) {
	p, err := readStat(os.Getpid())
	sid, _ := unix.Getsid(0)
	if err != nil || p.Parent != os.Getppid() || p.Group != unix.Getpgrp() || p.Session != sid || p.Start == 0 || p.Zombie {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestDead: in state Z with more than one thread only the main one has ended.
func TestDead(t *testing.T) {
	for stat, want := range map[string]bool{
		"1 (sh) Z 2 3 4 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0": true,
		"1 (sh) X 2 3 4 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 0 0 4711 0 0": true,
		"1 (sh) Z 2 3 4 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 2 0 4711 0 0": false,
		"1 (sh) T 2 3 4 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0": false,
	} {
		if p, err := ParseStat(1, []byte(stat)); err != nil || p.Zombie != want {
			t.Errorf("%s: dead %v, %v", stat, p.Zombie, err)
		}
	}
}

// TestBeneath: /proc is not read at one moment, so it may contradict itself.
func TestBeneath(t *testing.T) {
	f := family{}
	for _, p := range []Process{{Pid: 2, Parent: 1}, {Pid: 3, Parent: 2}, {Pid: 4, Parent: 3}, {Pid: 5, Parent: 2, Zombie: true},
		{Pid: 6, Parent: 1}, {Pid: 7, Parent: 6}, {Pid: 8, Parent: 9}, {Pid: 9, Parent: 8}, {Pid: 1, Parent: 4}} {
		f[p.Pid] = p
	}
	var got []int
	for _, p := range f.beneath(1, func(pid int) bool { return pid == 6 }, anybody) {
		got = append(got, p.Pid)
	}
	slices.Sort(got)
	if want := []int{2, 3, 4}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestKillIsOfTheSame: a pid that belongs to somebody else by now is spared.
func TestKillIsOfTheSame(t *testing.T) {
	cmd := exec.Command("/bin/sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := readStat(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	other := p
	other.Start++
	if other.kill() || (Process{Pid: 1 << 30}).kill() {
		t.Error("sent to a process that is not there")
	}
	if !p.kill() {
		t.Error("not sent")
	}
	awaitEnd([]leftover{{p, nil}, {other, nil}}, time.Now().Add(time.Hour))
	if p, err = readStat(p.Pid); err != nil || !p.Zombie {
		t.Errorf("%+v, %v", p, err)
	}
	if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("ended with %v", err)
	}
}

// TestLaunch: the launch of a process is known by its environment, if it has one.
func TestLaunch(t *testing.T) {
	self := Process{Pid: os.Getpid()}
	if _, err := self.origin(); err != nil {
		t.Errorf("of a process with an environment: %v", err)
	}
	gone := Process{Pid: 1 << 30}
	if l, err := gone.origin(); err != nil || l != (origin{}) {
		t.Errorf("of a process that is gone: %+v, %v", l, err)
	}
	cmd := exec.Command("/bin/sleep", "1000")
	cmd.Env = []string{}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	empty := Process{Pid: cmd.Process.Pid}
	if l, err := empty.origin(); err != errHidden || l != (origin{}) {
		t.Errorf("of an empty environment: %+v, %v", l, err)
	}
}

// TestOthersAreNotRead: what another user runs is not a dead worker's, whatever its
// environment says.
func TestOthersAreNotRead(t *testing.T) {
	needRoot(t)
	cmd := exec.Command("/bin/sleep", "1000")
	cmd.Dir, cmd.Env = "/", []string{"SUPD_WORKER=a/web.1", "SUPD_GENERATION=7"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: 64001, Gid: 64001}}
	if err := cmd.Start(); err != nil { // it has become another user when this returns
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	p, err := readStat(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	f := family{p.Pid: p}
	for uid, want := range map[int]bool{0: true, 64001: true, 64002: false} {
		dead := Worker{Pid: 1 << 30, Name: "a/web.1", Generation: 7, UID: uid}
		if w, known := f.owner(p, []Worker{dead}); !known || (w != nil) != want {
			t.Errorf("of a worker of %d's: %v, known %v; want %v", uid, w, known, want)
		}
	}
}

// TestKeepsItsUser: who has no capability and gets none.
func TestKeepsItsUser(t *testing.T) {
	needRoot(t)
	for _, test := range []struct {
		options string
		want    bool
	}{
		{"--bounding-set=-all --inh-caps=-all --no-new-privs --reuid=64001 --regid=64001 --clear-groups", true},
		{"--bounding-set=-all --inh-caps=-all --reuid=64001 --regid=64001 --clear-groups", false},
		{"--no-new-privs --reuid=64001 --regid=64001 --clear-groups", false},
		{"--no-new-privs", false},
	} {
		cmd := exec.Command("setpriv", append(strings.Fields(test.options), "/bin/sleep", "1000")...)
		cmd.Dir = "/"
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(time.Minute); !isSleep(cmd.Process.Pid); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("setpriv %s does not come to sleep", test.options)
			}
		}
		if got := KeepsItsUser(cmd.Process.Pid); got != test.want {
			t.Errorf("%s: %v, want %v", test.options, got, test.want)
		}
		cmd.Process.Kill()
		cmd.Wait()
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("SUPD_TEST_REQUIRE") == "1":
		t.Fatal("needs root, and SUPD_TEST_REQUIRE=1 forbids to skip")
	default:
		t.Skip("needs root")
	}
}

// needCgroup makes a cgroup of v2, or skips the test.
func needCgroup(t *testing.T) string {
	t.Helper()
	needRoot(t)
	mount, _, err := cgroupMount()
	if err != nil {
		t.Skip("no cgroup to be had: ", err)
	}
	dir := filepath.Join(mount, "supd-test-"+strconv.Itoa(os.Getpid()))
	switch err := os.Mkdir(dir, 0o755); {
	case errors.Is(err, unix.EROFS) || err != nil && os.Getenv("SUPD_TEST_REQUIRE") != "1":
		t.Skip("no cgroup to be had: ", err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := KillCgroup(dir); err != nil {
			t.Error(err)
		}
	})
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
	if err := os.Mkdir(filepath.Join(group.Name(), "its own"), 0o755); err != nil {
		t.Fatal(err)
	}
	w := Worker{Pid: cmd.Process.Pid, Name: "app/web.1", Cgroup: group.Name()}
	killed, err := sweep(os.Getpid(), []Worker{w}, nobody)
	if err != nil || !slices.Contains(killed["app/web.1"], escaped) {
		t.Errorf("killed %v, but not %d: %v", killed, escaped, err)
	}
	if p, err := readStat(escaped); err == nil && !p.Zombie {
		t.Errorf("%+v lives", p)
	}
	cmd.Wait()
	if err := KillCgroup(group.Name()); err != nil {
		t.Error(err)
	}
	if exists(group.Name()) {
		t.Error("the cgroup is still there")
	}
	if err := KillCgroup(group.Name()); err != nil {
		t.Errorf("of one that is gone: %v", err)
	}
	if killed, err := sweep(os.Getpid(), []Worker{w}, nobody); err != nil || len(killed) > 0 {
		t.Errorf("of one that is gone: %v, %v", killed, err)
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

func TestLocate(t *testing.T) {
	for _, c := range []struct{ mount, root, cgroup, want string }{
		{"/sys/fs/cgroup", "/", "/system.slice/supd.service", "/sys/fs/cgroup/system.slice/supd.service"},
		{"/sys/fs/cgroup", "/", "/", "/sys/fs/cgroup"},
		{"/sys/fs/cgroup", "/docker/1a", "/docker/1a", "/sys/fs/cgroup"},
		{"/sys/fs/cgroup", "/docker/1a", "/docker/1a/web", "/sys/fs/cgroup/web"},
		{"/sys/fs/cgroup", "/docker/1a", "/docker/1ab", ""},
		{"/sys/fs/cgroup", "/", "/../outside", ""},
		{"/sys/fs/cgroup", "/docker/1a", "/", ""},
	} {
		got, err := locate(c.mount, c.root, c.cgroup)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}
