package privdrop

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const noCaps = "0000000000000000"

func TestStartDropsEverything(t *testing.T) {
	signal.Ignore(unix.SIGPIPE, unix.SIGUSR2)
	defer signal.Reset(unix.SIGPIPE, unix.SIGUSR2)
	account := nobody(t)
	account.Groups = []int{4242, 4343}
	umask, nice, oom := Umask(0o027), 5, 321
	dir := t.TempDir()
	os.Chmod(dir, 0o755)
	os.Chmod(filepath.Dir(dir), 0o755)
	r := start(t, Spec{
		Env: []string{"ONE=1", "TWO=2=2"}, Dir: dir, Account: account, Session: true, Watchdog: 1500 * time.Millisecond, Resources: Resources{
			Umask: &umask, Nice: &nice, OOMScoreAdjust: &oom, CPUAffinity: []int{0},
			Limits: Limits{"nofile": {100, 200}, "core": {0, 0}, "fsize": {1 << 30, 1 << 30}, "memlock": {4096, 8192}, "stack": {1 << 20, 1 << 30}, "nproc": {500, 500}, "as": {1 << 40, math.MaxUint64}},
		},
	})
	r.want(t, map[string]string{
		"Uid": "65534 65534 65534 65534", "Gid": "65534 65534 65534 65534", "Groups": "4242 4343",
		"CapInh": noCaps, "CapPrm": noCaps, "CapEff": noCaps, "CapBnd": noCaps, "CapAmb": noCaps,
		"NoNewPrivs": "1", "SigBlk": noCaps, "SigIgn": noCaps, "Umask": "0027", "Cpus_allowed_list": "0",
	})
	for act, got := range r.Tried {
		if got == "done" {
			t.Errorf("%s: done, must be refused", act)
		}
	}
	want := map[string]string{
		"Max core file size": "0:0", "Max file size": "1073741824:1073741824", "Max locked memory": "4096:8192",
		"Max stack size": "1048576:1073741824", "Max processes": "500:500", "Max address space": "1099511627776:unlimited",
	}
	for name, limit := range want {
		if r.Limits[name] != limit {
			t.Errorf("%s: %s, want %s", name, r.Limits[name], limit)
		}
	}
	if got := r.Limits["Max open files"]; got != "199:200" { // Go, in the worker, has raised it
		t.Errorf("open files: %s, want 199:200", got)
	}
	if r.Sid != r.Pid || r.Nice != 5 || r.OOM != "321" || r.Cwd != dir {
		t.Errorf("session %d of pid %d, nice %d, oom %s, directory %s", r.Sid, r.Pid, r.Nice, r.OOM, r.Cwd)
	}
	if diff := cmp.Diff([]string{"ONE=1", "TWO=2=2", "WATCHDOG_USEC=1500000", "WATCHDOG_PID=" + number(r.Pid)}, r.Env); diff != "" {
		t.Error(diff)
	}
}

func TestStartKeepsCapabilities(t *testing.T) {
	r := start(t, Spec{Account: nobody(t), Capabilities: []string{"net_raw", "net_bind_service"}})
	set := capSet(t, "net_bind_service", "net_raw")
	r.want(t, map[string]string{
		"Uid": "65534 65534 65534 65534", "Groups": "", "NoNewPrivs": "1",
		"CapInh": set, "CapPrm": set, "CapEff": set, "CapBnd": set, "CapAmb": set,
	})
	want := map[string]string{
		"setuid": "operation not permitted", "setgid": "operation not permitted", "setgroups": "operation not permitted",
		"chown": "operation not permitted", "shadow": "permission denied", "mount": "operation not permitted",
		"raw socket": "done", "port 1": "done",
	}
	if diff := cmp.Diff(want, r.Tried); diff != "" {
		t.Error(diff)
	}
}

