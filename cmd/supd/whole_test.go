// The whole tests: the built programs with real software, a script for each matter.
//
// A script in testdata/script runs in a directory of its own with a supd.toml
// that keeps everything in there. The commands it may use besides testscript's
// own are in whole_commands_test.go. Scripts in testdata/netns run in a network
// namespace of their own, for ports below 1024.
package main_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"supd/cmd/demo/load"
)

const (
	requireVariable   = "SUPD_TEST_REQUIRE"
	namespaceVariable = "SUPD_TEST_IN_NAMESPACE" // the namespace's copy of this program finds its programs there
)

// built is what TestMain has prepared for all scripts.
var built struct {
	root string // of everything, open to other users
	bin  string // supd, supctl, suprun and demo
	user string // of workers that need no user of their own; "": not root
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(diskVariable); dir != "" {
		fmt.Fprintln(os.Stderr, serveDisk(dir))
		os.Exit(1)
	}
	flag.Parse()
	runSeveral()
	code, err := prepareAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// runSeveral lets more tests run at a time than there are processors, unless -parallel says
// how many: they wait for most of their time.
func runSeveral() {
	isGiven := false
	flag.Visit(func(f *flag.Flag) { isGiven = isGiven || f.Name == "test.parallel" })
	if !isGiven {
		_ = flag.Set("test.parallel", strconv.Itoa(2*runtime.NumCPU()))
	}
}

// prepareAndRun works in /tmp, not in TMPDIR: paths of sockets must be short,
// and workers of other users have to come in.
func prepareAndRun(m *testing.M) (code int, err error) {
	syscall.Umask(0o022)
	built.root, err = os.MkdirTemp("/tmp", "supd-whole-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(built.root)
	if err := os.Chmod(built.root, 0o755); err != nil {
		return 1, err
	}
	if built.bin = os.Getenv(namespaceVariable); built.bin == "" {
		built.bin = filepath.Join(built.root, "bin")
		if err := build(built.bin); err != nil {
			return 1, err
		}
	}
	if os.Geteuid() == 0 {
		built.user = fmt.Sprintf("supd-t%d", os.Getpid())
		if err := addUser(built.user); err != nil {
			return 1, err
		}
		defer removeUser(built.user)
	}
	return m.Run(), nil
}

// build makes the programs as users get them, or with the race detector when
// these tests run with it.
func build(dir string) error {
	args := []string{"build", "-o", dir + "/"}
	env := append(os.Environ(), "CGO_ENABLED=0")
	if raceDetector() {
		args = append(args, "-race")
		env = append(env, "CGO_ENABLED=1")
	}
	cmd := exec.Command("go", append(args, "supd/cmd/supd", "supd/cmd/supctl", "supd/cmd/suprun", "supd/cmd/demo")...)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd, err, out)
	}
	return nil
}

func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

func addUser(name string) error {
	out, err := exec.Command("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", name).CombinedOutput()
	if err != nil {
		return fmt.Errorf("useradd %s: %w: %s", name, err, out)
	}
	return nil
}

func removeUser(name string) error {
	out, err := exec.Command("userdel", name).CombinedOutput()
	if err != nil {
		return fmt.Errorf("userdel %s: %w: %s", name, err, out)
	}
	return nil
}

func TestScripts(t *testing.T) {
	if os.Getenv(namespaceVariable) != "" {
		t.Skip("runs outside of the namespace")
	}
	t.Parallel()
	runScripts(t, "testdata/script")
}

// TestInNetworkNamespace runs this program once more, in a network namespace
// in which nothing but the loopback interface exists.
func TestInNetworkNamespace(t *testing.T) {
	if os.Getenv(namespaceVariable) != "" {
		raiseLoopback(t)
		runScripts(t, "testdata/netns")
		return
	}
	if os.Geteuid() != 0 {
		missing(t, "a network namespace needs root")
	}
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestInNetworkNamespace$", "-test.v="+fmt.Sprint(testing.Verbose()))
	cmd.Env = append(os.Environ(), namespaceVariable+"="+built.bin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGTERM}
	out, err := cmd.CombinedOutput()
	if err != nil || testing.Verbose() {
		t.Logf("%s", out)
	}
	if err != nil {
		t.Errorf("in the namespace: %v", err)
	}
}

func raiseLoopback(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		t.Fatalf("lo up: %v", err)
	}
}

// missing skips a test that lacks something, or fails it if nothing may be skipped.
func missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv(requireVariable) != "" {
		t.Fatalf("%s, and %s is set", why, requireVariable)
	}
	t.Skip(why)
}

func runScripts(t *testing.T, dir string) {
	testscript.RunT(scripted{t}, testscript.Params{
		Dir:                dir,
		WorkdirRoot:        scriptRoot(t),
		Setup:              setup,
		Cmds:               commands,
		Condition:          condition,
		RequireUniqueNames: true,
	})
}

// scriptRoot makes a new directory for each run, since -count runs a test again.
func scriptRoot(t *testing.T) string {
	dir, err := os.MkdirTemp(built.root, "w")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// scripted is a test whose skips are failures if nothing may be skipped.
type scripted struct{ *testing.T }

func (s scripted) Skip(args ...any) { s.Helper(); missing(s.T, fmt.Sprint(args...)) }
func (s scripted) Verbose() bool    { return testing.Verbose() }
func (s scripted) Run(name string, f func(testscript.T)) {
	s.T.Run(name, func(t *testing.T) { f(scripted{t}) })
}

const daemonFile = `[daemon]
apps    = "apps"
state   = "state"
runtime = "run"
logs    = "logs"

[control]
socket = "run/supd.sock"

[metrics]
listen = ""
`

// setup fills the script's directory: supd.toml if the script has none, apps for
// the script's app files, and tmp, in which every worker may write.
func setup(e *testscript.Env) error {
	e.Values[testKey{}] = e.T().(scripted).T
	e.Values[stateKey{}] = &state{loads: map[string]*load.Load{}, daemons: map[string]*daemon{}}
	e.Setenv("PATH", built.bin+":"+e.Getenv("PATH"))
	e.Setenv("BIN", built.bin)
	repository, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	e.Setenv("REPO", repository)
	e.Setenv("SUPD_SOCKET", filepath.Join(e.WorkDir, "run/supd.sock"))
	e.Setenv("NO_COLOR", "1")
	e.Setenv("GORACE", "atexit_sleep_ms=10") // by default each supctl would take a second longer
	e.Setenv("USERLINE", "")
	if built.user != "" {
		e.Setenv("USERLINE", fmt.Sprintf("user = %q", built.user))
	}
	if err := os.MkdirAll(filepath.Join(e.WorkDir, "apps"), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(e.WorkDir, "tmp"), 0o777); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Join(e.WorkDir, "tmp"), 0o777); err != nil {
		return err
	}
	file := filepath.Join(e.WorkDir, "supd.toml")
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	return os.WriteFile(file, []byte(daemonFile), 0o644)
}

// condition knows [root], [python:MODULE] and [file:PATH].
func condition(name string) (bool, error) {
	kind, what, _ := strings.Cut(name, ":")
	switch kind {
	case "root":
		return os.Geteuid() == 0, nil
	case "python":
		return exec.Command("/usr/bin/python3", "-c", "import "+what).Run() == nil, nil
	case "file":
		_, err := os.Stat(what)
		return err == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}
