package privdrop

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// The test binary is also the command that the tests launch: "worker MODE …".
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		os.Exit(work(os.Args[2:]))
	}
	code := m.Run()
	if dir := filepath.Dir(copiedTo); copiedTo != "" {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

func work(args []string) int {
	switch args[0] {
	case "report":
		return printReport()
	case "exec":
		return execReport(args[1:])
	case "raised":
		if err := RaiseNofile(2000); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 96
		}
		return execReport(args[1:])
	case "start":
		return startReport()
	case "mount":
		return mountReport()
	case "launcher":
		return launchReport(args[1:])
	case "stopper":
		return stopper()
	case "foster":
		return foster(args[1:])
	}
	return 99
}

// report is what a worker finds of itself.
type report struct {
	Pid, Sid  int
	Status    map[string]string // of /proc/self/status
	Limits    map[string]string // of /proc/self/limits: soft and hard
	Files     []string          // what each descriptor is
	Cwd       string
	Env       []string
	OOM       string
	Nice      int
	Inherited map[string]string // what fork and execve hand on
	Tried     map[string]string // forbidden acts: how they ended
}

func printReport() int {
	r := report{Pid: os.Getpid(), Env: os.Environ(), Files: openFiles(), Inherited: inherited()}
	r.Sid, _ = unix.Getsid(0)
	r.Cwd, _ = os.Getwd()
	r.Status = pairs("/proc/self/status", ":")
	r.Limits = limitsOf("/proc/self/limits")
	oom, _ := os.ReadFile("/proc/self/oom_score_adj")
	r.OOM = strings.TrimSpace(string(oom))
	nice, _ := unix.Getpriority(unix.PRIO_PROCESS, 0)
	r.Nice = 20 - nice
	r.Tried = map[string]string{
		"setuid":     outcomeOf(unix.Setresuid(0, 0, 0)),
		"setgid":     outcomeOf(unix.Setresgid(0, 0, 0)),
		"setgroups":  outcomeOf(unix.Setgroups([]int{0})),
		"chown":      outcomeOf(unix.Chown("/etc/passwd", 1, 1)),
		"shadow":     outcomeOf(readable("/etc/shadow")),
		"mount":      outcomeOf(mounts()),
		"raw socket": outcomeOf(rawSocket()),
		"port 1":     outcomeOf(lowPort()),
	}
	json.NewEncoder(os.Stdout).Encode(r)
	return 0
}

func outcomeOf(err error) string {
	if err == nil {
		return "done"
	}
	return err.Error()
}

func readable(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func mounts() error {
	if err := unix.Mount("none", "/mnt", "tmpfs", 0, ""); err != nil {
		return err
	}
	return unix.Unmount("/mnt", unix.MNT_DETACH)
}

func rawSocket() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func lowPort() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Bind(fd, &unix.SockaddrInet4{Port: 1, Addr: [4]byte{127, 0, 0, 1}})
}

// openFiles leaves out those that the Go runtime and the listing itself have
// made.
func openFiles() (files []string) {
	for fd := 0; fd < 64; fd++ {
		target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil {
			break
		}
		files = append(files, target)
	}
	return files
}

func pairs(path, separator string) map[string]string {
	text, _ := os.ReadFile(path)
	all := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, separator)
		all[name] = strings.Join(strings.Fields(value), " ")
	}
	return all
}

func limitsOf(path string) map[string]string {
	text, _ := os.ReadFile(path)
	all := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if len(line) > 66 {
			all[strings.TrimSpace(line[:26])] = strings.TrimSpace(line[26:47]) + ":" + strings.TrimSpace(line[47:66])
		}
	}
	return all
}

// execReport becomes a report by Exec, in the middle of a busy Go program.
func execReport(args []string) int {
	for range 4 {
		go func() {
			for n := 0; ; n++ {
				_ = make([]byte, n%4096)
			}
		}()
	}
	signal.Ignore(unix.SIGHUP)
	var s Spec
	if err := json.Unmarshal([]byte(args[0]), &s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 98
	}
	if r, w, err := os.Pipe(); err == nil { // starts the poller
		go io.Copy(io.Discard, r)
		defer w.Close()
	}
	plan, err := s.Plan()
	if err == nil {
		err = plan.Exec()
	}
	fmt.Fprintln(os.Stderr, err)
	return 97
}