func TestStartRoot(t *testing.T) {
	needRoot(t)
	root := &Account{Name: "root", Groups: []int{4}}
	for _, test := range []struct {
		name string
		caps []string
	}{{"without capabilities", nil}, {"with setuid and setgid", []string{"setuid", "setgid"}},
		{"as in a container", []string{Container, "kill", "sys_chroot"}}} {
		t.Run(test.name, func(t *testing.T) {
			r := start(t, Spec{Account: root, AllowRoot: true, Capabilities: test.caps})
			set := capSet(t, ExpandCapabilities(test.caps)...)
			r.want(t, map[string]string{"Uid": "0 0 0 0", "Groups": "4", "CapInh": set, "CapPrm": set, "CapEff": set, "CapBnd": set, "CapAmb": set, "NoNewPrivs": "1"})
			if r.Tried["mount"] != "operation not permitted" {
				t.Errorf("mount: %s", r.Tried["mount"])
			}
		})
	}
}

func TestStartKeepPrivs(t *testing.T) {
	mine := pairs("/proc/self/status", ":")
	r := start(t, Spec{KeepPrivs: true})
	r.want(t, map[string]string{
		"Uid": mine["Uid"], "Gid": mine["Gid"], "Groups": mine["Groups"], "CapPrm": mine["CapPrm"],
		"CapBnd": mine["CapBnd"], "CapAmb": mine["CapAmb"], "NoNewPrivs": mine["NoNewPrivs"],
	})
}

func TestStartOwnIdentity(t *testing.T) {
	h := thisProcess()
	r := start(t, Spec{Account: &Account{Name: "me", UID: h.uid, GID: h.gid}, AllowRoot: true})
	r.want(t, map[string]string{"CapPrm": noCaps, "CapEff": noCaps, "CapInh": noCaps, "CapAmb": noCaps, "NoNewPrivs": "1"})
}

// Launching as an ordinary user, from an ordinary user's process.
func TestStartUnprivileged(t *testing.T) {
	r := start(t, Spec{Account: nobody(t), Argv: []string{command(), "worker", "start"}, Resources: Resources{Limits: Limits{"nofile": {300, 1000}}}})
	r.want(t, map[string]string{"Uid": "65534 65534 65534 65534", "NoNewPrivs": "1", "CapPrm": noCaps, "CapBnd": noCaps})
}

// Package syscall raises RLIMIT_NOFILE for the launching process; the worker
// must not inherit that. A worker that is no Go program tells.
func TestStartGivesNofileBack(t *testing.T) { givesNofileBack(t, "exec") }

// The limit is given back also where this process has raised its hard one.
func TestStartGivesRaisedNofileBack(t *testing.T) {
	if host := thisProcess(); !host.has(unix.CAP_SYS_RESOURCE) {
		t.Skip("needs CAP_SYS_RESOURCE: it raises a hard limit")
	}
	givesNofileBack(t, "raised")
}

func givesNofileBack(t *testing.T, how string) {
	out := outputFile(t)
	plan, err := Spec{
		Argv: []string{command(), "worker", how, `{"Argv": ["/bin/sh", "-c", "ulimit -Sn; ulimit -Hn"]}`},
		Env:  os.Environ(), Files: []int{devNull(t), int(out.Fd()), 2}, Resources: Resources{Limits: Limits{"nofile": {300, 1000}}},
	}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	process, err := plan.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer process.Close()
	if code := exitStatus(t, process); code != 0 {
		t.Fatalf("exit status %d", code)
	}
	if text, _ := os.ReadFile(out.Name()); string(text) != "300\n1000\n" {
		t.Errorf("got %q, want 300 and 1000", text)
	}
}

