package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"supd/supervisor/api"
)

// TestFrozen: whoever does not answer any more keeps nobody else waiting. One after the
// other, each party that supd has to do with stops for ever; then the others live, a dead
// worker of another app comes back, and TERM is obeyed.
func TestFrozen(t *testing.T) {
	if os.Getenv(namespaceVariable) != "" {
		t.Skip("runs outside of the namespace")
	}
	t.Parallel()
	for name, freeze := range map[string]func(t *testing.T, f *frozen){
		"nobody":                   func(_ *testing.T, f *frozen) { f.start() },
		"disk of the logs":         frozenLogs,
		"disk of the state":        frozenState,
		"disk of a program":        frozenProgram,
		"disk of a hook":           frozenHook,
		"log of an app":            frozenLog,
		"socket of an app":         frozenSocket,
		"socket that is shut down": frozenDamage,
		"disk of a file":           frozenFile,
		"user database":            frozenUsers,
		"clients":                  frozenClients,
		"scrapers":                 frozenScrapers,
		"receivers of the metrics": frozenReceivers,
		"worker":                   frozenWorker,
		"probes":                   frozenProbes,
		"service manager":          frozenManager,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFrozen(t)
			freeze(t, f)
			f.check()
		})
	}
}

// TestFrozenStart: TERM is obeyed also by a supd that has not come to its beginning.
func TestFrozenStart(t *testing.T) {
	if os.Getenv(namespaceVariable) != "" {
		t.Skip("runs outside of the namespace")
	}
	t.Parallel()
	f := newFrozen(t)
	logs, freeze := f.disk("disk")
	f.daemon = fmt.Sprintf("logs = %q\n", logs)
	freeze()
	f.launch()
	f.await("supd waits for the disk", f.waitsForDisk)
	f.terminate()
}

// TestFrozenTakeover: a disk of an app that does not answer keeps none of the others from
// being supervised by the next supd.
func TestFrozenTakeover(t *testing.T) {
	if os.Getenv(namespaceVariable) != "" {
		t.Skip("runs outside of the namespace")
	}
	t.Parallel()
	for name, files := range map[string]func(f *frozen, disk string){
		"log": func(f *frozen, disk string) { f.victim += fmt.Sprintf("log = { file = %q }\n", disk+"/web.log") },
		"files": func(f *frozen, disk string) {
			write(f.t, disk+"/env", "A=1\n")
			f.victim = fmt.Sprintf("[process.web]\ncommand = [%q, \"1000000\"]\nenv_file = %q\ndirectory = %q\nready = { uptime = \"1ms\" }\n",
				disk+"/venv/bin/sleep", disk+"/env", disk)
			f.copy("/bin/sleep", disk+"/venv/bin/sleep")
		},
		"questions": func(f *frozen, disk string) {
			write(f.t, disk+"/env", "A=1\n")
			f.victim = fmt.Sprintf("[process.web]\ncommand = [\"/bin/sleep\", \"1000000\"]\nenv_file = %[1]q\nready = { exec = [\"/bin/false\"], timeout = \"10m\" }\n"+
				"[process.well]\ncommand = [\"/bin/sleep\", \"1000000\"]\nenv_file = %[1]q\nready = { uptime = \"1ms\" }\nhealth = { exec = [\"/bin/true\"], interval = \"10ms\" }\n", disk+"/env")
		},
		"socket": func(f *frozen, disk string) {
			f.victim = fmt.Sprintf("[socket.web]\nlisten = %q\n[process.web]\ncommand = [\"/bin/sleep\", \"1000000\"]\nsockets = [\"web\"]\nready = { uptime = \"1ms\" }\n",
				"unix:"+disk+"/web.sock")
		},
		"release": func(f *frozen, disk string) {
			f.victim = fmt.Sprintf("[release]\ndirectory = %q\n[process.web]\ncommand = \"{release}/bin/sleep 1000000\"\nready = { uptime = \"1ms\" }\n", disk+"/releases")
			f.copy("/bin/sleep", disk+"/releases/1.0/bin/sleep")
		},
		"rollout": func(f *frozen, disk string) {
			f.victim = fmt.Sprintf("[release]\ndirectory = %q\n[process.web]\ncommand = \"/bin/sh {release}/run\"\nready = { log = \"ready\", timeout = \"10m\" }\n", disk+"/releases")
			for version, says := range map[string]string{"1.0": "ready", "1.1": "nothing"} {
				if err := os.MkdirAll(disk+"/releases/"+version, 0o755); err != nil {
					f.t.Fatal(err)
				}
				write(f.t, disk+"/releases/"+version+"/run", "echo "+says+"; exec /bin/sleep 1000000\n")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFrozen(t)
			disk, freeze := f.disk("disk")
			files(f, disk)
			f.start()
			if name == "release" || name == "rollout" {
				f.supctl("register", "victim", "1.0", "--deploy")
			}
			if name == "rollout" { // killed in the middle of one
				f.supctl("register", "victim", "1.1")
				f.supctl("deploy", "victim", "1.1", "--no-wait")
				f.await("the new worker runs", func() bool { return strings.Contains(f.supctl("logs", "victim"), "nothing") })
			}
			f.await("the victim has a worker", func() bool { return strings.Contains(f.supctl("status", "victim"), "web.1 ") })
			if name == "log" { // killed in the middle of a write
				freeze()
				f.await("supd waits for the disk", f.waitsForDisk)
			}
			f.supd.Process.Kill()
			f.goOn() // the kernel lets no thread go whose request the disk has
			<-f.ended
			freeze()
			f.start()
			f.goOn()
			if name == "log" {
				f.await("its output goes on", f.grows(disk+"/web.log"))
			}
			freeze()
			f.check()
		})
	}
}

