package main_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// TestTakeover runs the scripts in which supd ends again and again, each with the
// programs of testdata/takeover. Their commands are here.
func TestTakeover(t *testing.T) {
	if os.Getenv(namespaceVariable) != "" {
		t.Skip("runs outside of the namespace")
	}
	t.Parallel()
	all := maps.Clone(commands)
	maps.Copy(all, map[string]func(*testscript.TestScript, bool, []string){
		"kills":    kills,    // kills N: kills and starts supd N times
		"reexecs":  reexecs,  // reexecs DAEMON N: lets it replace itself N times
		"numbered": numbered, // numbered LOG COUNTS: fails if a line of the numbered workers is lost or doubled
	})
	testscript.RunT(scripted{t}, testscript.Params{
		Dir: "testdata/takeover", WorkdirRoot: scriptRoot(t), Setup: setup, Cmds: all,
		Condition: condition, RequireUniqueNames: true,
	})
}

// ordeal is a supd that ends again and again while its workers go on. They are
// whois, which is deployed meanwhile; steady/still, to which nothing happens;
// steady/lines, which numbers its lines; and steady/victim, which is killed.
type ordeal struct {
	ts      *testscript.TestScript
	chance  *rand.Rand
	supd    *daemon
	number  int
	still   string            // pids
	seen    map[string]int    // pid of each launch, "whois/web.1 generation 3"
	begun   int               // deploys
	deploys chan string       // what came of them
	next    map[string]string // release to deploy after another
	last    string
}

// longest bounds the wait before something happens. It happens at a random moment,
// which may be while supd is starting.
const longest = 300 * time.Millisecond

func newOrdeal(ts *testscript.TestScript) *ordeal {
	seed := uint64(time.Now().UnixNano())
	ts.Logf("seed %d", seed)
	o := &ordeal{ts: ts, chance: rand.New(rand.NewPCG(seed, 1)), seen: map[string]int{}, deploys: make(chan string),
		next: map[string]string{"1.0": "1.1", "1.1": "1.0"}, last: "1.0"}
	return o
}

// pause waits for a random time.
func (o *ordeal) pause() { time.Sleep(time.Duration(o.chance.Int64N(int64(longest)))) }

// ask gives what supctl prints, or "" if no supd answers.
func (o *ordeal) ask(args ...string) string {
	out, _ := command(o.ts, "supctl", args...).Output()
	return strings.TrimSpace(string(out))
}

func (o *ordeal) answering() {
	poll(o.ts, func() error {
		select {
		case <-o.supd.exited:
			text, _ := os.ReadFile(o.supd.output)
			o.ts.Fatalf("supd has ended: %s\n%s", o.supd.cmd.ProcessState, text)
		default:
		}
		if o.ask("pid") == "" {
			return errors.New("no supd answers")
		}
		return nil
	})
}

// begin notes who must not be touched.
func (o *ordeal) begin() {
	o.answering()
	o.still = o.ask("pid", "steady/still")
}

// deploy deploys the other release in the background, whatever becomes of supd
// meanwhile. supd refuses it while another one is under way.
func (o *ordeal) deploy() {
	o.last = o.next[o.last]
	cmd := command(o.ts, "supctl", "deploy", "whois", o.last)
	o.ts.Check(cmd.Start())
	o.begun++
	go func() {
		cmd.Wait()
		o.deploys <- fmt.Sprintf("exit %d", cmd.ProcessState.ExitCode())
	}()
}

// murder kills a worker, and waits for nothing.
func (o *ordeal) murder(worker string) (pid int) {
	pid, err := strconv.Atoi(o.ask("pid", worker))
	if err == nil && pid > 0 {
		o.ts.Check(unix.Kill(pid, unix.SIGKILL))
	}
	return pid
}

// replaced waits for the worker that takes the place of one that was killed.
func (o *ordeal) replaced(worker string, old int) {
	poll(o.ts, func() error {
		pid, err := strconv.Atoi(o.ask("pid", worker))
		if err != nil || pid == 0 || pid == old {
			return fmt.Errorf("%s has pid %d", worker, pid)
		}
		return nil
	})
}