// The test process has its poller and other files where the worker's sockets go.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	paths, fds := []string{}, []int{}
	for i := range 4 {
		f, err := os.Create(filepath.Join(dir, number(i)))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		paths, fds = append(paths, f.Name()), append(fds, int(f.Fd()))
	}
	for _, test := range []struct {
		name  string
		order []int
	}{
		{"once", []int{0, 1, 2}}, {"reversed", []int{3, 2, 1, 0}}, {"the same", []int{1, 1, 1, 1, 1}}, {"none", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, want := Spec{}, []string{}
			for i, n := range test.order {
				s.Files = append(s.Files, fds[n])
				s.ListenNames = append(s.ListenNames, "s"+number(i))
				want = append(want, paths[n])
			}
			r := start(t, s)
			if len(r.Files) < 3+len(want) || !slices.Equal(r.Files[3:3+len(want)], want) {
				t.Errorf("descriptors %q, want %q from 3 on", r.Files, want)
			}
			for _, other := range r.Files[3+len(want):] {
				if !strings.HasPrefix(other, "anon_inode:") && !strings.HasPrefix(other, "/proc/") && !strings.HasPrefix(other, "/sys/fs/cgroup") {
					t.Errorf("has %s too", other)
				}
			}
			if len(want) > 0 && (r.env("LISTEN_PID") != number(r.Pid) || r.env("LISTEN_FDS") != number(len(want)) || r.env("LISTEN_FDNAMES") != strings.Join(s.ListenNames, ":")) {
				t.Errorf("environment %q of pid %d", r.Env, r.Pid)
			}
		})
	}
}

// Descriptors whose numbers are each other's places, by an account of the
// plan's own calls in a table: a test process cannot give its 3, 4 and 5 away.
func TestFilesOverlap(t *testing.T) {
	for _, files := range [][]int{{0, 1, 2, 4, 5, 3}, {0, 1, 2, 5, 3, 4}, {2, 1, 0, 4, 3, 5}, {0, 1, 2, 5, 5, 5}, {5, 4, 3, 2, 1, 0}, {1, 2, 0}} {
		t.Run(fmt.Sprint(files), func(t *testing.T) {
			if got := permute(t, files); !slices.Equal(got, files) {
				t.Errorf("got %v", got)
			}
		})
	}
}

// permute performs the plan's calls that move descriptors in a table.
func permute(t *testing.T, files []int) []int {
	t.Helper()
	p, err := Spec{Argv: []string{"/bin/sh"}, Files: files}.plan(host{uid: 1, gid: 1})
	if err != nil {
		t.Fatal(err)
	}
	table := map[int]int{}
	for fd := range 10 {
		table[fd] = fd
	}
	free := 100
	for i := range p.list {
		c := &p.list[i]
		result := 0
		switch {
		case c.nr == unix.SYS_FCNTL && c.args[1] == unix.F_DUPFD_CLOEXEC:
			result, free = free, free+1
			table[result] = table[int(c.args[0])]
		case c.nr == unix.SYS_DUP3:
			table[int(c.args[1])] = table[int(c.args[0])]
		}
		if c.feeds > 0 {
			p.list[i+int(c.feeds)].args[0] = uintptr(result)
		}
	}
	got := []int{}
	for fd := range files {
		got = append(got, table[fd])
	}
	return got
}