// TestFrozenCheck: who checks tells of the disk, and obeys TERM at once.
func TestFrozenCheck(t *testing.T) {
	if os.Getenv(namespaceVariable) != "" {
		t.Skip("runs outside of the namespace")
	}
	t.Parallel()
	f := newFrozen(t)
	disk, freeze := f.disk("disk")
	write(t, disk+"/env", "A=1\n")
	f.copy("/bin/sleep", disk+"/bin/sleep")
	f.victim = fmt.Sprintf("[process.web]\ncommand = [%q, \"1000000\"]\nenv_file = %q\ndirectory = %q\nlog = %q\n", disk+"/bin/sleep", disk+"/env", disk, disk+"/web.log")
	f.start()
	freeze()
	for _, check := range [][]string{{"supctl", "check", "--config", f.dir + "/supd.toml"}, {"supd", "--check", "--config", f.dir + "/supd.toml"}} {
		pid, said := f.run(check...)
		f.await("the check ends", func() bool { return hasExited(pid) })
		for _, want := range []string{
			"web.env_file: " + disk + "/env: its disk does not answer", "web.directory: " + disk + ": its disk does not answer",
			"web.command: " + disk + "/bin/sleep: its disk does not answer", "web.log: " + disk + "/web.log: its disk does not answer",
		} {
			if text := said(); !strings.Contains(text, want) {
				t.Errorf("%v: want %q, got:\n%s", check, want, text)
			}
		}
	}
	for _, check := range [][]string{{"supctl", "check", "--config", f.dir + "/supd.toml"}, {"supctl", "check", "--config", f.dir + "/supd.toml", disk + "/app.toml"}, {"supctl", "convert", disk + "/Procfile"}} {
		pid, said := f.run(check...)
		f.await("the check waits for the disk", func() bool { return waitsForDisk(pid) })
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		f.await("TERM is obeyed", func() bool { return hasExited(pid) })
		if text := said(); text != "supctl: interrupted\n" { // else it has ended by itself
			t.Errorf("%v: got:\n%s", check, text)
		}
	}
	f.check()
}

