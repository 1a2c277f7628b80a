package privdrop

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// inherited is what fork and execve hand on and no other field of the report has.
func inherited() map[string]string {
	runtime.LockOSThread() // much of it belongs to a thread: the first one has it
	all := map[string]string{"session": keyringOf(unix.KEY_SPEC_SESSION_KEYRING)}
	_, err := unix.KeyctlSearch(unix.KEY_SPEC_SESSION_KEYRING, "user", secretKey, 0)
	all["key of the launcher"] = outcomeOf(err)
	all["default keyring"] = result(unix.SYS_KEYCTL, unix.KEYCTL_SET_REQKEY_KEYRING, ^uintptr(0))
	if attr, err := unix.SchedGetAttr(0, 0); err == nil {
		all["class"] = fmt.Sprintf("%d, priority %d, nice %d, flags %#x", attr.Policy, attr.Priority, attr.Nice, attr.Flags)
		all["clamps"] = fmt.Sprint(attr.Util_min, " ", attr.Util_max)
		all["slice"] = fmt.Sprint(attr.Runtime)
	}
	mode := [1]int32{-1}
	result(unix.SYS_GET_MEMPOLICY, uintptr(unsafe.Pointer(&mode)))
	all["memory policy"] = fmt.Sprint(mode)
	all["io priority"] = result(unix.SYS_IOPRIO_GET, ioprioWhoProcess, 0)
	all["timer slack"] = result(unix.SYS_PRCTL, unix.PR_GET_TIMERSLACK)
	all["personality"] = result(unix.SYS_PERSONALITY, 0xffffffff)
	all["machine check policy"] = result(unix.SYS_PRCTL, unix.PR_MCE_KILL_GET)
	all["io flusher"] = result(unix.SYS_PRCTL, unix.PR_GET_IO_FLUSHER)
	all["huge pages"] = result(unix.SYS_PRCTL, unix.PR_GET_THP_DISABLE)
	all["merging"] = result(unix.SYS_PRCTL, unix.PR_GET_MEMORY_MERGE)
	all["securebits"] = result(unix.SYS_PRCTL, unix.PR_GET_SECUREBITS)
	var death, reaper int32
	result(unix.SYS_PRCTL, unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&death)))
	result(unix.SYS_PRCTL, unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&reaper)))
	all["parent-death signal"], all["subreaper"] = fmt.Sprint(death), fmt.Sprint(reaper)
	if timer, err := unix.Getitimer(unix.ITIMER_REAL); err == nil {
		all["timer runs"] = fmt.Sprint(timer.Value.Sec > 0)
	}
	all["descriptor 20"], _ = os.Readlink("/proc/self/fd/20")
	filter, _ := os.ReadFile("/proc/self/coredump_filter")
	all["coredump_filter"] = strings.TrimSpace(string(filter))
	return all
}

func result(nr uintptr, args ...uintptr) string {
	var a [5]uintptr
	copy(a[:], args)
	r, _, errno := unix.RawSyscall6(nr, a[0], a[1], a[2], a[3], a[4], 0)
	if errno != 0 {
		return errno.Error()
	}
	return fmt.Sprint(r)
}

// keyringOf is type, owner, permissions and name.
func keyringOf(id int) string {
	text, err := unix.KeyctlString(unix.KEYCTL_DESCRIBE, id)
	if err != nil {
		return err.Error()
	}
	return text
}

const secretKey = "privdrop-test"