func TestStartFailsByName(t *testing.T) {
	account := nobody(t)
	closed := t.TempDir()
	os.Chmod(closed, 0o700)
	open, err := os.MkdirTemp("/tmp", "supd-") // a way that everybody may go
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(open) })
	os.Chmod(open, 0o755)
	file := func(dir, name, text string) string {
		path := filepath.Join(dir, name)
		os.WriteFile(path, []byte(text), 0o755)
		return path
	}
	loaderless := elfWithLoader(t, "/lib/ld-no-such.so.1")
	format, loader := file(open, "format", "\x7fno such format"), file(open, "loader", loaderless)
	inside := file(closed, "script", "#!/bin/sh\n")
	by := file(open, "by", "#!"+inside+"\n")
	busy, err := os.OpenFile(file(open, "busy", "#!/bin/sh\n"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for _, test := range []struct {
		name string
		spec Spec
		call string
		err  error
		why  string
	}{
		{"directory", Spec{Dir: closed}, "chdir " + closed + " as nobody", unix.EACCES, "user nobody may not enter the directory "},
		{"limit", Spec{Resources: Resources{Limits: Limits{"nofile": {1 << 40, 1 << 40}}}}, "setrlimit nofile", unix.EPERM, "LimitNOFILE= of supd's unit"},
		{"affinity", Spec{Resources: Resources{CPUAffinity: []int{CPURange.High}}}, "sched_setaffinity", unix.EINVAL, ""},
		{"descriptor", Spec{Files: []int{0, 1, 999}}, "dup descriptor 999 to 2", unix.EBADF, ""},
		{"format", Spec{Argv: []string{format}}, "execve " + format, unix.ENOEXEC, "it has no #! line"},
		{"closed", Spec{Argv: []string{inside}}, "execve " + inside, unix.EACCES, "user nobody may not enter the directory "},
		{"interpreter", Spec{Argv: []string{by}}, "execve " + by, unix.EACCES, "user nobody may not enter the directory "},
		{"loader", Spec{Argv: []string{loader}}, "execve " + loader, unix.ENOENT, "not the loader"},
		{"busy", Spec{Argv: []string{busy.Name()}}, "execve " + busy.Name(), unix.ETXTBSY, "open to write to it"},
		{"cgroup", Spec{CgroupFD: 999}, "clone into cgroup", unix.EBADF, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.spec.Argv == nil {
				test.spec.Argv = []string{"/bin/sh"}
			}
			test.spec.Account = account
			plan, err := test.spec.Plan()
			if err != nil {
				t.Fatal(err)
			}
			_, err = plan.Start()
			var failed *Error
			if !errors.As(err, &failed) || failed.Call != test.call || !errors.Is(err, test.err) || !strings.Contains(err.Error(), test.why) {
				t.Errorf("got %v, want %s: %v: %s", err, test.call, test.err, test.why)
			}
			if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
				t.Errorf("a child is left: pid %d, %v", pid, err)
			}
		})
	}
}