// TestFrozenReexec: supd stays as it is while a thread of its own waits for a disk, which
// the kernel lets no execve(2) end; and a launch that waits for one is put off.
func TestFrozenReexec(t *testing.T) {
	if os.Getenv(namespaceVariable) != "" {
		t.Skip("runs outside of the namespace")
	}
	t.Parallel()
	f := newFrozen(t)
	disk, freeze := f.disk("disk")
	write(t, disk+"/env", "A=1\n")
	f.victim = fmt.Sprintf("[process.web]\ncommand = [\"/bin/sleep\", \"1000000\"]\nenv_file = %q\nready = { uptime = \"1ms\" }\nbackoff = { initial = \"10ms\" }\n", disk+"/env")
	f.start()
	f.await("the victim runs", func() bool { return strings.Contains(f.supctl("status", "victim"), "RUNNING") })
	freeze()
	f.supctl("signal", "KILL", "victim")
	f.await("supd waits for the disk", f.waitsForDisk)
	pid, said := f.run("supctl", "--socket", f.dir+"/supd.sock", "reexec")
	f.await("the reexec ends", func() bool { return hasExited(pid) })
	if text := said(); !strings.Contains(text, "supd was not replaced and goes on: a thread of supd waits in the kernel") {
		t.Errorf("got:\n%s", text)
	}
	f.goOn()
	f.await("the victim runs again", func() bool { return strings.Contains(f.supctl("status", "victim"), "RUNNING") })
	if f.supctl("reexec"); f.worker("stays").Generation != 1 {
		t.Error("the other was launched again")
	}
	freeze()
	f.check()
}

