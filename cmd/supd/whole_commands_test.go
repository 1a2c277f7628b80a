package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"supd/cmd/demo/load"
	"supd/supervisor/api"
)

const (
	patience = 60 * time.Second      // the most that waitfor and a daemon's end may take
	interval = 10 * time.Millisecond // the least between two looks of waitfor
)

type (
	testKey  struct{} // of the *testing.T in a script's values
	stateKey struct{}
)

// state is what a script has started.
type state struct {
	loads   map[string]*load.Load
	daemons map[string]*daemon
	traffic *traffic
}

func of(ts *testscript.TestScript) *state         { return ts.Value(stateKey{}).(*state) }
func testOf(ts *testscript.TestScript) *testing.T { return ts.Value(testKey{}).(*testing.T) }

// commands are what scripts can use besides testscript's own.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"daemon":   startDaemon, // daemon NAME COMMAND…: starts it in the background, and waits until supctl gets an answer
	"server":   startServer, // server NAME COMMAND…: starts any program in the background, and waits for nothing
	"ended":    waitDaemon,  // ended NAME CODE: waits until it has exited by itself, with this code
	"waitfor":  waitFor,     // waitfor (out REGEXP COMMAND… | file REGEXP FILE | http REGEXP NETWORK ADDRESS | gone PID)
	"exits":    exits,       // exits CODE COMMAND…
	"pid":      pidOf,       // pid VARIABLE TARGET
	"signal":   signal,      // signal NAME PID|SERVER
	"load":     loadCommand, // load start NAME NETWORK ADDRESS PATH | load served NAME N | load stop NAME
	"user":     newUser,     // user VARIABLE: a system user without a shell, removed at the end
	"venv":     newVenv,     // venv VARIABLE: a virtual environment under /opt, removed at the end
	"freeport": freePort,    // freeport VARIABLE: of TCP and UDP on 127.0.0.1
	"expand":   expandFiles, // expand FILE…: @NAME@ becomes the environment variable NAME
	"app":      takeApp,     // app SERVER FILE: what docs/servers.md has as an app of that server
	"give":     give,        // give USER FILE…: chown, as root

	"initfiles": initFiles, // initfiles NAME DIRECTORY: configs/init/NAME, with paths in the script's directory
	"supd":      supdPid,   // supd VARIABLE [PID]: the pid of the supd that answers, once it is not PID
	"child":     childOf,   // child VARIABLE SERVER: the pid of its one child

	"packages": newPackages,    // packages: sets PKG to a name for the script's packages, and makes databases for them
	"deb":      buildDeb,       // deb VERSION [OPTION=VALUE…], see newParcel
	"dpkg":     runDpkg,        // dpkg ARGUMENT…
	"rpmbuild": buildRPM,       // rpmbuild VERSION-RELEASE [OPTION=VALUE…]
	"rpm":      runRPM,         // rpm ARGUMENT…
	"nginx":    startNginx,     // nginx VARIABLE: nginx on that port of 127.0.0.1, before web.sock
	"traffic":  trafficCommand, // traffic start PORT | traffic (sees | only) VERSION | traffic stop VERSION…
	"workers":  workersAre,     // workers N: waits until there are N
	"answers":  answers,        // answers TEXT NETWORK ADDRESS PATH
	"settled":  settled,        // settled VARIABLE: waits until whois runs one release, and gives its version
	"tmpfs":    mountTmpfs,     // tmpfs DIRECTORY SIZE
	"faults":   faultySupd,     // faults: makes supd-faults
}

func need(ts *testscript.TestScript, neg, ok bool, usage string) {
	if neg || !ok {
		ts.Fatalf("usage: %s", usage)
	}
}

// daemon is a program in the background of a script.
type daemon struct {
	cmd    *exec.Cmd
	output string // file of its standard output and error
	exited chan struct{}
	supd   bool // it has workers, of which none may be left
}