// look fails if a launch is seen with two pids: then a worker was launched twice.
func (o *ordeal) look() {
	for _, pid := range workersOf(o.ts.Getenv("WORK")) {
		if session(pid) != pid {
			continue
		}
		env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		worker := variable(env, "SUPD_WORKER")
		if worker == "" { // it has died since workersOf has read that, or is in the middle of an execve(2)
			continue
		}
		name := worker + " generation " + variable(env, "SUPD_GENERATION")
		if other, is := o.seen[name]; is && other != pid {
			o.ts.Fatalf("%s was launched twice, as %d and %d", name, other, pid)
		}
		o.seen[name] = pid
	}
}

func variable(env []byte, name string) string {
	for entry := range bytes.SplitSeq(env, []byte{0}) {
		if value, ok := bytes.CutPrefix(entry, []byte(name+"=")); ok {
			return string(value)
		}
	}
	return ""
}

// end waits until all is at rest, and compares.
func (o *ordeal) end() {
	o.answering()
	results := map[string]int{}
	for range o.begun {
		select {
		case result := <-o.deploys:
			results[result]++
		case <-time.After(patience):
			o.ts.Fatalf("supctl deploy does not end")
		}
	}
	settled(o.ts, false, []string{"ACTIVE"})
	o.look()
	if now := o.ask("pid", "steady/still"); now != o.still {
		o.ts.Fatalf("steady/still has pids %q, and had %q", now, o.still)
	}
	if !strings.Contains(o.ask("--json", "status", "steady/still.1"), `"restarts":0,`) {
		o.ts.Fatalf("steady/still counts restarts")
	}
	o.ts.Logf("deploys: %v; launches: %d", results, len(o.seen))
	for result := range results { // 1: refused; 4: no supd answered
		if !slices.Contains([]string{"exit 0", "exit 1", "exit 4"}, result) {
			o.ts.Fatalf("deploys: %v", results)
		}
	}
	if results["exit 0"] < 2 {
		o.ts.Fatalf("few deploys were done: %v", results)
	}
}

// start starts supd the ordinary way, and waits for nothing.
func (o *ordeal) start() {
	o.number++
	name := fmt.Sprintf("supd-%d", o.number)
	startServer(o.ts, false, []string{name, "supd", "--config", "supd.toml"})
	o.supd = of(o.ts).daemons[name]
}

func (o *ordeal) kill() {
	o.ts.Check(o.supd.cmd.Process.Kill())
	<-o.supd.exited
}

// kills starts the first supd, kills it and its successors, and leaves the last one
// running.
func kills(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 1, "kills N")
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	o := newOrdeal(ts)
	o.start()
	o.begin()
	for i := range n {
		if i%3 == 0 {
			o.answering()
			o.deploy()
		}
		if i%7 == 3 { // the worker's last line is read before supd ends
			o.answering()
			o.replaced("steady/lines", o.murder("steady/lines"))
		}
		victim := 0
		if i%5 == 2 {
			o.answering()
			if victim, err = strconv.Atoi(o.ask("pid", "steady/victim")); err != nil {
				ts.Fatalf("victim: %v", err)
			}
		}
		o.pause()
		o.kill()
		if victim > 0 {
			ts.Check(unix.Kill(victim, unix.SIGKILL))
		}
		o.look()
		o.pause()
		o.start()
		if victim > 0 {
			o.answering()
			o.replaced("steady/victim", victim)
		}
	}
	o.end()
}

// reexecs replaces one/supd, from which supd was started, by a script that becomes
// supd. The script may act between the old supd's end and the new one's beginning:
// it kills a worker.
func reexecs(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 2, "reexecs DAEMON N")
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	o := newOrdeal(ts)
	o.supd = of(ts).daemons[args[0]]
	two := [2]string{ts.MkAbs("one/supd"), ts.MkAbs("two/supd")}
	ts.Check(os.MkdirAll(filepath.Dir(two[1]), 0o755))
	o.begin()
	for i := range n {
		if i%3 == 0 {
			o.deploy()
		}
		old := 0
		kill := "pass"
		if i%3 == 1 {
			old, err = strconv.Atoi(o.ask("pid", "steady/victim"))
			ts.Check(err)
			kill = fmt.Sprintf("os.kill(%d, 9)", old)
		}
		if i%7 == 3 {
			o.murder("steady/lines")
		}
		// /proc/self/exe of the next one is the other path. A shell would reap.
		here, there := two[i%2], two[(i+1)%2]
		ts.Check(install(there))
		script := fmt.Sprintf("#!/usr/bin/python3 -SE\nimport os, sys\nif '--check-takeover' not in sys.argv:\n    %s\nos.execv(%q, sys.argv)\n", kill, there)
		ts.Check(replace(here, []byte(script)))
		o.pause()
		o.reexec()
		o.look()
		if old > 0 {
			o.replaced("steady/victim", old)
			if status := o.ask("--json", "status", "steady/victim.1"); !strings.Contains(status, `"signal":"SIGKILL"`) {
				ts.Fatalf("how the victim has ended is not known: %s", status)
			}
		}
	}
	o.end()
}