// spoil sets everything that a process hands on, as far as this machine lets it, and
// returns what it could not.
func spoil() (refused []string) {
	runtime.LockOSThread()
	try := func(name string, err error) {
		if err != nil {
			refused = append(refused, fmt.Sprintf("%s: %v", name, err))
		}
	}
	call := func(name string, nr uintptr, args ...uintptr) {
		var a [5]uintptr
		copy(a[:], args)
		if _, _, errno := unix.RawSyscall6(nr, a[0], a[1], a[2], a[3], a[4], 0); errno != 0 {
			try(name, errno)
		}
	}
	prctl := func(name string, args ...uintptr) { call(name, unix.SYS_PRCTL, args...) }

	_, err := unix.KeyctlJoinSessionKeyring("of the launcher")
	try("session keyring", err)
	_, err = unix.AddKey("user", secretKey, []byte("hunter2"), unix.KEY_SPEC_SESSION_KEYRING)
	try("key", err)
	call("default keyring", unix.SYS_KEYCTL, unix.KEYCTL_SET_REQKEY_KEYRING, unix.KEY_REQKEY_DEFL_SESSION_KEYRING)
	prctl("timer slack", unix.PR_SET_TIMERSLACK, 123456)
	clamp := unix.SchedAttr{Size: unix.SizeofSchedAttr, Flags: unix.SCHED_FLAG_KEEP_ALL | unix.SCHED_FLAG_UTIL_CLAMP, Util_min: 100, Util_max: 200}
	call("clamps", unix.SYS_SCHED_SETATTR, 0, uintptr(unsafe.Pointer(&clamp)))
	try("nice", unix.Setpriority(unix.PRIO_PROCESS, 0, 5))
	try("class", unix.SchedSetAttr(0, &unix.SchedAttr{Size: 48, Policy: 2 /* SCHED_RR */, Priority: 7}, 0))
	call("io priority", unix.SYS_IOPRIO_SET, ioprioWhoProcess, 0, 1<<13|2)
	node := [1]uint64{1}
	call("memory policy", unix.SYS_SET_MEMPOLICY, unix.MPOL_BIND, uintptr(unsafe.Pointer(&node)), 64)
	var one unix.CPUSet
	one.Set(0)
	try("affinity", unix.SchedSetaffinity(0, &one))
	try("oom_score_adj", os.WriteFile("/proc/self/oom_score_adj", []byte("321"), 0))
	call("personality", unix.SYS_PERSONALITY, 0x0040000) // ADDR_NO_RANDOMIZE
	prctl("machine check policy", unix.PR_MCE_KILL, unix.PR_MCE_KILL_SET, unix.PR_MCE_KILL_EARLY)
	prctl("io flusher", unix.PR_SET_IO_FLUSHER, 1)
	prctl("huge pages", unix.PR_SET_THP_DISABLE, 1)
	prctl("merging", unix.PR_SET_MEMORY_MERGE, 1)
	try("coredump_filter", os.WriteFile("/proc/self/coredump_filter", []byte("0x7f"), 0))
	prctl("parent-death signal", unix.PR_SET_PDEATHSIG, uintptr(unix.SIGUSR1))
	prctl("subreaper", unix.PR_SET_CHILD_SUBREAPER, 1)
	_, err = unix.Setitimer(unix.ITIMER_REAL, unix.Itimerval{Value: unix.Timeval{Sec: 3600}})
	try("timer", err)
	prctl("securebits", unix.PR_SET_SECUREBITS, 1<<2) // SECBIT_NO_SETUID_FIXUP
	try("capabilities", spoilCapabilities())
	try("groups", unix.Setgroups([]int{4242}))
	unix.Umask(0o007)
	for name, limit := range map[int]Limit{
		unix.RLIMIT_CPU: {50000, 60000}, unix.RLIMIT_DATA: {1 << 40, 1 << 41}, unix.RLIMIT_LOCKS: {70, 80}, unix.RLIMIT_MSGQUEUE: {4096, 8192}, unix.RLIMIT_NICE: {25, 30},
		unix.RLIMIT_RSS: {1 << 40, 1 << 41}, unix.RLIMIT_RTPRIO: {10, 20}, unix.RLIMIT_RTTIME: {1 << 40, 1 << 41}, unix.RLIMIT_SIGPENDING: {400, 500},
	} {
		set := unix.Rlimit{Cur: limit.Soft, Max: limit.Hard}
		if !thisProcess().has(unix.CAP_SYS_RESOURCE) { // nobody could raise the hard limit again
			var have unix.Rlimit
			unix.Getrlimit(name, &have)
			set.Max = have.Max
		}
		try(fmt.Sprint("limit ", name), unix.Setrlimit(name, &set))
	}
	signal.Ignore(unix.SIGUSR2, unix.SIGHUP, unix.SIGPIPE)
	var blocked unix.Sigset_t
	blocked.Val[0] = 1 << (unix.SIGTERM - 1)
	try("signal mask", unix.PthreadSigmask(unix.SIG_BLOCK, &blocked, nil))
	try("descriptor", unix.Dup2(2, 20))
	os.Setenv("SECRET", "hunter2")
	try("directory", os.Chdir("/tmp"))
	return refused
}

// spoilCapabilities makes one inheritable and ambient.
func spoilCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[0].Inheritable |= 1 << unix.CAP_NET_RAW
	if err := unix.Capset(&header, &data[0]); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, unix.CAP_NET_RAW, 0, 0)
}

// launchReport is "launcher clean|spoilt|filtered start|exec|report": a launch from a process
// that has nothing or everything set, or what that process reports of itself.
func launchReport(args []string) int {
	switch args[0] {
	case "spoilt":
		fmt.Fprintln(os.Stderr, strings.Join(spoil(), "; "))
	case "filtered":
		fmt.Fprintln(os.Stderr, refuseKeyctl())
	}
	if args[1] == "report" {
		return printReport()
	}
	plan, err := Spec{Argv: []string{os.Args[0], "worker", "report"}, Dir: "/", Session: true, Account: &Account{Name: "nobody", UID: 65534, GID: 65534}}.Plan()
	if err == nil && args[1] == "exec" {
		err = plan.Exec()
	}
	var process *Process
	if err == nil {
		process, err = plan.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 97
	}
	process.reap()
	return 0
}

// launcher runs launchReport in a process of its own.
func launcher(t *testing.T, args ...string) (report, string) {
	t.Helper()
	cmd := exec.Command(command(), append([]string{"worker", "launcher"}, args...)...)
	out := outputFile(t)
	var errors strings.Builder
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, &errors, "/"
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, errors.String())
	}
	return readReport(t, out), strings.TrimSpace(errors.String())
}