func startDaemon(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) >= 2, "daemon NAME COMMAND…")
	apps, err := filepath.Glob(ts.MkAbs("apps/*.toml"))
	ts.Check(err)
	expandFiles(ts, false, append(apps, "supd.toml"))
	startServer(ts, false, args)
	d := of(ts).daemons[args[0]]
	d.supd = true
	poll(ts, func() error {
		select {
		case <-d.exited:
			text, _ := os.ReadFile(d.output)
			ts.Fatalf("%s has ended at once: %s\n%s", args[0], d.cmd.ProcessState, text)
		default:
		}
		err := command(ts, "supctl", "status").Run()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == api.CodeNotRunning {
			return nil
		}
		return err
	})
}

func startServer(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) >= 2, "server NAME COMMAND…")
	name := args[0]
	d := &daemon{output: ts.MkAbs(name + ".log"), exited: make(chan struct{})}
	out, err := os.OpenFile(d.output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	ts.Check(err)
	defer out.Close()
	d.cmd = command(ts, args[1], args[2:]...)
	d.cmd.Stdout, d.cmd.Stderr = out, out
	ts.Check(d.cmd.Start())
	go func() { defer close(d.exited); d.cmd.Wait() }()
	of(ts).daemons[name] = d
	t := testOf(ts)
	work := ts.Getenv("WORK")
	ts.Defer(func() { d.end(t, name, work) })
}

// end stops a daemon that still runs and looks for what it should not have left
// behind: workers, and reports of the race detector.
func (d *daemon) end(t *testing.T, name, work string) {
	d.cmd.Process.Signal(unix.SIGTERM)
	select {
	case <-d.exited:
	case <-time.After(patience):
		t.Errorf("%s has not ended %s after TERM", name, patience)
		d.cmd.Process.Kill()
		<-d.exited
	}
	text, _ := os.ReadFile(d.output)
	if bytes.Contains(text, []byte("DATA RACE")) {
		t.Errorf("%s: data race", name)
	}
	if d.supd {
		d.endWorkers(t, name, work)
	}
	if t.Failed() {
		t.Logf("%s:\n%s", d.output, text)
	}
}

func (d *daemon) endWorkers(t *testing.T, name, work string) {
	for _, pid := range workersOf(work) {
		t.Errorf("%s has left process %d: %s", name, pid, commandLine(pid))
		unix.Kill(pid, unix.SIGKILL)
	}
}

func waitDaemon(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 2, "ended NAME CODE")
	d := of(ts).daemons[args[0]]
	if d == nil {
		ts.Fatalf("no daemon %s", args[0])
	}
	select {
	case <-d.exited:
	case <-time.After(patience):
		ts.Fatalf("%s has not ended in %s", args[0], patience)
	}
	if got := strconv.Itoa(d.cmd.ProcessState.ExitCode()); got != args[1] {
		text, _ := os.ReadFile(d.output)
		ts.Fatalf("%s ended with %s, want %s\n%s", args[0], got, args[1], text)
	}
}

// carried are the variables of a script that its background programs get.
var carried = []string{"PATH", "HOME", "TMPDIR", "WORK", "BIN", "SUPD_SOCKET", "NO_COLOR", "GORACE"}

// command is a command of a script, in its directory.
func command(ts *testscript.TestScript, name string, args ...string) *exec.Cmd {
	if path, err := execpath(name, ts.Getenv("PATH")); err == nil {
		name = path
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = ts.MkAbs(".")
	for _, v := range carried {
		if value := ts.Getenv(v); value != "" {
			cmd.Env = append(cmd.Env, v+"="+value)
		}
	}
	return cmd
}

func execpath(name, path string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for dir := range strings.SplitSeq(path, ":") {
		p := filepath.Join(dir, name)
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s: not in PATH", name)
}

// poll looks until look finds nothing wrong.
func poll(ts *testscript.TestScript, look func() error) {
	for deadline := time.Now().Add(patience); ; {
		begin := time.Now()
		err := look()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("not so after %s: %v", patience, err)
		}
		time.Sleep(max(interval, time.Since(begin))) // so that what is waited for has the processors, too
	}
}

func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	const usage = "waitfor (out REGEXP COMMAND… | file REGEXP FILE | http REGEXP NETWORK ADDRESS | gone PID…)"
	need(ts, neg, len(args) >= 2, usage)
	if args[0] == "gone" {
		for _, arg := range args[1:] {
			poll(ts, func() error { return gone(arg) })
		}
		return
	}
	want, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	rest := args[2:]
	var get func() (string, error)
	switch {
	case args[0] == "out" && len(rest) >= 1:
		get = func() (string, error) {
			out, err := command(ts, rest[0], rest[1:]...).CombinedOutput()
			return fmt.Sprintf("%s(%v)", out, err), nil
		}
	case args[0] == "file" && len(rest) == 1:
		get = func() (string, error) { text, err := os.ReadFile(ts.MkAbs(rest[0])); return string(text), err }
	case args[0] == "http" && len(rest) == 2:
		get = func() (string, error) { return load.Body(rest[0], rest[1], "/") }
	default:
		ts.Fatalf("usage: %s", usage)
	}
	poll(ts, func() error {
		got, err := get()
		if err == nil && !want.MatchString(got) {
			err = fmt.Errorf("no match for %q in:\n%s", args[1], got)
		}
		return err
	})
}

