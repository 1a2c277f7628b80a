package privdrop

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// publicDir is a directory that every user can enter.
func publicDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// write makes files, with the directories that they are in: by path, the content;
// one that begins with "#!" is executable, one that begins with "->" a link.
func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, link := strings.CutPrefix(text, "->"); link {
			err = os.Symlink(target, path)
		} else {
			mode := os.FileMode(0o644)
			if strings.HasPrefix(text, "#!") {
				mode = 0o755
			}
			err = os.WriteFile(path, []byte(text), mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// shell is a worker that runs the lines it is told.
type shell struct {
	t       testing.TB
	process *Process
	in, out *os.File
	lines   *bufio.Scanner
}

func startShell(t testing.TB, s Spec) *shell {
	t.Helper()
	s.Argv = []string{"/bin/sh", "-c", `while read -r line; do eval "$line" 2>&1; printf '\n=\n'; done`}
	stdin, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.Files = []int{int(stdin.Fd()), int(stdout.Fd()), int(stdout.Fd())}
	plan, err := s.Plan()
	if err != nil {
		t.Fatal(err)
	}
	process, err := plan.Start()
	if err != nil {
		t.Fatal(err)
	}
	stdin.Close()
	stdout.Close()
	sh := &shell{t, process, in, out, bufio.NewScanner(out)}
	t.Cleanup(sh.end)
	return sh
}

// run gives what the line wrote, its lines joined by "; ".
func (s *shell) run(line string) string {
	s.t.Helper()
	if _, err := s.in.WriteString(line + "\n"); err != nil {
		s.t.Fatal(err)
	}
	s.out.SetReadDeadline(time.Now().Add(time.Minute))
	var said []string
	for s.lines.Scan() {
		if s.lines.Text() == "=" {
			return strings.Join(said, "; ")
		}
		if s.lines.Text() != "" {
			said = append(said, s.lines.Text())
		}
	}
	s.t.Fatalf("%s: the worker has ended: %q", line, said)
	return ""
}

func (s *shell) want(line, want string) {
	s.t.Helper()
	if got := s.run(line); !strings.Contains(got, want) || want == "" && got != "" {
		s.t.Errorf("%s: %q, want %q", line, got, want)
	}
}

// end lets the worker end and waits for that.
func (s *shell) end() {
	if s.in == nil {
		return
	}
	s.in.Close()
	s.process.reap()
	s.process.Close()
	s.out.Close()
	s.in = nil
}

func mountInfo(t testing.TB, pid string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// mountedIn is what is mounted here in a directory. Elsewhere others come and go.
func mountedIn(t testing.TB, dir string) string {
	t.Helper()
	var in []string
	for line := range strings.Lines(mountInfo(t, "self")) {
		if strings.Contains(line, dir) {
			in = append(in, line)
		}
	}
	return strings.Join(in, "")
}

func needMounts(t testing.TB) {
	t.Helper()
	needRoot(t)
	if err := CanMount(); err != nil {
		if os.Getenv("SUPD_TEST_REQUIRE") == "1" {
			t.Fatal(err)
		}
		t.Skip("needs mounts: ", err)
	}
}

func TestStartMounts(t *testing.T) {
	needMounts(t)
	for name, account := range map[string]*Account{"user": nobody(t), "root": {Name: "root"}} {
		t.Run(name, func(t *testing.T) {
			dir := publicDir(t)
			write(t, dir, map[string]string{"old/f": "old", "old/sub/f": "sub", "opt/f": "new", "opt/g": "new"})
			os.Chmod(dir+"/old", 0o777)
			cwd := readlink(t, "/proc/self/cwd")
			mask := unix.Umask(0o022)
			unix.Umask(mask)
			umask := Umask(0o077)
			w := startShell(t, Spec{Account: account, AllowRoot: true, Resources: Resources{Umask: &umask}, Dir: dir + "/opt/sub",
				Mounts: []Mount{{From: dir + "/old", To: dir + "/opt"}}})
			w.want("cat "+dir+"/opt/f", "old")
			w.want("pwd; cat f", dir+"/opt/sub; sub")
			w.want("cat "+dir+"/opt/g", "No such file")
			w.want("echo x >"+dir+"/opt/h", "Read-only file system")
			w.want("test -w "+dir+"/opt || echo no", "no")
			w.want("mount -o remount,bind,rw "+dir+"/opt; echo $?", "; ") // said why, and a code
			w.want("umount "+dir+"/opt; echo x >"+dir+"/opt/h", "Read-only file system")
			if line := lineOf(mountInfo(t, number(w.process.Pid)), dir+"/opt"); !strings.Contains(line, " ro,nosuid,nodev,") {
				t.Errorf("mounted as %q", line)
			}
			if text, _ := os.ReadFile(dir + "/opt/f"); string(text) != "new" {
				t.Errorf("here, %s is %q", dir+"/opt/f", text)
			}
			if os.WriteFile(dir+"/opt/h", nil, 0o644) != nil || os.WriteFile(dir+"/old/h", nil, 0o644) != nil {
				t.Error("read-only here too")
			}
			if here := mountedIn(t, dir); here != "" {
				t.Errorf("mounts here are\n%s", here)
			}
			if now := unix.Umask(mask); now != mask || readlink(t, "/proc/self/cwd") != cwd {
				t.Errorf("umask %#o, directory %s: were %#o, %s", now, readlink(t, "/proc/self/cwd"), mask, cwd)
			}
			w.end()
			if left := mountedIn(t, dir); left != "" {
				t.Errorf("mounts left\n%s", left)
			}
		})
	}
}

// What a package manager does to files in place.
func TestMountsOutliveReplacedFiles(t *testing.T) {
	needMounts(t)
	dir := publicDir(t)
	write(t, dir, map[string]string{"old/f": "old", "old/g": "old", "opt/f": "old", "opt/g": "old"})
	w := startShell(t, Spec{Account: nobody(t), Dir: "/", Mounts: []Mount{{From: dir + "/old", To: dir + "/opt"}}})
	write(t, dir, map[string]string{"opt/f.dpkg-new": "new"})
	if err := os.Rename(dir+"/opt/f.dpkg-new", dir+"/opt/f"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir + "/opt/g"); err != nil {
		t.Fatal(err)
	}
	w.want("cat "+dir+"/opt/f "+dir+"/opt/g", "oldold")
}

// With Cover nothing that happens to the directory itself matters.
func TestMountsOutliveRemovedDirectory(t *testing.T) {
	needMounts(t)
	for name, replace := range map[string]func(string) error{
		"removed": os.RemoveAll,
		"renamed": func(opt string) error { return errors.Join(os.Rename(opt, opt+".old"), os.Mkdir(opt, 0o755)) },
		"other in its place": func(opt string) error {
			return errors.Join(os.RemoveAll(opt), os.Mkdir(opt+".new", 0o755), os.Rename(opt+".new", opt))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := publicDir(t)
			write(t, dir, map[string]string{"snapshots/1/f": "old", "apps/opt/f": "new"})
			w := startShell(t, Spec{Account: nobody(t), Dir: "/", Mounts: []Mount{{From: dir + "/snapshots/1", To: dir + "/apps/opt", Cover: true}}})
			if err := replace(dir + "/apps/opt"); err != nil {
				t.Fatal(err)
			}
			w.want("cat "+dir+"/apps/opt/f", "old")
		})
	}
}

// What covers a directory is like it in everything but what can be done to it.
func TestCover(t *testing.T) {
	needMounts(t)
	dir := publicDir(t)
	apps := dir + "/apps"
	write(t, apps, map[string]string{"opt/snapshot/f": "old", "opt/f": "new", "other/f": "other", "file": "file", "link": "->other", "lost": "->nowhere"})
	if err := errors.Join(unix.Mkfifo(apps+"/fifo", 0o600), os.Chmod(apps+"/other", 0o777), os.Chown(apps, 1, 2), os.Chmod(apps, 0o2775)); err != nil {
		t.Fatal(err)
	}
	list := "stat -c '%n %A %u %g' " + apps + " " + apps + "/* | sort"
	plain := startShell(t, Spec{Dir: "/"})
	listed := plain.run(list)
	umask := Umask(0o777)
	w := startShell(t, Spec{Account: nobody(t), Resources: Resources{Umask: &umask}, Dir: "/", Mounts: []Mount{{From: apps + "/opt/snapshot", To: apps + "/opt", Cover: true}}})
	if got := w.run(list); got != listed {
		t.Errorf("covered by\n%s\nwant\n%s", strings.ReplaceAll(got, "; ", "\n"), strings.ReplaceAll(listed, "; ", "\n"))
	}
	w.want("cat "+apps+"/opt/f", "old")
	w.want("cat "+apps+"/link/f "+apps+"/file", "otherfile")
	w.want("umask 022; echo mine >"+apps+"/other/new", "")
	w.want("echo x >"+apps+"/new", "Read-only file system")
	w.want("echo x >"+apps+"/opt/f", "Read-only file system")
	if text, err := os.ReadFile(apps + "/other/new"); string(text) != "mine\n" {
		t.Errorf("written by the worker: %q, %v", text, err)
	}
	w.end()
	if left := mountedIn(t, dir); left != "" {
		t.Errorf("mounts left\n%s", left)
	}
}

// A worker of an old release can be started again while the new one is not there
// yet.
func TestCoverOfNothing(t *testing.T) {
	needMounts(t)
	dir := publicDir(t)
	write(t, dir, map[string]string{"old/f": "old", "apps/f": ""})
	if err := os.Symlink("apps", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	w := startShell(t, Spec{Account: nobody(t), Dir: dir + "/link/opt", Mounts: []Mount{{From: dir + "/old", To: dir + "/link/opt/", Cover: true}}})
	w.want("pwd; cat f "+dir+"/apps/opt/f", dir+"/apps/opt; oldold")
}

// With CoverFrom nothing that happens to the directories between matters either, and
// they need not exist for a worker that starts.
func TestCoverFrom(t *testing.T) {
	needMounts(t)
	dir := publicDir(t)
	write(t, dir, map[string]string{"old/f": "old", "apps/team/venvs/opt/f": "new", "apps/team/venvs/other": "other", "apps/team/file": "file", "apps/more/f": "more"})
	venvs := dir + "/apps/team/venvs"
	if err := os.Chmod(dir+"/apps/team", 0o711); err != nil {
		t.Fatal(err)
	}
	spec := Spec{Account: nobody(t), Dir: "/", Mounts: []Mount{{From: dir + "/old", To: venvs + "/opt", Cover: true, CoverFrom: dir + "/apps"}}}
	w := startShell(t, spec)
	want := func(w *shell, others string) {
		t.Helper()
		w.want("cat "+venvs+"/opt/f "+venvs+"/other "+dir+"/apps/team/file "+dir+"/apps/more/f 2>/dev/null", others)
		w.want("echo x >"+venvs+"/new", "Read-only file system")
	}
	w.want("stat -c %A "+dir+"/apps/team "+venvs, "drwx--x--x; drwxr-xr-x")
	want(w, "oldotherfilemore")
	if err := os.RemoveAll(dir + "/apps/team"); err != nil {
		t.Fatal(err)
	}
	w.want("cat "+venvs+"/opt/f "+dir+"/apps/more/f", "oldmore")
	want(startShell(t, spec), "oldmore")
	w.end()
	if left := mountedIn(t, dir); left != "" {
		t.Errorf("mounts left\n%s", left)
	}
}

// What others put beside a release is mounted in each launch: there is an end to it.
func TestCoverOfAFilledDirectory(t *testing.T) {
	dir := publicDir(t)
	write(t, dir, map[string]string{"old/f": "", "apps/opt/f": ""})
	spec := Spec{Argv: []string{"/bin/sh"}, KeepPrivs: true, Mounts: []Mount{{From: dir + "/old", To: dir + "/apps/opt", Cover: true}}}
	for i := range mostBeside {
		if err := os.Link(dir+"/old/f", fmt.Sprintf("%s/apps/%d", dir, i)); err != nil {
			t.Fatal(err)
		}
	}
	want := dir + "/apps holds more than 4096 names, and cannot be covered"
	if _, err := spec.plan(rootHost()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	if err := os.Remove(dir + "/apps/0"); err != nil {
		t.Fatal(err)
	}
	if _, err := spec.plan(rootHost()); err != nil {
		t.Error(err)
	}
}

func TestCoverExplained(t *testing.T) {
	dir := publicDir(t)
	write(t, dir, map[string]string{"old/f": "", "apps/opt/f": "", "apps/other/f": "", "apps/file": "", "apps/link": "->other"})
	plan, err := Spec{Argv: []string{"/bin/sh"}, KeepPrivs: true, Mounts: []Mount{{From: dir + "/old", To: dir + "/apps/opt", Cover: true}}}.plan(rootHost())
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := plan.Explain(&text); err != nil {
		t.Fatal(err)
	}
	owner := fmt.Sprintf("uid=%d,gid=%d", os.Getuid(), os.Getgid())
	golden(t, "cover", strings.NewReplacer(dir, "/srv", owner, "uid=0,gid=0").Replace(text.String()))
}

func lineOf(text, word string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, " "+word+" ") {
			return line
		}
	}
	return ""
}

func readlink(t testing.TB, path string) string {
	t.Helper()
	target, err := os.Readlink(path)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// A worker sees what is mounted after its launch, and no longer what is unmounted.
// The host is a process with a mount namespace of its own, so that the test leaves
// the real one alone.
func TestMountsArrive(t *testing.T) {
	needMounts(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestMountsArriveInside$", "-test.v")
	cmd.Env = append(os.Environ(), "PRIVDROP_MOUNTS="+publicDir(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestMountsArriveInside") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestMountsArriveInside(t *testing.T) {
	dir := os.Getenv("PRIVDROP_MOUNTS")
	if dir == "" {
		t.Skip("is a part of TestMountsArrive")
	}
	if err := errors.Join(
		unix.Mount("none", dir, "tmpfs", 0, "mode=755"),
		unix.Mount("none", dir, "", unix.MS_SHARED, ""),
		os.Mkdir(dir+"/disk", 0o755),
	); err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"old/f": "old", "opt/f": "new"})
	w := startShell(t, Spec{Account: nobody(t), Dir: "/", Mounts: []Mount{{From: dir + "/old", To: dir + "/opt"}}})
	if line := lineOf(mountInfo(t, "self"), dir+"/opt"); line != "" {
		t.Errorf("the worker's mount is seen here: %s", line)
	}
	if err := unix.Mount("none", dir+"/disk", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"disk/f": "disk"})
	w.want("cat "+dir+"/disk/f", "disk")
	if err := unix.Unmount(dir+"/disk", 0); err != nil {
		t.Fatal(err)
	}
	w.want("cat "+dir+"/disk/f", "No such file")
	w.want("cat "+dir+"/opt/f", "old")
}

func TestStartMountsFailsByName(t *testing.T) {
	needMounts(t)
	dir := publicDir(t)
	write(t, dir, map[string]string{"old/f": "", "opt/f": ""})
	plan, err := Spec{Argv: []string{"/bin/sh"}, Mounts: []Mount{{From: dir + "/old", To: dir + "/opt"}}}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir + "/old"); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("mount %s/old at %[1]s/opt: no such file or directory", dir)
	if _, err := plan.Start(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestCannotMount(t *testing.T) {
	out := outputFile(t)
	plan, err := Spec{Argv: []string{command(), "worker", "mount"}, Account: nobody(t), Files: []int{devNull(t), int(out.Fd()), 2}}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	process, err := plan.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer process.Close()
	exitStatus(t, process)
	const call = "unshare mount namespace: operation not permitted\n"
	if text, _ := os.ReadFile(out.Name()); string(text) != call+call {
		t.Errorf("got %q", text)
	}
}

// mountReport tells what becomes of mounts in a process that must not make any.
func mountReport() int {
	fmt.Println(CanMount())
	plan, err := Spec{Argv: []string{"/bin/sh"}, Mounts: []Mount{{From: "/usr/bin", To: "/usr/share"}}}.Plan()
	if err == nil {
		_, err = plan.Start()
	}
	fmt.Println(err)
	return 0
}

func TestCanMountLeavesNothing(t *testing.T) {
	needMounts(t)
	before, files := mountInfo(t, "self"), countFiles(t)
	if err := CanMount(); err != nil {
		t.Fatal(err)
	}
	if after := mountInfo(t, "self"); after != before || countFiles(t) != files {
		t.Errorf("%d descriptors, were %d; mounts\n%s", countFiles(t), files, after)
	}
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("a child is left: pid %d, %v", pid, err)
	}
}

func TestExecMounts(t *testing.T) {
	needMounts(t)
	dir := publicDir(t)
	write(t, dir, map[string]string{"old/bin/print": "#!/bin/sh\ncat " + dir + "/opt/f >&2; exit 1\n", "old/f": "old", "opt/f": "new"})
	_, said, err := execute(t, Spec{Argv: []string{dir + "/opt/bin/print"}, Account: nobody(t), Mounts: []Mount{{From: dir + "/old", To: dir + "/opt"}}})
	if said != "old" {
		t.Errorf("%q, %v", said, err)
	}
}

// A directory that the launching process is in is entered anew.
func TestMountsOverCurrentDirectory(t *testing.T) {
	needMounts(t)
	dir := publicDir(t)
	write(t, dir, map[string]string{"old/sub/f": "old", "opt/sub/f": "new", "beside/f": "beside"})
	for _, test := range []struct{ cwd, dir, want string }{
		{"opt/sub", "", "old"}, {"opt", "sub", "old"}, {"beside", "", "beside"},
	} {
		t.Chdir(filepath.Join(dir, test.cwd))
		w := startShell(t, Spec{Dir: test.dir, Mounts: []Mount{{From: dir + "/old", To: dir + "/opt"}}})
		w.want("cat f", test.want)
		w.end()
	}
}
