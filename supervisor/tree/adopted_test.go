package tree

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stranger starts a worker's script in a session of its own, and returns the worker
// and the pids in the first line that the script writes. A script that ends with exec sleep
// is that by then: in the middle of an execve(2) a process has no environment.
func stranger(t *testing.T, runtime, script string) (cmd *exec.Cmd, w Worker, pids []int) {
	t.Helper()
	cmd = exec.Command("/bin/sh", "-c", script)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "SUPD_WORKER=a/web.1", "SUPD_GENERATION=7", "XDG_RUNTIME_DIR=" + runtime, "SUPD_TOKEN=of " + filepath.Base(runtime)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil { // else the group's number may be another's
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			cmd.Wait()
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	for field := range strings.FieldsSeq(line) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
		if p, err := readStat(pid); err == nil {
			t.Cleanup(func() { p.kill() })
		}
	}
	for strings.Contains(script, "exec sleep") && !isSleep(cmd.Process.Pid) {
		time.Sleep(time.Millisecond)
	}
	w = Worker{Pid: cmd.Process.Pid, Name: "a/web.1", Generation: 7, Adopted: true, Runtime: runtime}
	if w.Start, err = StartTime(w.Pid); err != nil {
		t.Fatal(err)
	}
	return cmd, w, pids
}

// isSleep reports whether a process is sleep, with its environment in place, which it gets
// after the name.
func isSleep(pid int) bool {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil || string(name) != "sleep\n" {
		return false
	}
	size, err := EachVariable(fmt.Sprintf("/proc/%d/environ", pid), func(_, _ []byte) {})
	return err == nil && size > 0
}

// kill ends the main process alone.
func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
}

// later waits for the next clock tick, and gives it.
func later() uint64 {
	for now := Now(); ; time.Sleep(time.Millisecond) {
		if next := Now(); next > now {
			return next
		}
	}
}

// unrelated is a process that has nothing to do with any worker. It plays the supd
// that searches.
func unrelated(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd.Process.Pid
}

func TestSweepAdopted(t *testing.T) {
	self := unrelated(t)
	const bare = "env -i /bin/sleep 1000 & a=$!; while ! grep -qs sleep /proc/$a/comm; do :; done; "
	for name, c := range map[string]struct {
		script string // writes the pids of what it leaves
		change func(*Worker)
		killed bool
	}{
		"child":             {"sleep 1000 & echo $!; wait", nil, true},
		"daemon":            {"setsid sh -c 'sleep 1000 & echo $! $$; wait' & wait", nil, true},
		"beneath a daemon":  {"setsid sh -c 'env -i setsid sh -c \"echo \\$\\$ $$; kill -STOP \\$\\$\" & wait' & wait", nil, true},
		"other environment": {bare + "echo $a; wait", nil, true},
		"not seen since":    {bare + "echo $a; wait", func(w *Worker) { w.Seen = w.Start }, false},
		"never seen":        {bare + "echo $a; wait", func(w *Worker) { w.Seen = 0 }, false},
		"of another before": {bare + "echo $a; wait", func(w *Worker) { w.Start, w.Seen = w.Start-100, w.Start }, false},
		"escaped":           {"env -i /usr/bin/setsid /bin/sleep 1000 & while ! grep -qs sleep /proc/$!/comm; do :; done; echo $!; wait", nil, false},
		"other launch":      {"setsid sleep 1000 & echo $!; wait", func(w *Worker) { w.Pid, w.Runtime = 1<<30, w.Runtime+"2" }, false},
		"other generation":  {"setsid sleep 1000 & echo $!; wait", func(w *Worker) { w.Pid, w.Generation = 1<<30, 8 }, false},
		"unknown directory": {"setsid sleep 1000 & echo $!; wait", func(w *Worker) { w.Pid, w.Runtime = 1<<30, "" }, false},
		"began later":       {"setsid sleep 1000 & echo $!; wait", func(w *Worker) { w.Pid, w.Start = 1<<30, Now()+1000 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			cmd, w, pids := stranger(t, t.TempDir(), c.script)
			w.Seen = later()
			if c.change != nil {
				c.change(&w)
			}
			kill(t, cmd)
			killed, err := sweep(self, []Worker{w}, nobody)
			if err != nil {
				t.Fatal(err)
			}
			for _, pid := range pids {
				p, err := readStat(pid)
				if dead := err != nil || p.Zombie; dead != c.killed || slices.Contains(killed["a/web.1"], pid) != c.killed {
					t.Errorf("%d: dead %v, killed %v", pid, dead, killed)
				}
			}
			if !c.killed && len(killed) > 0 {
				t.Errorf("killed %v", killed)
			}
		})
	}
}