// gone gives nil if there is no such process, or only a zombie.
func gone(pid string) error {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return nil
	}
	if _, after, _ := strings.Cut(string(stat), ") "); strings.HasPrefix(after, "Z") {
		return nil
	}
	return fmt.Errorf("process %s is there: %s", pid, stat)
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) >= 2, "exits CODE COMMAND…")
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("%s exited with %d, want %s", args[1], got, args[0])
	}
}

func pidOf(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 2, "pid VARIABLE TARGET")
	out, err := command(ts, "supctl", "pid", args[1]).Output()
	if err != nil {
		ts.Fatalf("supctl pid %s: %v", args[1], err)
	}
	ts.Setenv(args[0], strings.TrimSpace(string(out)))
}

func signal(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 2, "signal NAME PID|SERVER")
	number := unix.SignalNum("SIG" + args[0])
	if number == 0 {
		ts.Fatalf("no signal %s", args[0])
	}
	if d := of(ts).daemons[args[1]]; d != nil {
		ts.Check(d.cmd.Process.Signal(number))
		return
	}
	pid, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(unix.Kill(pid, number))
}

// The load is sixteen clients, each request on a connection of its own, slow
// enough to leave the two processors of a small machine to the servers.
const (
	loadClients = 16
	loadRate    = 400
	leastServed = 20
)

func loadCommand(ts *testscript.TestScript, neg bool, args []string) {
	const usage = "load start NAME NETWORK ADDRESS PATH | load served NAME N | load stop NAME [LOST PER THOUSAND]"
	need(ts, neg, len(args) >= 2, usage)
	loads, name := of(ts).loads, args[1]
	if args[0] == "start" && len(args) == 5 {
		loads[name] = load.Start(load.Target{Network: args[2], Address: args[3], Path: args[4], Clients: loadClients, Rate: loadRate})
		ts.Defer(func() { loads[name].Stop() })
		return
	}
	l := loads[name]
	if l == nil {
		ts.Fatalf("no load %s", name)
	}
	switch {
	case args[0] == "served" && len(args) == 3:
		n, err := strconv.Atoi(args[2])
		ts.Check(err)
		n += l.Snapshot().Served
		poll(ts, func() error {
			if r := l.Snapshot(); r.Served < n {
				return fmt.Errorf("%v, want %d more", r, n-r.Served)
			}
			return nil
		})
	case args[0] == "stop" && len(args) <= 3:
		most := 0
		if len(args) == 3 {
			var err error
			most, err = strconv.Atoi(args[2])
			ts.Check(err)
		}
		r := l.Stop()
		ts.Logf("%s", r)
		if 1000*r.Lost > most*r.Served || r.Served < leastServed {
			ts.Fatalf("load %s: %s", name, r)
		}
	default:
		ts.Fatalf("usage: %s", usage)
	}
}