// TestFrozenLogReexec: a log whose disk stops answering, after a check has found nothing,
// keeps supd from being replaced, and nothing else: all that its worker prints is in it when
// the disk answers again.
func TestFrozenLogReexec(t *testing.T) {
	if os.Getenv(namespaceVariable) != "" {
		t.Skip("runs outside of the namespace")
	}
	t.Parallel()
	f := newFrozen(t)
	disk, freeze := f.disk("disk")
	log, installed := disk+"/web.log", f.dir+"/bin/supd"
	f.victim = fmt.Sprintf("[process.web]\ncommand = [\"/bin/sh\", \"-c\", \"i=0; while i=$((i+1)); do echo $i; sleep 0.01; done\"]\nlog = { file = %q }\n", log)
	f.copy(filepath.Join(built.bin, "supd"), installed)
	f.program = []string{"/bin/sh", "-c", "shift; exec " + installed + ` "$@"`, "sh"}
	f.start()
	f.await("something is logged", f.grows(log))
	// The check is what supd has started, and supd reads until all have closed its output.
	write(t, installed+".new", fmt.Sprintf(`#!/bin/sh
(
	while grep -qs '^State:.[RSD]' /proc/$$/status; do sleep 0.01; done
	kill -STOP %d
	until grep -qs request_wait_answer /proc/$PPID/task/*/wchan; do sleep 0.01; done
) &
exec %s "$@"
`, f.disks[0].Pid, filepath.Join(built.bin, "supd")))
	if err := errors.Join(os.Chmod(installed+".new", 0o755), os.Rename(installed+".new", installed)); err != nil {
		t.Fatal(err)
	}
	pid, said := f.run("supctl", "--socket", f.dir+"/supd.sock", "reexec")
	f.await("the reexec ends", func() bool { return hasExited(pid) })
	if text := said(); !strings.Contains(text, "supd was not replaced and goes on: ") || !strings.Contains(text, "look at what is mounted") {
		t.Errorf("got:\n%s", text)
	}
	dies := f.worker("dies")
	f.supctl("signal", "KILL", "other/dies.1")
	f.await("a dead worker is back", func() bool {
		now := f.worker("dies")
		return now.State == api.Running && now.Pid != dies.Pid
	})
	f.goOn()
	f.await("its output goes on", f.grows(log))
	f.copy(filepath.Join(built.bin, "supd"), installed+".new")
	if err := os.Rename(installed+".new", installed); err != nil {
		t.Fatal(err)
	}
	f.supctl("reexec")
	f.await("its output goes on", f.grows(log))
	if f.worker("stays").Generation != 1 {
		t.Error("the other was launched again")
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i, line := range lines[:len(lines)-1] {
		if line != strconv.Itoa(i+1) {
			t.Fatalf("line %d of the log is %q", i+1, line)
		}
	}
	freeze()
	f.check()
}

// run starts one of the programs, and gives its pid and what it has said so far. Nobody
// waits for it: a thread of it may be with the disk.
func (f *frozen) run(argv ...string) (pid int, said func() string) {
	f.t.Helper()
	file, err := os.CreateTemp(f.dir, "said")
	if err != nil {
		f.t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.Command(filepath.Join(built.bin, argv[0]), argv[1:]...)
	cmd.Stdout, cmd.Stderr = file, file
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	go cmd.Wait()
	return cmd.Process.Pid, func() string {
		text, err := os.ReadFile(file.Name())
		if err != nil {
			f.t.Fatal(err)
		}
		return string(text)
	}
}

// frozen is a supd with two apps: other is to live whatever happens to victim.
type frozen struct {
	t       *testing.T
	dir     string
	daemon  string // more of [daemon]
	tables  string // more of supd.toml
	victim  string // the app file
	env     []string
	program []string // that starts supd, before it

	supd  *exec.Cmd
	ended chan error // with room for one
	over  chan struct{}
	thaw  []func()
	disks []*os.Process
}

func newFrozen(t *testing.T) *frozen {
	dir, err := os.MkdirTemp(built.root, "frozen")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f := &frozen{t: t, dir: dir}
	f.victim = "[process.web]\ncommand = [\"/bin/sh\", \"-c\", \"while :; do echo some output; sleep 0.01; done\"]\n"
	t.Cleanup(f.end)
	return f
}

// end ends supd where the test could not.
func (f *frozen) end() {
	for _, thaw := range f.thaw {
		thaw()
	}
	if f.supd != nil {
		f.supd.Process.Kill() // an error says that it has ended
		select {
		case <-f.ended: // or that was heard already
		case <-f.over:
		}
	}
	for _, pid := range workersOf(f.dir) {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// start starts supd and waits until other runs.
func (f *frozen) start() {
	f.t.Helper()
	f.launch()
	f.await("other runs", func() bool { return f.worker("stays").State == api.Running && f.worker("dies").State == api.Running })
}

func (f *frozen) launch() {
	t := f.t
	t.Helper()
	user, stop := "", "stop = [[\"TERM\", \"1s\"]]\nready = { uptime = \"1ms\" }\nbackoff = { initial = \"10ms\", max = \"20ms\" }\n"
	if built.user != "" {
		user = "user = \"" + built.user + "\"\n"
	}
	if !strings.Contains(f.victim, "user = ") {
		f.victim = user + f.victim
	}
	daemon := "[daemon]\n"
	for _, key := range []string{"apps", "state", "runtime", "logs"} {
		if !strings.Contains(f.daemon, key+" =") {
			daemon += fmt.Sprintf("%s = %q\n", key, key)
		}
	}
	write(t, f.dir+"/supd.toml", daemon+f.daemon+"[control]\nsocket = \"supd.sock\"\ngroup = \"\"\n"+f.tables)
	write(t, f.dir+"/apps/other.toml", user+"[process.stays]\ncommand = [\"/bin/sleep\", \"1000000\"]\n"+stop+
		"[process.dies]\ncommand = [\"/bin/sleep\", \"1000000\"]\n"+stop)
	write(t, f.dir+"/apps/victim.toml", f.victim+"stop = [[\"TERM\", \"1s\"]]\n")
	argv := append(f.program, filepath.Join(built.bin, "supd"), "--config", f.dir+"/supd.toml")
	f.supd = exec.Command(argv[0], argv[1:]...)
	f.supd.Env = append(os.Environ(), f.env...)
	log, err := os.Create(f.dir + "/supd.log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	f.supd.Stdout, f.supd.Stderr = log, log
	if err := f.supd.Start(); err != nil {
		t.Fatal(err)
	}
	supd, ended, over := f.supd, make(chan error, 1), make(chan struct{})
	f.ended, f.over = ended, over
	go func() {
		ended <- supd.Wait()
		close(over)
	}()
}

// await is await, with a word and supd's log where it fails.
func (f *frozen) await(what string, so func() bool) {
	f.t.Helper()
	for end := time.Now().Add(patience); ; {
		begin := time.Now()
		if so() {
			return
		}
		if time.Now().After(end) {
			f.fail("it does not come about that " + what)
		}
		time.Sleep(max(interval, time.Since(begin))) // as poll does
	}
}

// fail tells what supd's goroutines wait for.
func (f *frozen) fail(why string) {
	f.t.Helper()
	f.supd.Process.Signal(syscall.SIGQUIT)
	select {
	case err := <-f.ended:
		f.ended <- err
	case <-time.After(patience):
	}
	text, _ := os.ReadFile(f.dir + "/supd.log")
	f.t.Fatalf("%s; supd.log:\n%s", why, text)
}

// supctl gives what it prints. It is killed when the test ends.
func (f *frozen) supctl(args ...string) string {
	cmd := exec.CommandContext(f.t.Context(), filepath.Join(built.bin, "supctl"), append([]string{"--socket", f.dir + "/supd.sock"}, args...)...)
	out, _ := cmd.Output()
	return string(out)
}

// worker is one of other's; the zero value while nothing is known of it.
func (f *frozen) worker(process string) (w api.WorkerStatus) {
	var s api.Status
	if json.Unmarshal([]byte(f.supctl("--json", "status", "other/"+process)), &s) == nil && len(s.Apps) == 1 && len(s.Apps[0].Processes) == 1 {
		for _, w := range s.Apps[0].Processes[0].Workers {
			return w
		}
	}
	return w
}

func (f *frozen) check() {
	f.t.Helper()
	stays, dies := f.worker("stays"), f.worker("dies")
	for range 2 { // the second is launched when the first has been swept
		f.supctl("signal", "KILL", "other/dies.1")
		f.await("a dead worker is back", func() bool {
			now := f.worker("dies")
			return now.State == api.Running && now.Pid != dies.Pid
		})
		dies = f.worker("dies")
	}
	if now := f.worker("stays"); now.State != api.Running || now.Pid != stays.Pid {
		f.t.Errorf("of the others %s was pid %d and is %s, pid %d", now.Name, stays.Pid, now.State, now.Pid)
	}
	f.terminate()
	for _, pid := range []int{stays.Pid, dies.Pid} {
		if !hasExited(pid) {
			f.t.Errorf("worker %d lives", pid)
		}
	}
}

func (f *frozen) terminate() {
	f.t.Helper()
	if err := f.supd.Process.Signal(syscall.SIGTERM); err != nil {
		f.t.Fatal(err)
	}
	for end := time.Now().Add(patience); ; {
		select {
		case <-f.ended:
			return
		case <-time.After(interval):
		}
		if f.isOver() {
			break
		}
		if time.Now().After(end) {
			f.fail("TERM is not obeyed")
		}
	}
	for _, thaw := range f.thaw {
		thaw()
	}
	f.thaw = nil
	select {
	case <-f.ended:
	case <-time.After(patience):
		f.fail("TERM is not obeyed, although the disk answers again")
	}
}

// isOver reports whether supd has exited, as far as the kernel lets it: a thread whose
// request the disk had in its hands when it froze waits for the answer, also when it is
// killed (request_wait_answer in fs/fuse/dev.c).
func (f *frozen) isOver() bool { return hasExited(f.supd.Process.Pid) }

// hasExited reports whether a process has, reaped or not.
func hasExited(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	return err != nil || strings.HasPrefix(rest, "Z")
}

// grows reports whether a file does, from one call to the next.
func (f *frozen) grows(path string) func() bool {
	last := int64(-1)
	return func() bool {
		info, err := os.Stat(path)
		if err != nil {
			return false
		}
		before := last
		last = info.Size()
		return before >= 0 && last > before
	}
}

// copy copies a program.
func (f *frozen) copy(from, to string) {
	f.t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, text, 0o755)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// disk mounts a directory that answers until freeze is called, and gives its path.
func (f *frozen) disk(name string) (path string, freeze func()) {
	t := f.t
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "a file system is mounted, which only root may")
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skip("this kernel has no FUSE")
	}
	path = f.dir + "/" + name
	for _, dir := range []string{path, path + ".src"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command(self)
	server.Env = append(os.Environ(), diskVariable+"="+path)
	server.Stderr = os.Stderr
	out, err := server.StdoutPipe()
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	f.thaw = append(f.thaw, func() {
		server.Process.Kill() // whoever waits gets an error then (fuse(4))
		server.Wait()
		unix.Unmount(path, unix.MNT_DETACH)
	})
	if err != nil {
		t.Fatalf("disk: %q, %v", line, err)
	}
	write(t, path+"/closed", "") // so that the kernel hears of Flush
	f.disks = append(f.disks, server.Process)
	return path, func() {
		if err := server.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
}

// goOn lets the disks answer again.
func (f *frozen) goOn() {
	for _, disk := range f.disks {
		if err := disk.Signal(syscall.SIGCONT); err != nil {
			f.t.Fatal(err)
		}
	}
}

const diskVariable = "SUPD_TEST_DISK"

// serveDisk shows DIRECTORY.src at DIRECTORY for as long as this process runs.
func serveDisk(dir string) error {
	root, err := fs.NewLoopbackRoot(dir + ".src")
	if err != nil {
		return err
	}
	server, err := fs.Mount(dir, &diskNode{root.(*fs.LoopbackNode)}, &fs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true, AllowOther: true, Options: []string{"default_permissions"}}})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	server.Wait()
	return nil
}

// diskNode asks for nothing when a file is closed, as a disk does not; the kernel would
// let no process end before that was answered.
type diskNode struct{ *fs.LoopbackNode }

// WrapChild makes all that is below the same.
func (*diskNode) WrapChild(_ context.Context, child fs.InodeEmbedder) fs.InodeEmbedder {
	return &diskNode{child.(*fs.LoopbackNode)}
}

func (*diskNode) Flush(context.Context, fs.FileHandle) syscall.Errno { return syscall.ENOSYS }

func frozenLogs(t *testing.T, f *frozen) {
	logs, freeze := f.disk("disk")
	f.daemon = fmt.Sprintf("logs = %q\n", logs)
	f.start()
	f.await("something is logged", func() bool {
		info, err := os.Stat(logs + "/victim/web.log")
		return err == nil && info.Size() > 0
	})
	freeze()
	f.await("supd waits for the disk", f.waitsForDisk)
}

func frozenState(t *testing.T, f *frozen) {
	state, freeze := f.disk("disk")
	release := f.dir + "/releases/1.0"
	f.daemon = fmt.Sprintf("state = %q\n", state)
	f.victim = fmt.Sprintf("[release]\ndirectory = %q\n[process.web]\ncommand = [\"/bin/sleep\", \"1000000\"]\n", filepath.Dir(release))
	f.start()
	write(t, release+"/README", "")
	f.supctl("register", "victim", "1.0")
	freeze()
	go f.supctl("deploy", "victim")
	f.await("supd waits for the disk", f.waitsForDisk)
}

// waitsForDisk reports whether a thread of supd does.
func (f *frozen) waitsForDisk() bool { return waitsForDisk(f.supd.Process.Pid) }

func waitsForDisk(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/wchan", pid))
	return slices.ContainsFunc(threads, func(thread string) bool {
		text, _ := os.ReadFile(thread) // the function in the kernel that it sleeps in (proc(5))
		return strings.Contains(string(text), "request_wait_answer") || strings.Contains(string(text), "fuse")
	})
}

func frozenProgram(t *testing.T, f *frozen) {
	disk, freeze := f.disk("disk")
	f.copy("/bin/sleep", disk+".src/sleep")
	f.victim = fmt.Sprintf("[process.web]\ncommand = [%q, \"1000000\"]\nbackoff = { initial = \"10ms\" }\n", disk+"/sleep")
	f.tables = "[metrics]\nlisten = \"unix:metrics.sock\"\n"
	f.start()
	freeze()
	f.supctl("signal", "KILL", "victim")
	f.await("supd waits for the disk", f.waitsForDisk)
	f.await("a scrape has the others", func() bool {
		_, text, err := scrapeAnswer(f.dir+"/metrics.sock", "/metrics")
		return err == nil && strings.Contains(text, `supd_worker_up{app="other",process="stays",slot="1"} 1`)
	})
}

// frozenHook has hooks of whose end nobody hears: their program's disk has stopped, as that
// of an app's own user may (fuse(4)).
func frozenHook(t *testing.T, f *frozen) {
	disk, freeze := f.disk("disk")
	f.copy("/bin/true", disk+".src/true")
	hook := fmt.Sprintf("{ command = [%q], timeout = \"100ms\" }", disk+"/true")
	f.victim = "[process.web]\ncommand = [\"/bin/sleep\", \"1000000\"]\nbackoff = { initial = \"10ms\" }\n" +
		"hooks = { post_stop = " + hook + ", on_failure = " + hook + " }\n"
	f.start()
	freeze()
	f.supctl("signal", "KILL", "victim")
	f.await("supd waits for the disk", f.waitsForDisk)
}

// frozenFile asks about a file that nobody can look at any more, for each of many workers:
// each look takes a thread.
func frozenFile(t *testing.T, f *frozen) {
	disk, freeze := f.disk("disk")
	f.victim = fmt.Sprintf("[process.web]\ncount = 4\ncommand = [\"/bin/sleep\", \"0.05\"]\nready = { file = %q }\nbackoff = { initial = \"10ms\", max = \"20ms\" }\n", disk+"/beat")
	f.start()
	freeze()
	f.await("supd waits for the disk", f.waitsForDisk)
	f.await("no more are launched", func() bool { return strings.Contains(f.supctl("status", "victim"), "is not given back") })
}

// frozenLog has a log in a directory of the app's own, on which nobody else is to wait: not
// what is applied to the others either.
func frozenLog(t *testing.T, f *frozen) {
	logs, freeze := f.disk("disk")
	f.victim += fmt.Sprintf("log = { file = %q }\n", logs+"/web.log")
	f.start()
	f.await("something is logged", func() bool {
		info, err := os.Stat(logs + "/web.log")
		return err == nil && info.Size() > 0
	})
	freeze()
	f.await("supd waits for the disk", f.waitsForDisk)
	f.supctl("reopen")
	write(t, f.dir+"/apps/victim.toml", f.victim+fmt.Sprintf("[process.late]\ncommand = [\"/bin/sleep\", \"1000000\"]\nlog = { file = %q }\n", logs+"/late.log"))
	other, err := os.ReadFile(f.dir + "/apps/other.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range []string{"new", "newer"} {
		other = append(other, "[process."+process+"]\ncommand = [\"/bin/sleep\", \"1000000\"]\nready = { uptime = \"1ms\" }\n"...)
		write(t, f.dir+"/apps/other.toml", string(other))
		f.supctl("apply", "--timeout", "10s")
		f.await(process+" runs", func() bool { return f.worker(process).State == api.Running })
	}
}

// frozenSocket has its socket on a disk that answers no more when it is applied.
func frozenSocket(t *testing.T, f *frozen) {
	disk, freeze := f.disk("disk")
	f.start()
	freeze()
	write(t, f.dir+"/apps/late.toml", strings.SplitAfter(f.victim, "\n")[0]+fmt.Sprintf("[socket.s]\nlisten = %q\n[process.late]\ncommand = [\"/bin/sleep\", \"1000000\"]\nsockets = [\"s\"]\n", "unix:"+disk+"/s.sock"))
	f.supctl("apply", "--timeout", "10s")
	f.await("the app is held back", func() bool { return strings.Contains(f.supctl("status", "late"), "does not answer") })
}

// frozenDamage has a worker that shuts its socket down, the disk of which answers no more.
func frozenDamage(t *testing.T, f *frozen) {
	disk, freeze := f.disk("disk")
	const program = `
import os, socket, time
listener = socket.socket(fileno=3)
while not os.path.exists("go"):
    time.sleep(0.01)
listener.shutdown(socket.SHUT_RDWR)
time.sleep(1000000)
`
	write(t, f.dir+"/program.py", program)
	f.victim = fmt.Sprintf("[socket.s]\nlisten = %q\n[process.web]\ncommand = [\"python3\", %q]\ndirectory = %q\nsockets = [\"s\"]\n", "unix:"+disk+"/s.sock", f.dir+"/program.py", f.dir)
	f.start()
	f.await("the victim runs", func() bool { return strings.Contains(f.supctl("status", "victim"), "RUNNING") })
	freeze()
	write(t, f.dir+"/go", "")
	f.await("the socket cannot be mended", func() bool {
		text, _ := os.ReadFile(f.dir + "/supd.log")
		return strings.Contains(string(text), "socket not repaired, trying again") && strings.Contains(string(text), "its disk does not answer")
	})
}

// frozenUsers has a directory service that never answers, and a user whom only that one
// could know.
func frozenUsers(t *testing.T, f *frozen) {
	if os.Geteuid() != 0 {
		missing(t, "getent is replaced, which only root may")
	}
	write(t, f.dir+"/getent", "#!/bin/sh\nexec sleep 1000000\n")
	if err := os.Chmod(f.dir+"/getent", 0o755); err != nil {
		t.Fatal(err)
	}
	f.victim = "user = \"nobodyknows\"\n" + f.victim
	f.program = []string{"unshare", "--mount", "sh", "-c", "mount --bind " + f.dir + "/getent /usr/bin/getent && exec \"$@\"", "sh"}
	f.start()
	if err := f.supd.Process.Signal(syscall.SIGHUP); err != nil { // and again
		t.Fatal(err)
	}
}

// frozenClients connect, ask for something or only for a part of it, and never read.
func frozenClients(t *testing.T, f *frozen) {
	f.start()
	for i := range 40 {
		conn, err := net.Dial("unix", f.dir+"/supd.sock")
		if err != nil {
			t.Fatal(err)
		}
		f.thaw = append(f.thaw, func() { conn.Close() })
		request := "GET /v1/status?watch=1 HTTP/1.1\r\nHost: supd\r\n\r\n"
		if i%4 == 0 {
			request = request[:i]
		}
		if i%4 == 1 {
			request = "GET /v1/logs?target=victim/web&follow=1 HTTP/1.1\r\nHost: supd\r\n\r\n"
		}
		if i%4 == 2 {
			request = "POST /v1/do HTTP/1.1\r\nHost: supd\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
		}
		if _, err := io.WriteString(conn, request); err != nil && !errors.Is(err, unix.EPIPE) {
			t.Fatal(err)
		}
	}
}

func frozenScrapers(t *testing.T, f *frozen) {
	f.tables = "[metrics]\nlisten = \"unix:metrics.sock\"\n"
	f.start()
	for range 40 {
		conn, err := net.Dial("unix", f.dir+"/metrics.sock")
		if err != nil {
			t.Fatal(err)
		}
		f.thaw = append(f.thaw, func() { conn.Close() })
		if _, err := io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: supd\r\n\r\n"); err != nil && !errors.Is(err, unix.EPIPE) {
			t.Fatal(err)
		}
	}
}

// frozenReceivers let connect, and read nothing.
func frozenReceivers(t *testing.T, f *frozen) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.thaw = append(f.thaw, func() { l.Close() })
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.thaw = append(f.thaw, func() { udp.Close() })
	f.tables = fmt.Sprintf("[metrics]\nlisten = \"\"\ninterval = \"1s\"\ngraphite = %q\nremote_write = \"http://%s/write\"\nforward = \"udp:%s\"\n", l.Addr(), l.Addr(), udp.LocalAddr())
	f.start()
	for range 2 {
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		f.thaw = append(f.thaw, func() { conn.Close() })
	}
}

// frozenWorker stops itself before it is ready, and hears nothing.
func frozenWorker(t *testing.T, f *frozen) {
	f.victim = "[process.web]\ncount = 3\ncommand = [\"/bin/sh\", \"-c\", \"trap '' TERM; echo once; kill -STOP $$; sleep 1000000\"]\nready = { log = \"never\" }\n"
	f.start()
	f.await("victim has stopped itself", func() bool {
		text, err := os.ReadFile(f.dir + "/logs/victim/web.log")
		return err == nil && strings.Count(string(text), "once") == 3
	})
	f.supctl("restart", "victim", "--timeout", "1ms")
}

// frozenProbes are asked and never answer: over a socket that nobody accepts on, and by
// a command that does not end.
func frozenProbes(t *testing.T, f *frozen) {
	const sleeps = "command = [\"/bin/sleep\", \"1000000\"]\n"
	f.victim = "[process.http]\n" + sleeps + "ready = { http = \"/\" }\n" +
		"[process.exec]\n" + sleeps + "ready = { exec = [\"/bin/sleep\", \"1000000\"] }\n" +
		"[process.healthy]\n" + sleeps + "ready = { uptime = \"1ms\" }\nhealth = { tcp = true, interval = \"100ms\", timeout = \"100ms\" }\n"
	f.start()
}

// frozenManager has a full socket that nobody reads, as a stopped systemd has.
func frozenManager(t *testing.T, f *frozen) {
	path := f.dir + "/notify"
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	}
	if err != nil {
		t.Fatal(err)
	}
	f.thaw = append(f.thaw, func() { unix.Close(fd) })
	from, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(from)
	for err == nil {
		err = unix.Sendto(from, []byte("full"), 0, &unix.SockaddrUnix{Name: path})
	}
	if err != unix.EAGAIN {
		t.Fatal(err)
	}
	f.env = []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=1000000"}
	f.start()
}