// startReport launches a report from a process that is not the test's.
func startReport() int {
	plan, err := Spec{Argv: []string{os.Args[0], "worker", "report"}, Env: os.Environ()}.Plan()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 98
	}
	process, err := plan.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 97
	}
	process.reap()
	return 0
}

var copiedTo string

// command is the test binary where every user can execute it.
var command = sync.OnceValue(func() string {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		panic(err)
	}
	defer self.Close()
	dir, err := os.MkdirTemp("", "privdrop")
	if err != nil {
		panic(err)
	}
	os.Chmod(dir, 0o755)
	copiedTo = filepath.Join(dir, "worker")
	out, err := os.OpenFile(copiedTo, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		panic(err)
	}
	if _, err := io.Copy(out, self); err != nil {
		panic(err)
	}
	os.Chmod(copiedTo, 0o755)
	if err := out.Close(); err != nil {
		panic(err)
	}
	return copiedTo
})

// needRoot skips a test that ordinary users cannot run; where the environment
// says that all must run, it fails.
func needRoot(t testing.TB) {
	t.Helper()
	if thisProcess().canSwitch() && unix.Geteuid() == 0 {
		return
	}
	if os.Getenv("SUPD_TEST_REQUIRE") == "1" {
		t.Fatal("needs root, and SUPD_TEST_REQUIRE=1")
	}
	t.Skip("needs root: it changes users")
}

func nobody(t testing.TB) *Account {
	t.Helper()
	needRoot(t)
	return &Account{Name: "nobody", UID: 65534, GID: 65534, Home: "/", Shell: "/usr/sbin/nologin"}
}

// launched runs the spec, completed to a report worker, and returns what the
// worker wrote and its process, reaped.
func launched(t testing.TB, s Spec, start func(*Plan) (*Process, error)) (report, *Process) {
	t.Helper()
	null, out := devNull(t), outputFile(t)
	if s.Argv == nil {
		s.Argv = []string{command(), "worker", "report"}
	}
	s.Files = append([]int{null, int(out.Fd()), 2}, s.Files...)
	plan, err := s.Plan()
	if err != nil {
		t.Fatal(err)
	}
	process, err := start(plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { process.Close() })
	if code := exitStatus(t, process); code != 0 {
		t.Fatalf("worker exited with %d", code)
	}
	return readReport(t, out), process
}

func start(t testing.TB, s Spec) report {
	t.Helper()
	r, _ := launched(t, s, (*Plan).Start)
	return r
}

func readReport(t testing.TB, out *os.File) (r report) {
	t.Helper()
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatalf("report %q: %v", text, err)
	}
	return r
}

func exitStatus(t testing.TB, p *Process) int {
	t.Helper()
	var status unix.WaitStatus
	for {
		pid, err := unix.Wait4(p.Pid, &status, 0, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid != p.Pid {
			t.Fatalf("wait4 %d: %v", p.Pid, err)
		}
		if status.Signaled() {
			return 128 + int(status.Signal())
		}
		return status.ExitStatus()
	}
}

func devNull(t testing.TB) int {
	t.Helper()
	f, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return int(f.Fd())
}

func outputFile(t testing.TB) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// want compares the fields of a status.
func (r report) want(t *testing.T, status map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(status)) {
		if got := r.Status[name]; got != status[name] {
			t.Errorf("%s: %q, want %q", name, got, status[name])
		}
	}
}

func (r report) env(name string) string {
	for _, pair := range r.Env {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return "unset"
}

func capSet(t *testing.T, names ...string) string {
	t.Helper()
	set := uint64(0)
	for _, name := range names {
		n, err := ParseCapability(name)
		if err != nil {
			t.Fatal(err)
		}
		set |= 1 << n
	}
	return fmt.Sprintf("%016x", set)
}

func number(n int) string { return strconv.Itoa(n) }