// takeApp writes the app file that a section of the page has, with the paths and the user of
// the script. Its socket is where the variable AT says, and web.sock of the script without.
func takeApp(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 2, "app SERVER FILE")
	page, err := os.ReadFile(filepath.Join(pagesDirectory, "servers.md"))
	ts.Check(err)
	_, section, _ := strings.Cut(string(page), "\n## "+args[0]+"\n")
	_, fence, _ := strings.Cut(section, "\n```toml\n")
	text, _, is := strings.Cut(fence, "```")
	if !is {
		ts.Fatalf("servers.md has no app of %s", args[0])
	}
	at := ts.Getenv("AT")
	if at == "" {
		at = "unix:" + ts.MkAbs("web.sock")
	}
	text = strings.NewReplacer(`user = "shop"`, ts.Getenv("USERLINE"), "/srv/shop", ts.MkAbs("app"), "/var/lib/shop", ts.MkAbs("tmp"),
		"redis://127.0.0.1/0", "unix://"+ts.MkAbs("tmp/redis.sock"), "tcp:127.0.0.1:8000", at).Replace(text)
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(args[1])), 0o755))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o644))
}

var users atomic.Int64 // made so far; scripts run beside each other

func newUser(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 1, "user VARIABLE")
	name := fmt.Sprintf("supd-t%d-%d", os.Getpid(), users.Add(1))
	ts.Check(addUser(name))
	t := testOf(ts)
	ts.Defer(func() {
		if err := removeUser(name); err != nil {
			t.Error(err)
		}
	})
	ts.Setenv(args[0], name)
}

// newVenv makes the environment as an operator would, with the distribution's
// packages in it; pip is left out, since nothing is to be fetched.
func newVenv(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 1, "venv VARIABLE")
	dir, err := os.MkdirTemp("/opt", "supd-test-")
	ts.Check(err)
	ts.Defer(func() { os.RemoveAll(dir) })
	ts.Check(os.Chmod(dir, 0o755))
	venv := filepath.Join(dir, "venv")
	ts.Check(ts.Exec("/usr/bin/python3", "-m", "venv", "--system-site-packages", "--without-pip", venv))
	ts.Setenv(args[0], venv)
}

var ports atomic.Int64 // looked at so far

// freePort gives a port that no script beside this one gets, nor whoever connects, or asks
// the kernel for any port: those are given from the local range.
func freePort(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 1, "freeport VARIABLE")
	const first, each = 20000, 100 // each run of the tests begins elsewhere
	end := 30000
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	ts.Check(err)
	var local int
	_, err = fmt.Sscan(string(text), &local)
	ts.Check(err)
	if local > first { // else there are none outside of it
		end = min(end, local)
	}
	for range end - first {
		port := strconv.Itoa(first + (each*os.Getpid()+int(ports.Add(1)))%(end-first))
		if isFree("127.0.0.1:" + port) {
			ts.Setenv(args[0], port)
			return
		}
	}
	ts.Fatalf("no port from %d to %d is free", first, end-1)
}

func isFree(address string) bool {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	l.Close()
	p, err := net.ListenPacket("udp", address)
	if err != nil {
		return false
	}
	p.Close()
	return true
}

var marker = regexp.MustCompile(`@([A-Z][A-Z0-9_]*)@`)

func expandFiles(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) >= 1, "expand FILE…")
	for _, file := range args {
		file = ts.MkAbs(file)
		text, err := os.ReadFile(file)
		ts.Check(err)
		expanded := marker.ReplaceAllStringFunc(string(text), func(m string) string { return ts.Getenv(strings.Trim(m, "@")) })
		if expanded != string(text) {
			ts.Check(os.WriteFile(file, []byte(expanded), 0o644))
		}
	}
}

func give(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) >= 2, "give USER FILE…")
	account, err := user.Lookup(args[0])
	ts.Check(err)
	uid, err := strconv.Atoi(account.Uid)
	ts.Check(err)
	gid, err := strconv.Atoi(account.Gid)
	ts.Check(err)
	for _, file := range args[1:] {
		ts.Check(os.Chown(ts.MkAbs(file), uid, gid))
	}
}

// workersOf finds the processes that a supd in dir has launched, by the runtime
// directory in their environment.
func workersOf(dir string) []int {
	var pids []int
	entries, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, e := range entries {
		env, err := os.ReadFile(e) // an error says that the process is gone by now
		if err == nil && bytes.Contains(env, []byte("\x00XDG_RUNTIME_DIR="+dir+"/")) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(e)))
			pids = append(pids, pid)
		}
	}
	return pids
}

func commandLine(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return string(bytes.ReplaceAll(text, []byte{0}, []byte(" ")))
}
