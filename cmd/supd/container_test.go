package main_test

import (
	"bytes"
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

// The tree that containers run from is made once per machine, by debootstrap from
// its default mirror.
const (
	treeCache = "/var/cache/supd-test-debian"
	treeSuite = "bookworm" // systemd 252
	treeAdds  = "systemd,systemd-sysv,gunicorn,needrestart,curl,cron,iproute2,procps,nginx-light,redis-server,celery,python3-redis,supervisor"
)

// container is a Debian that was booted with systemd, in namespaces and cgroups of
// its own. Its only network is its loopback.
type container struct {
	t       *testing.T
	dir     string
	root    string   // its files, while it runs
	share   string   // /srv/share in there
	groups  []string // cgroups that it is in
	nspawn  *exec.Cmd
	console bytes.Buffer
	leader  int // its PID 1
}

// suite is the Debian to test with; SUPD_TEST_SUITE=trixie sets another one.
func suite() string {
	if s := os.Getenv("SUPD_TEST_SUITE"); s != "" {
		return s
	}
	return treeSuite
}

// newContainer lays out the files; boot comes after what a test adds to them. The
// cached tree stays as it is: changes go to memory.
func newContainer(t *testing.T) *container {
	if os.Geteuid() != 0 {
		missing(t, "a container needs root")
	}
	for _, program := range []string{"debootstrap", "systemd-nspawn", "nsenter"} {
		if _, err := exec.LookPath(program); err != nil {
			missing(t, program+" is not installed")
		}
	}
	c := &container{t: t, dir: scriptRoot(t)}
	c.root, c.share = c.dir+"/root", c.dir+"/share"
	for _, dir := range []string{c.root, c.share, c.dir + "/memory"} {
		check(t, os.Mkdir(dir, 0o755))
	}
	tree := cachedTree(t)
	c.mount("tmpfs", c.dir+"/memory", "tmpfs", "mode=755")
	check(t, os.Mkdir(c.dir+"/memory/upper", 0o755))
	check(t, os.Mkdir(c.dir+"/memory/work", 0o755))
	c.mount("overlay", c.root, "overlay", fmt.Sprintf("lowerdir=%s,upperdir=%s/memory/upper,workdir=%[2]s/memory/work", tree, c.dir))
	return c
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (c *container) mount(source, target, kind, options string) {
	c.t.Helper()
	if err := unix.Mount(source, target, kind, 0, options); err != nil {
		c.t.Fatalf("mount %s on %s: %v", kind, target, err)
	}
	c.t.Cleanup(func() {
		if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
			c.t.Errorf("umount %s: %v", target, err)
		}
	})
}

// cachedTree is whole from the moment it exists, since it is renamed into place.
// One test at a time makes it.
func cachedTree(t *testing.T) string {
	check(t, os.MkdirAll(treeCache, 0o755))
	lock, err := os.OpenFile(treeCache+"/lock", os.O_RDWR|os.O_CREATE, 0o600)
	check(t, err)
	defer lock.Close()
	check(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX))
	tree := filepath.Join(treeCache, suite()+"-"+strings.ReplaceAll(treeAdds, ",", "-"))
	if _, err := os.Stat(tree); err == nil {
		return tree
	}
	half := treeCache + "/half"
	check(t, os.RemoveAll(half)) // of a test that was killed
	out, err := exec.Command("debootstrap", "--variant=minbase", "--include="+treeAdds, suite(), half).CombinedOutput()
	if err != nil {
		t.Fatalf("debootstrap: %v\n%s", err, out)
	}
	for _, unit := range []string{"nginx", "redis-server", "supervisor"} { // whoever wants one starts it
		if out, err := exec.Command("systemctl", "--root="+half, "disable", unit).CombinedOutput(); err != nil {
			t.Fatalf("disable %s: %v\n%s", unit, err, out)
		}
	}
	check(t, os.Rename(half, tree))
	return tree
}

// write makes a file in the container, with the directories that it needs.
func (c *container) write(path, text string) {
	c.t.Helper()
	path = filepath.Join(c.files(), path)
	check(c.t, os.MkdirAll(filepath.Dir(path), 0o755))
	check(c.t, os.WriteFile(path, []byte(text), 0o644))
}

// files is the container's root, while it runs with the mounts in it.
func (c *container) files() string {
	if c.leader == 0 {
		return c.root
	}
	return fmt.Sprintf("/proc/%d/root", c.leader)
}

// copyIn copies a file of this machine into the container.
func (c *container) copyIn(from, to string) {
	c.t.Helper()
	to = filepath.Join(c.root, to)
	check(c.t, os.MkdirAll(filepath.Dir(to), 0o755))
	if out, err := exec.Command("cp", from, to).CombinedOutput(); err != nil {
		c.t.Fatalf("%v: %s", err, out)
	}
}