// The kernel tells of the limit of processes where the user has more than that before.
func TestStartOfTooMany(t *testing.T) {
	account := nobody(t)
	start := func(l Limits) (*Process, error) {
		plan, err := Spec{Argv: []string{"/bin/sleep", "4309"}, Account: account, Resources: Resources{Limits: l}}.Plan()
		if err != nil {
			t.Fatal(err)
		}
		return plan.Start()
	}
	first, err := start(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	defer first.reap()
	defer first.Signal(unix.SIGKILL)
	_, err = start(Limits{"nproc": {0, 0}})
	if !errors.Is(err, unix.EAGAIN) || !strings.Contains(err.Error(), "execve /bin/sleep: resource temporarily unavailable: user nobody has more processes than its limit nproc") {
		t.Errorf("got %v", err)
	}
}

// What a control group or the kernel refuses is no file's fault: both causes are named,
// and the errno stays what it is.
func TestNotCloned(t *testing.T) {
	if err := whyNotCloned(unix.EAGAIN); !errors.Is(err, unix.EAGAIN) || !strings.Contains(err.Error(), "TasksMax=") || !strings.Contains(err.Error(), "nproc") {
		t.Errorf("got %v", err)
	}
	if err := whyNotCloned(unix.EBADF); err != unix.EBADF {
		t.Errorf("got %v", err)
	}
}

// elfWithLoader is a program of this machine that is nothing but the name of its loader.
func elfWithLoader(t *testing.T, loader string) string {
	t.Helper()
	var text bytes.Buffer
	header := elf.Header64{Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type: uint16(elf.ET_DYN), Machine: elfMachine(), Version: uint32(elf.EV_CURRENT), Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1}
	interpreter := elf.Prog64{Type: uint32(elf.PT_INTERP), Off: 64 + 56, Filesz: uint64(len(loader) + 1)}
	for _, part := range []any{header, interpreter, []byte(loader + "\x00")} {
		if err := binary.Write(&text, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
}

func elfMachine() uint16 {
	if runtime.GOARCH == "arm64" {
		return uint16(elf.EM_AARCH64)
	}
	return uint16(elf.EM_X86_64)
}

// A drop that did not work is noticed, whatever the reason.
func TestStartNoticesRoot(t *testing.T) {
	account := nobody(t)
	for _, test := range []struct {
		leftOut string
		want    string
	}{
		{"setresuid", "check: taking root back: succeeded, and must not"},
		{"setresgid", "check: taking group root back: succeeded, and must not"},
	} {
		t.Run(test.leftOut, func(t *testing.T) {
			plan, err := Spec{Argv: []string{"/bin/sh"}, Account: account, KeepPrivs: true}.Plan()
			if err != nil {
				t.Fatal(err)
			}
			plan.list = slices.DeleteFunc(plan.list, func(c call) bool { return c.name == test.leftOut })
			if _, err := plan.Start(); err == nil || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// A filter that refuses clone3 answers ENOSYS, as the kernel does for a number
// that it does not know.
func TestStartWithoutClone3(t *testing.T) {
	r, process := launched(t, Spec{}, func(p *Plan) (*Process, error) {
		p.clone3 = 9999
		return p.Start()
	})
	if r.Pid != process.Pid {
		t.Errorf("pid %d, want %d", process.Pid, r.Pid)
	}
}

func TestStartIntoCgroup(t *testing.T) {
	needRoot(t)
	parent := "/sys/fs/cgroup/unified"
	if _, err := os.Stat(parent + "/cgroup.procs"); err != nil {
		parent = "/sys/fs/cgroup"
	}
	dir, err := os.MkdirTemp(parent, "privdrop-test-")
	if err != nil || filesMissing(dir, "cgroup.procs", "cgroup.controllers") {
		os.Remove(dir)
		t.Skipf("needs a cgroup v2 hierarchy that is writable: %v", err)
	}
	defer os.Remove(dir)
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for name, clone3 := range map[string]uintptr{"clone3": unix.SYS_CLONE3, "clone": 9999} {
		t.Run(name, func(t *testing.T) {
			out := outputFile(t)
			plan, err := Spec{Argv: []string{"/bin/cat", "/proc/self/cgroup"}, CgroupFD: fd, Files: []int{devNull(t), int(out.Fd()), 2}}.Plan()
			if err != nil {
				t.Fatal(err)
			}
			plan.clone3 = clone3
			process, err := plan.Start()
			if err != nil {
				t.Fatal(err)
			}
			defer process.Close()
			exitStatus(t, process)
			if text, _ := os.ReadFile(out.Name()); !strings.Contains(string(text), "0::") || !strings.Contains(string(text), filepath.Base(dir)) {
				t.Errorf("cgroups %q, want %s", text, filepath.Base(dir))
			}
		})
	}
}

func filesMissing(dir string, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err != nil
	})
}

// A child that is slow, on a network file system or stopped, must not keep the
// collector or another goroutine waiting.
func TestStartLeavesOthersAlone(t *testing.T) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ends[0])
	plan, err := Spec{Argv: []string{"/bin/sh", "-c", "exit 7"}}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	var byte1 calls
	byte1.add("read", "", unix.SYS_READ, uintptr(ends[0]), address(&byte1, make([]byte, 1)), 1)
	plan.list = append(byte1.list, plan.list...)
	plan.keep = append(plan.keep, byte1.keep)
	started := make(chan error)
	var process *Process
	go func() {
		var err error
		process, err = plan.Start()
		started <- err
	}()
	for range 20 {
		runtime.GC()
	}
	select {
	case err := <-started:
		t.Fatalf("started too early: %v", err)
	default:
	}
	unix.Write(ends[1], []byte{1})
	unix.Close(ends[1])
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	defer process.Close()
	if code := exitStatus(t, process); code != 7 {
		t.Errorf("exit status %d, want 7", code)
	}
}

func TestStartAgain(t *testing.T) {
	out := outputFile(t)
	plan, err := Spec{Argv: []string{"/bin/sh", "-c", "test $$ = $WATCHDOG_PID"}, Watchdog: time.Second, Files: []int{devNull(t), int(out.Fd()), 2}}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		process, err := plan.Start()
		if err != nil {
			t.Fatal(err)
		}
		if code := exitStatus(t, process); code != 0 {
			t.Errorf("exit status %d: WATCHDOG_PID is not the pid", code)
		}
		process.Close()
	}
}

// What this process has open above what is passed on costs a launch nothing, and stays
// open: the child copies what lies below, and closes it in its own table.
func TestStartCopiesFewDescriptors(t *testing.T) {
	null, many := devNull(t), []int{}
	defer func() {
		for _, fd := range many {
			if err := unix.Close(fd); err != nil {
				t.Errorf("descriptor %d is not open any more: %v", fd, err)
			}
		}
	}()
	r, _ := launched(t, Spec{Files: []int{null}}, func(p *Plan) (*Process, error) {
		for range 800 { // within the usual limit
			fd, err := unix.FcntlInt(uintptr(null), unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			many = append(many, fd)
		}
		return p.Start()
	})
	if size, err := strconv.Atoi(r.Status["FDSize"]); err != nil || size > 256 {
		t.Errorf("the worker's table has room for %s descriptors: all of this process's were copied", r.Status["FDSize"])
	}
}

// From several goroutines, with a collector at work, a third of them failing:
// each Start gets its own child's outcome, and no descriptor or zombie is left.
func TestStartParallel(t *testing.T) {
	launches := 300
	if testing.Short() {
		launches = 60
	}
	null := devNull(t)
	before := countFiles(t)
	stop := make(chan struct{})
	collected := make(chan struct{})
	go func() {
		defer close(collected)
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range launches {
				launchOne(t, null, g, i)
			}
		})
	}
	all.Wait()
	close(stop)
	<-collected
	if after := countFiles(t); after != before {
		t.Errorf("%d descriptors, were %d", after, before)
	}
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("a child is left: pid %d, %v", pid, err)
	}
}