// A living worker and what is beneath it are left alone, as is whoever has the
// pid now.
func TestSweepAdoptedSpares(t *testing.T) {
	self, dir := unrelated(t), t.TempDir()
	_, w, pids := stranger(t, dir, "sleep 1000 & echo $!; wait")
	w.Seen = later()
	if killed, err := sweep(self, []Worker{w}, func(pid int) bool { return pid == w.Pid }); err != nil || len(killed) > 0 {
		t.Errorf("a living worker: %v, %v", killed, err)
	}
	reused := w
	reused.Runtime += "2"
	if killed, err := sweep(self, []Worker{reused}, nobody); err != nil || len(killed) > 0 {
		t.Errorf("a process that has the pid now: %v, %v", killed, err)
	}
	if killed, err := sweep(w.Pid, []Worker{w}, nobody); err != nil || len(killed) > 0 {
		t.Errorf("the searching process itself: %v, %v", killed, err)
	}
	if p, err := readStat(pids[0]); err != nil || p.Zombie {
		t.Errorf("%+v, %v", p, err)
	}
	killed, err := sweep(self, []Worker{w}, nobody)
	want := []int{w.Pid, pids[0]}
	slices.Sort(killed["a/web.1"])
	slices.Sort(want)
	if err != nil || !slices.Equal(killed["a/web.1"], want) {
		t.Errorf("killed %v, %v, want %v", killed, err, want)
	}
}

// While a worker's zombie exists, the session is the worker's.
func TestHeldByZombie(t *testing.T) {
	w := Worker{Pid: 7, Start: 100}
	for _, c := range []struct {
		leader Process
		want   bool
	}{
		{Process{Pid: 7, Session: 7, Start: 100, Zombie: true}, true},
		{Process{Pid: 7, Session: 7, Start: 101, Zombie: true}, false},
		{Process{Pid: 7, Session: 7, Start: 100}, false},
		{Process{Pid: 8, Session: 7, Start: 100}, false},
	} {
		if got := (family{c.leader.Pid: c.leader}).held(w); got != c.want {
			t.Errorf("%+v: %v", c.leader, got)
		}
	}
}