// boot starts systemd and waits until it has started everything.
func (c *container) boot() {
	c.t.Helper()
	c.groups = c.cgroups()
	c.t.Cleanup(c.end)
	c.start()
}

func (c *container) start() {
	c.t.Helper()
	args := []string{"--quiet", "--boot", "--directory=" + c.root, "--machine=" + filepath.Base(c.dir), "--register=no", "--keep-unit",
		"--settings=no", "--link-journal=no", "--resolv-conf=off", "--timezone=off", "--private-network", "--bind=" + c.share + ":/srv/share", "--console=pipe",
		"--system-call-filter=pidfd_getfd"} // allowed elsewhere, but not in containers by default
	// nspawn has to be in our cgroups before it makes those of the container.
	const join = `for group; do shift; [ "$group" = -- ] && break; echo $$ >"$group/cgroup.procs"; done; exec systemd-nspawn "$@"`
	c.nspawn = exec.Command("sh", append(append(append([]string{"-ec", join, "sh"}, c.groups...), "--"), args...)...)
	c.nspawn.Stdout, c.nspawn.Stderr = &c.console, &c.console
	c.nspawn.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	check(c.t, c.nspawn.Start())
	eventually(c.t, "boot", func() error {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", c.nspawn.Process.Pid))
		if err != nil {
			return err
		}
		if _, err := fmt.Sscan(string(text), &c.leader); err != nil {
			return fmt.Errorf("no PID 1 in %q", text)
		}
		if out, err := c.run("systemctl", "is-system-running"); err != nil {
			return fmt.Errorf("%s: %w", out, err)
		}
		return nil
	})
}

// reboot boots the container once more with its present files. Its /run is empty
// then, as after any boot.
func (c *container) reboot() {
	c.t.Helper()
	c.run("systemctl", "reboot") // may end with the container
	c.nspawn.Wait()
	const again = 133 // with --keep-unit this asks the caller to start it again
	if code := c.nspawn.ProcessState.ExitCode(); code != again {
		c.t.Fatalf("nspawn has ended with %d, which is no reboot", code)
	}
	c.start()
}

// cgroups makes a cgroup in each hierarchy that systemd uses, so that several
// containers do not get in each other's way.
func (c *container) cgroups() (groups []string) {
	for _, mount := range []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup"} {
		if _, err := os.Stat(mount + "/cgroup.procs"); err != nil {
			continue
		}
		group := filepath.Join(mount, "supd-test-"+filepath.Base(filepath.Dir(c.dir))+"-"+filepath.Base(c.dir))
		check(c.t, os.Mkdir(group, 0o755))
		groups = append(groups, group)
		c.t.Cleanup(func() { removeCgroups(c.t, group) })
	}
	return groups
}

// removeCgroups removes a cgroup with those beneath it. It tries again, since the
// last process may need a moment to leave.
func removeCgroups(t *testing.T, group string) {
	eventually(t, "removing "+group, func() error {
		var all []string
		err := filepath.WalkDir(group, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				all = append(all, path)
			}
			return err
		})
		for i := len(all) - 1; i >= 0; i-- {
			err = errors.Join(err, os.Remove(all[i]))
		}
		return err
	})
}

// end halts the container, and kills it if that takes too long.
func (c *container) end() {
	if c.t.Failed() {
		journal, _ := c.run("journalctl", "--no-pager", "-q", "-o", "short-precise", "-n", "300", "_TRANSPORT=stdout", "+", "_PID=1")
		c.t.Logf("journal:\n%s", journal)
	}
	kill := time.AfterFunc(20*time.Second, func() { c.nspawn.Process.Kill() })
	defer kill.Stop()
	c.run("systemctl", "poweroff", "--force")
	c.nspawn.Wait()
	if c.t.Failed() {
		c.t.Logf("console:\n%s", &c.console)
	}
}

// run runs a command in the container and gives what it prints.
func (c *container) run(args ...string) (string, error) {
	enter := []string{fmt.Sprintf("--target=%d", c.leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd", "--"}
	cmd := exec.Command("nsenter", append(enter, args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "NO_COLOR=1", "LC_ALL=C.UTF-8"}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// must is run for a command that must succeed.
func (c *container) must(args ...string) string {
	c.t.Helper()
	out, err := c.run(args...)
	if err != nil {
		c.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// eventually waits for a condition. If it does not come true, the test fails with
// its last error.
func eventually(t *testing.T, what string, condition func() error) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; {
		begin := time.Now()
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(max(20*time.Millisecond, time.Since(begin))) // as poll does
	}
}