func launchOne(t *testing.T, null, g, i int) {
	code := (g*31 + i) % 100
	s := Spec{Argv: []string{"/bin/sh", "-c", "exit " + number(code)}, Files: []int{null, null, null}}
	fails := i%3 == 0
	if fails {
		s.Files[2] = 5000 + g
	}
	plan, err := s.Plan()
	if err != nil {
		t.Error(err)
		return
	}
	process, err := plan.Start()
	if fails {
		if want := fmt.Sprintf("dup descriptor %d to 2: bad file descriptor", 5000+g); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		return
	}
	if err != nil {
		t.Error(err)
		return
	}
	if got := exitStatus(t, process); got != code {
		t.Errorf("exit status %d, want %d", got, code)
	}
	process.Close()
}

func countFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestProcess(t *testing.T) {
	plan, err := Spec{Argv: []string{"/bin/sleep", "1000"}}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	process, err := plan.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer process.Close()
	if !process.Alive() {
		t.Error("not alive")
	}
	if flags, err := unix.FcntlInt(uintptr(process.Fd()), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("descriptor flags %#x, %v: want FD_CLOEXEC", flags, err)
	}
	if err := process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if ended, err := process.ended(10000); !ended || err != nil {
		t.Fatalf("not ended: %v", err)
	}
	if process.Alive() {
		t.Error("a zombie is alive")
	}
	if code := exitStatus(t, process); code != 128+15 {
		t.Errorf("exit status %d", code)
	}
	if err := process.Signal(unix.SIGTERM); !errors.Is(err, unix.ESRCH) {
		t.Errorf("signal to a reaped process: %v", err)
	}
}