// comparable is what of a report may not differ between two workers.
func (r report) comparable(t *testing.T) map[string]string {
	t.Helper()
	all := maps.Clone(r.Inherited)
	for _, name := range []string{"Umask", "Uid", "Gid", "Groups", "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
		"NoNewPrivs", "Cpus_allowed", "Mems_allowed", "THP_enabled"} {
		all["status "+name] = r.Status[name]
	}
	for name, limit := range r.Limits {
		all["limit "+name] = limit
	}
	all["directory"], all["oom_score_adj"], all["environment"] = r.Cwd, r.OOM, strings.Join(r.Env, " ")
	text, err := json.Marshal(r.Tried)
	if err != nil {
		t.Fatal(err)
	}
	all["tried"] = string(text)
	return all
}

// spoils are the names in comparable of what spoil sets, but for the limits.
var spoils = []string{"session", "key of the launcher", "default keyring", "class", "clamps", "memory policy", "io priority", "timer slack", "personality",
	"machine check policy", "io flusher", "huge pages", "merging", "securebits", "parent-death signal", "subreaper", "timer runs", "coredump_filter",
	"status Umask", "status Groups", "status SigBlk", "status SigIgn", "status CapInh", "status CapAmb", "status Cpus_allowed",
	"directory", "oom_score_adj", "environment", "descriptor 20"}

// usual is what a worker has for which nobody has set anything, whatever the machine.
var usual = map[string]string{"class": "0, priority 0, nice 0, flags 0x0", "io priority": "0", "timer slack": "50000", "personality": "0", "memory policy": "[0]",
	"key of the launcher": unix.ENOKEY.Error(), "oom_score_adj": "0", "status Umask": "0022", "limit Max realtime priority": "0:0", "limit Max nice priority": "0:0"}

// Whatever the launcher has set, the worker is the same.
func TestNothingOfTheLaunchersComesAlong(t *testing.T) {
	needRoot(t)
	spoilt, refused := launcher(t, "spoilt", "report")
	if refused != "" {
		t.Log("this machine lets nobody set", refused)
	}
	untouched, _ := launcher(t, "clean", "report")
	mine, theirs := untouched.comparable(t), spoilt.comparable(t)
	for _, name := range spoils {
		if mine[name] == theirs[name] && !strings.Contains(refused, name) {
			t.Errorf("%s is %s in the spoilt launcher as well: the test tells nothing", name, mine[name])
		}
	}
	for _, how := range []string{"start", "exec"} {
		t.Run(how, func(t *testing.T) {
			clean, _ := launcher(t, "clean", how)
			other, _ := launcher(t, "spoilt", how)
			if diff := cmp.Diff(clean.comparable(t), other.comparable(t)); diff != "" {
				t.Error(diff)
			}
			for name, want := range usual {
				if got := clean.comparable(t)[name]; got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
			if got := clean.Inherited["session"]; !strings.HasPrefix(got, "keyring;65534;65534;") && hasKeyrings() {
				t.Errorf("session keyring %q, want one of its own", got)
			}
		})
	}
}

// Where a container's filter refuses keyctl, workers are launched all the same.
func TestStartWithoutKeyrings(t *testing.T) {
	needRoot(t)
	r, _ := launcher(t, "filtered", "start")
	if got := r.Inherited["session"]; got != unix.EPERM.Error() {
		t.Errorf("keyctl is not refused: %q", got)
	}
}

// refuseKeyctl is what Docker's filter does.
func refuseKeyctl() error {
	runtime.LockOSThread()
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number of the system call, seccomp(2)
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_KEYCTL, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&filter)), 0, 0)
}

// A call that may fail does not end the launch, and what it was to give another
// call is no descriptor of this process.
func TestOptionalCalls(t *testing.T) {
	out := outputFile(t)
	plan, err := Spec{Argv: []string{"/bin/sh", "-c", "exit 7"}, Files: []int{int(out.Fd()), int(out.Fd()), 2}}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	last := len(plan.list) - 1
	b := &builder{Plan: &Plan{}}
	b.writeOwn("no-such-file", "text")
	for i := range b.list {
		b.optional(i)
	}
	plan.list = append(plan.list[:last:last], append(b.list, plan.list[last])...)
	plan.keep = append(plan.keep, b.keep)
	for range 2 {
		process, err := plan.Start()
		if err != nil {
			t.Fatal(err)
		}
		if code := exitStatus(t, process); code != 7 {
			t.Errorf("exit status %d, want 7", code)
		}
		process.Close()
	}
	if text, _ := os.ReadFile(out.Name()); len(text) > 0 {
		t.Errorf("descriptor 0 was written to: %q", text)
	}
	plan.list[last].mayFail = 0
	if _, err := plan.Start(); err == nil || err.Error() != "open no-such-file: no such file or directory" {
		t.Errorf("got %v", err)
	}
}