// The children of a vanished parent are searched too, and circles end.
func TestElsewhere(t *testing.T) {
	f := family{}
	for _, p := range []Process{{Pid: 1}, {Pid: 2, Parent: 1}, {Pid: 3, Parent: 2}, {Pid: 4, Parent: 99}, {Pid: 5, Parent: 4},
		{Pid: 6, Parent: 1}, {Pid: 7, Parent: 6}, {Pid: 8, Parent: 9}, {Pid: 9, Parent: 8}} {
		f[p.Pid] = p
	}
	var got []int
	for _, p := range f.elsewhere(2, func(pid int) bool { return pid == 6 }, anybody) {
		got = append(got, p.Pid)
	}
	slices.Sort(got)
	if want := []int{1, 4, 5}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// A launch is known by its token, under the user it was launched as; who only says
// that it is a worker is one claimant.
func TestFind(t *testing.T) {
	workers := t.TempDir()
	_, first, pids := stranger(t, workers+"/a.web.1.7", "setsid sleep 1000 & echo $!; wait")
	_, second, _ := stranger(t, workers+"/a.web.2.7", "echo; exec sleep 1000")
	_, other, _ := stranger(t, workers+"/a.web.3.7", "echo; exec sleep 1000")
	_, liar, _ := stranger(t, workers+"/a.web.4.7", "echo; exec sleep 1000")
	stranger(t, workers, "echo; exec sleep 1000")
	_, inRoom, _ := stranger(t, workers+"/a/a.web.5.7", "echo; exec sleep 1000")
	stranger(t, workers+"/a/b/c", "echo; exec sleep 1000")
	uid := os.Getuid()
	found, err := Find(map[string]int{"of a.web.1.7": uid, "of a.web.2.7": 0, "of a.web.3.7": uid + 1}, workers+"/")
	if err != nil {
		t.Fatal(err)
	}
	want := Search{
		Launched:  []Launched{{first.Pid, first.Start, "of a.web.1.7"}, {second.Pid, second.Start, "of a.web.2.7"}},
		Claimants: []Claimant{{other.Pid, "a/web.1", other.Runtime, other.Start}, {liar.Pid, "a/web.1", liar.Runtime, liar.Start}, {inRoom.Pid, "a/web.1", inRoom.Runtime, inRoom.Start}},
	}
	slices.SortFunc(want.Launched, func(a, b Launched) int { return a.Pid - b.Pid })
	slices.SortFunc(want.Claimants, func(a, b Claimant) int { return a.Pid - b.Pid })
	if !reflect.DeepEqual(found, want) {
		t.Errorf("found %+v, want %+v (and not %v)", found, want, pids)
	}
}

// A hook of a supd that is gone is killed with its session; one of root's, who could be
// anybody, is left alone.
func TestKillHooks(t *testing.T) {
	workers := t.TempDir()
	start := func(uid uint32, more ...string) (*exec.Cmd, int) {
		cmd := exec.Command("/bin/sh", "-c", "env -i /bin/sleep 1000 & echo $!; wait")
		cmd.Env = append([]string{"PATH=/bin:/usr/bin", "SUPD_WORKER=a/web.1", "XDG_RUNTIME_DIR=" + workers + "/a.web.1.7"}, more...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if os.Getuid() == 0 {
			cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: uid}
		}
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		child := 0
		if _, err := fmt.Fscanln(out, &child); err != nil {
			t.Fatal(err)
		}
		return cmd, child
	}
	hook, child := start(65534, "SUPD_HOOK=post_stop")
	worker, _ := start(65534)
	roots := worker
	if os.Getuid() == 0 {
		roots, _ = start(0, "SUPD_HOOK=post_stop")
	}
	found, err := Find(nil, workers)
	if err != nil || len(found.Hooks) != 1 || found.Hooks[0].Pid != hook.Process.Pid {
		t.Fatalf("hooks %+v, %v; want pid %d", found.Hooks, err, hook.Process.Pid)
	}
	killed, err := KillHooks(found.Hooks)
	if err != nil || len(killed) != 2 || !slices.ContainsFunc(killed, func(n Named) bool { return n.Pid == child }) {
		t.Errorf("killed %v, %v; want %d and %d", killed, err, hook.Process.Pid, child)
	}
	_ = hook.Wait() // by a signal
	for _, cmd := range []*exec.Cmd{worker, roots} {
		if syscall.Kill(cmd.Process.Pid, 0) != nil {
			t.Errorf("%d is killed", cmd.Process.Pid)
		}
	}
}

// What anybody may start by the thousand is counted.
func TestFindManyClaimants(t *testing.T) {
	workers := t.TempDir()
	for i := range mostClaimants + 3 {
		stranger(t, fmt.Sprintf("%s/a.web.%d.7", workers, i), "echo; exec sleep 1000")
	}
	found, err := Find(nil, workers)
	if err != nil || len(found.Claimants) != mostClaimants || found.More != 3 {
		t.Errorf("%d claimants, %d more, %v", len(found.Claimants), found.More, err)
	}
}

// LISTEN_PID says which process was launched.
func TestFindMain(t *testing.T) {
	runtime := t.TempDir() + "/a"
	for main, want := range map[string]bool{"$$": true, "1": false} {
		cmd, w, _ := stranger(t, runtime, "LISTEN_PID="+main+"; export LISTEN_PID; exec sh -c 'echo; kill -STOP $$'")
		found, err := Find(map[string]int{"of a": os.Getuid()}, filepath.Dir(runtime))
		if err != nil || slices.ContainsFunc(found.Launched, func(l Launched) bool { return l.Pid == w.Pid }) != want {
			t.Errorf("LISTEN_PID=%s: %+v, %v", main, found, err)
		}
		kill(t, cmd)
	}
}

// What is read of an environment is bounded, and what is held of it is less.
func TestLargeEnvironment(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_STACK, &limit); err != nil {
		t.Fatal(err)
	}
	more := limit
	more.Cur = min(64<<20, limit.Max) // execve(2): a quarter of it
	if err := unix.Setrlimit(unix.RLIMIT_STACK, &more); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_STACK, &limit)
	const count = 30
	for name, c := range map[string]struct {
		large int
		want  []string
	}{
		"all of it is read": {mostEnvironment / count / 2, []string{"SHORT=1", "LAST=2"}},
		"there is too much": {mostEnvironment / count * 2, []string{"SHORT=1"}},
	} {
		large := "=" + strings.Repeat("x", min(c.large, 130_000))
		cmd := exec.Command("/bin/sleep", "1000")
		cmd.Env = []string{"LARGE" + large, "SHORT=1"}
		for i := range count {
			cmd.Env = append(cmd.Env, fmt.Sprintf("MORE%d", i)+large)
		}
		cmd.Env = append(cmd.Env, "LAST=2")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		for size := 0; size == 0; { // in the middle of the execve it is not to be seen
			var err error
			if size, err = EachVariable(fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid), func(_, _ []byte) {}); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		var before, after goruntime.MemStats
		goruntime.ReadMemStats(&before)
		size, err := EachVariable(fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid), func(name, value []byte) { got = append(got, string(name)+"="+string(value)) })
		goruntime.ReadMemStats(&after)
		if !slices.Equal(got, c.want) || err != nil || size > mostEnvironment+mostVariable {
			t.Errorf("%s: %.100q of %d bytes, %v; want %q", name, got, size, err, c.want)
		}
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 8*mostVariable {
			t.Errorf("%s: %d bytes were allocated for %d", name, allocated, size)
		}
	}
}