// reexec is done when another supd answers, in the same process, with its workers
// as its children.
func (o *ordeal) reexec() {
	out, err := command(o.ts, "supctl", "reexec").CombinedOutput()
	if err != nil {
		o.ts.Fatalf("supctl reexec: %v: %s", err, out)
	}
	if pid := o.ask("pid"); pid != strconv.Itoa(o.supd.cmd.Process.Pid) {
		o.ts.Fatalf("supd has pid %s, and had %d", pid, o.supd.cmd.Process.Pid)
	}
	for _, pid := range strings.Fields(o.ask("pid", "steady/still")) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		o.ts.Check(err)
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if fields[1] != strconv.Itoa(o.supd.cmd.Process.Pid) {
			o.ts.Fatalf("worker %s is no child of supd any more, but of %s", pid, fields[1])
		}
	}
}

// install puts supd itself at a path, from which a supd may be running.
func install(path string) error {
	fresh := path + ".new"
	if err := os.Link(filepath.Join(built.bin, "supd"), fresh); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

func replace(path string, text []byte) error {
	fresh := path + ".new"
	if err := os.WriteFile(fresh, text, 0o755); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// numbered reads all files of a rotated log in which each worker has written
// "GENERATION NUMBER" lines, from 1 on. COUNTS has a file for each generation with
// how many lines it has certainly written.
func numbered(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 2, "numbered LOG COUNTS")
	files, err := filepath.Glob(ts.MkAbs(args[0]) + "*")
	ts.Check(err)
	got := map[string]map[int]int{}
	for _, file := range files {
		ts.Check(countLines(file, got))
	}
	lines, wrong := 0, []string{}
	for generation, numbers := range got {
		text, err := os.ReadFile(filepath.Join(ts.MkAbs(args[1]), generation))
		ts.Check(err)
		written, err := strconv.Atoi(strings.TrimSpace(string(text)))
		ts.Check(err)
		most := slices.Max(slices.Collect(maps.Keys(numbers)))
		for n := 1; n <= max(most, written); n++ {
			if times := numbers[n]; times != 1 {
				wrong = append(wrong, fmt.Sprintf("%s %d is there %d times", generation, n, times))
			}
		}
		lines += most
	}
	ts.Logf("%d lines in %d files of %d generations", lines, len(files), len(got))
	if len(wrong) > 0 || len(got) == 0 || len(files) < 3 {
		ts.Fatalf("%d lines in %d files are wrong: %s", len(wrong), len(files), strings.Join(wrong[:min(20, len(wrong))], ", "))
	}
}

func countLines(file string, got map[string]map[int]int) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	scanner := bufio.NewScanner(f)
	for scanner.Scan() {
		generation, number, _ := strings.Cut(scanner.Text(), " ")
		n, err := strconv.Atoi(number)
		if err != nil || strconv.Itoa(n) != number || generation == "" {
			return fmt.Errorf("%s: a torn line: %q", file, scanner.Text())
		}
		if got[generation] == nil {
			got[generation] = map[int]int{}
		}
		got[generation][n]++
	}
	return scanner.Err()
}

// A check that overlooks a lost line would make the tests above worthless.
func TestCountLines(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		text string
		bad  bool
	}{
		"whole": {"1 1\n1 2\n2 1\n", false}, "torn": {"1 1\n1 2", false}, "joined": {"1 11 2\n", true}, "half": {"1\n", true}, "leading zero": {"1 01\n", true},
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := countLines(file, map[string]map[int]int{}); (err != nil) != c.bad {
			t.Errorf("%s: %v", name, err)
		}
	}
}