func TestChildren(t *testing.T) {
	_, w, pids := stranger(t, t.TempDir(), "sleep 1000 & a=$!; sleep 1000 & b=$!; (sleep 1000 & echo $a $b; wait) & wait")
	for name, read := range map[string]func(int) (map[int]uint64, error){"listed": Children, "scanned": scannedChildren} {
		children, err := read(w.Pid)
		if err != nil || len(children) != 3 {
			t.Errorf("%s: %v, %v", name, children, err)
		}
		for _, pid := range pids {
			if start, err := StartTime(pid); err != nil || children[pid] != start {
				t.Errorf("%s: %d began at %d, %v: %v", name, pid, start, err, children)
			}
		}
		if children, err := read(1 << 30); !os.IsNotExist(err) {
			t.Errorf("%s, of nobody: %v, %v", name, children, err)
		}
	}
	if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p := Process{Pid: pids[0]}
	for p.Zombie = false; !p.Zombie; { // its parent may reap it
		var err error
		if p, err = readStat(pids[0]); err != nil {
			break
		}
	}
	if children, err := Children(w.Pid); err != nil || len(children) != 2 || children[pids[0]] != 0 {
		t.Errorf("after the end of %d: %v, %v", pids[0], children, err)
	}
}

// Each thread has the children that it has forked.
func TestChildrenOfThreads(t *testing.T) {
	pid := unrelated(t)
	children, err := Children(os.Getpid())
	if err != nil || children[pid] == 0 {
		t.Errorf("%v, %v: want %d", children, err, pid)
	}
}

func TestAge(t *testing.T) {
	before := Now()
	pid := unrelated(t)
	start, err := StartTime(pid)
	if err != nil || start < before || start > Now() {
		t.Errorf("began at %d, %v: want %d to %d", start, err, before, Now())
	}
	if age := Age(start); age < 0 || age > time.Minute {
		t.Errorf("age %s", age)
	}
	if age := Age(Now() - 100*hertz); age < 100*time.Second || age > 101*time.Second {
		t.Errorf("age %s, want 100s", age)
	}
	if age := Age(Now() + 1000); age != 0 {
		t.Errorf("age %s of what begins later", age)
	}
	if _, err := StartTime(1 << 30); !os.IsNotExist(err) {
		t.Errorf("of nobody: %v", err)
	}
}

func TestBootID(t *testing.T) {
	id, err := BootID()
	if again, _ := BootID(); err != nil || len(id) != 36 || id != again {
		t.Errorf("%q, %q, %v", id, again, err)
	}
}

func BenchmarkFind(b *testing.B) {
	for b.Loop() {
		if _, err := Find(nil, "/nowhere"); err != nil {
			b.Fatal(err)
		}
	}
}

// TestFindReadsLittle: large environments are read up to a bound for each user, and what is
// at the beginning of one is read of each process.
func TestFindReadsLittle(t *testing.T) {
	s := searching{read: map[uint32]int{}, limit: readTime}
	env := []string{"SUPD_WORKER=first", "SUPD_HOOK=first"}
	for range 2 * smallEnvironment / 100_000 {
		env = append(env, "LARGE="+strings.Repeat("x", 100_000))
	}
	cmd := exec.Command("/bin/sleep", "1000")
	cmd.Env = append(env, "SUPD_TOKEN=last")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	p := Process{Pid: cmd.Process.Pid}
	ask := func() origin {
		for {
			l, err := s.origin(p)
			if !errors.Is(err, errHidden) { // it is in the middle of its execve
				if err != nil {
					t.Fatal(err)
				}
				return l
			}
		}
	}
	if l := ask(); l.worker != "first" || l.token != "last" {
		t.Errorf("all of it is read, and found is %+v", l)
	}
	if n := s.read[userOf(p.Pid)]; n < smallEnvironment/2 {
		t.Errorf("%d bytes count", n)
	}
	s.read[userOf(p.Pid)] = mostRead
	if l := ask(); l.worker != "first" || l.token != "" {
		t.Errorf("no more than the beginning is read, and found is %+v", l)
	}
}
