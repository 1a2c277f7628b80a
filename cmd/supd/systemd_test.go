package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"supd/cmd/demo/load"
)

const shipped = "../../configs/systemd/"

// TestSystemd installs the packages of supd and of an application in a Debian with
// a systemd of its own. Clients ask gunicorn there while supd is killed, stuck,
// restarted, replaced and upgraded, and the application is upgraded too.
func TestSystemd(t *testing.T) {
	if os.Getenv(namespaceVariable) != "" {
		t.Skip("runs outside of the namespace")
	}
	t.Parallel()
	c := &supdContainer{container: newContainer(t)}
	c.pack()
	c.packApps()
	c.boot()
	c.test("install", (*supdContainer).isInstalled)
	c.test("starts", (*supdContainer).starts)
	c.test("reload", (*supdContainer).reloads)
	c.test("upgrade", (*supdContainer).isUpgraded)
	c.test("library", (*supdContainer).libraryIsUpdated)
	c.test("kill", (*supdContainer).isKilled)
	c.test("library of workers taken over", (*supdContainer).libraryIsUpdated)
	c.test("kill all", (*supdContainer).allIsKilled)
	c.test("watchdog", (*supdContainer).isStuck)
	c.test("reexec", (*supdContainer).isReplaced)
	c.test("restart", (*supdContainer).isRestarted)
	c.test("restart in vain", (*supdContainer).isRestartedInVain)
	c.test("application", (*supdContainer).appIsUpgraded)
	c.test("closed socket", (*supdContainer).closesSocket)
	c.test("slow stop", (*supdContainer).stopsSlowly)
	c.test("activation", (*supdContainer).isActivated)
	c.test("reboot", (*supdContainer).reboots)
	c.test("removal", (*supdContainer).isRemoved)
}

// supdContainer has the packages of supd and of an application in /root.
type supdContainer struct{ *container }

func (c *supdContainer) test(name string, do func(*supdContainer)) {
	parent := c.t
	if parent.Failed() {
		return // the later ones build on this one and would fail too
	}
	parent.Run(name, func(t *testing.T) {
		c.t = t
		defer func() { c.t = parent }()
		do(c)
	})
}

// workers gives the pids of all running workers, by name.
func (c *supdContainer) workers() (map[string]int, error) {
	out, err := c.run("supctl", "--json", "status")
	var status struct {
		Apps []struct {
			Processes []struct {
				Workers []struct {
					Name, State string
					Pid         int
				}
			}
		}
	}
	if e := json.Unmarshal([]byte(out), &status); e != nil {
		return nil, errors.Join(err, fmt.Errorf("%w: %s", e, out))
	}
	pids := map[string]int{}
	for _, a := range status.Apps {
		for _, p := range a.Processes {
			for _, w := range p.Workers {
				if w.State != "RUNNING" {
					return nil, fmt.Errorf("%s is %s", w.Name, w.State)
				}
				pids[w.Name] = w.Pid
			}
		}
	}
	return pids, nil
}

// awaitWorkers waits until that many workers run, and no others.
func (c *supdContainer) awaitWorkers(count int) (pids map[string]int) {
	c.t.Helper()
	eventually(c.t, "workers", func() (err error) {
		if pids, err = c.workers(); err == nil && len(pids) != count {
			err = fmt.Errorf("%d workers run: %v", len(pids), pids)
		}
		return err
	})
	return pids
}

func (c *supdContainer) same(before map[string]int) {
	c.t.Helper()
	if after := c.awaitWorkers(len(before)); !maps.Equal(before, after) {
		c.t.Errorf("workers before: %v, after: %v", before, after)
	}
}

func (c *supdContainer) show(property string) string {
	c.t.Helper()
	return c.must("systemctl", "show", "--value", "-p", property, "supd")
}

// wantShow waits until a property of the unit has the wanted value.
func (c *supdContainer) wantShow(property, want string) {
	c.t.Helper()
	eventually(c.t, property, func() error {
		if got := c.show(property); got != want {
			return fmt.Errorf("it is %q, want %q", got, want)
		}
		return nil
	})
}

// signal signals supd alone: without an option systemctl would signal the workers
// as well.
func (c *supdContainer) signal(name string) {
	c.t.Helper()
	c.must("systemctl", "kill", "--kill-who=main", "-s", name, "supd")
}

// awaitAnother waits for a supd that is up and is not the one before.
func (c *supdContainer) awaitAnother(before string) {
	c.t.Helper()
	eventually(c.t, "another supd", func() error {
		if pid, state := c.show("MainPID"), c.show("ActiveState"); pid == before || pid == "0" || state != "active" {
			return fmt.Errorf("main pid %s, %s", pid, state)
		}
		return nil
	})
}

// underLoad calls do while clients ask all the time. None may be refused or left
// without an answer.
func (c *supdContainer) underLoad(do func()) { c.t.Helper(); c.losing(0, do) }

// losing is underLoad, but up to most requests may fail.
func (c *supdContainer) losing(most int, do func()) {
	c.t.Helper()
	l := load.Start(load.Target{Network: "unix", Address: c.share + "/web.sock", Path: "/", Clients: loadClients, Rate: loadRate})
	defer func() {
		c.t.Helper()
		if r := l.Stop(); r.Lost > most {
			c.t.Errorf("%s", r)
		} else {
			c.t.Logf("%s", r)
		}
	}()
	more := func() {
		c.t.Helper()
		served := l.Snapshot().Served
		eventually(c.t, "answers", func() error {
			if n := l.Snapshot().Served - served; n < 50 {
				return fmt.Errorf("%d came", n)
			}
			return nil
		})
	}
	more()
	do()
	more()
}

func (c *supdContainer) starts() {
	pids := c.awaitWorkers(2)
	c.wantShow("StatusText", "1 app; 2 workers running")
	c.wantShow("NFileDescriptorStore", "2")
	for name, pid := range pids {
		groups := c.must("cat", fmt.Sprintf("/proc/%d/cgroup", pid))
		if !strings.Contains(groups, "/supd.service/") {
			c.t.Errorf("%s has no cgroup of its own:\n%s", name, groups)
		}
		if score := c.must("cat", fmt.Sprintf("/proc/%d/oom_score_adj", pid)); score != "0" {
			c.t.Errorf("%s has oom_score_adj %s", name, score)
		}
		environ := c.must("cat", fmt.Sprintf("/proc/%d/environ", pid))
		for _, of := range []string{"FDSTORE", "WATCHDOG_USEC", "NOTIFY_SOCKET", "INVOCATION_ID"} {
			if strings.Contains(environ, of) {
				c.t.Errorf("%s has %s", name, of)
			}
		}
	}
	if out, err := c.run("systemd-analyze", "--man=no", "verify", "supd.service"); err != nil || out != "" {
		c.t.Errorf("%v: %s", err, out)
	}
}

func (c *supdContainer) reloads() {
	before, supd := c.awaitWorkers(2), c.show("MainPID")
	slow, err := os.ReadFile("testdata/systemd/apps/slow.toml")
	check(c.t, err)
	c.write("/etc/supd/apps/slow.toml", string(slow))
	c.must("systemctl", "reload", "supd")
	c.awaitWorkers(3)
	c.write("/etc/supd/apps/slow.toml", "no toml")
	if out, err := c.run("systemctl", "reload", "supd"); err == nil {
		c.t.Errorf("an invalid configuration was applied: %s", out)
	}
	eventually(c.t, "the refused reload", func() error {
		if got := c.show("StatusText"); !strings.Contains(got, "; not applied since ") || !strings.Contains(got, "apps/slow.toml:1: ") {
			return errors.New(got)
		}
		return nil
	})
	c.must("systemctl", "is-active", "supd")
	check(c.t, os.Remove(c.files()+"/etc/supd/apps/slow.toml"))
	c.signal("HUP")
	eventually(c.t, "SIGHUP", func() error {
		if got := c.show("StatusText"); got != "1 app; 2 workers running" {
			return errors.New(got)
		}
		return nil
	})
	c.wantShow("ActiveState", "active")
	c.same(before)
	if now := c.show("MainPID"); now != supd {
		c.t.Errorf("supd was pid %s and is %s", supd, now)
	}
}

func (c *supdContainer) isKilled() {
	before := c.awaitWorkers(2)
	c.underLoad(func() {
		for range 5 {
			supd := c.show("MainPID")
			c.signal("KILL")
			c.awaitAnother(supd)
			c.same(before)
		}
	})
	c.wantShow("NFileDescriptorStore", "2")
}

// allIsKilled: supd and all workers are killed, and the sockets wait for the next
// ones. Only requests that were being answered are lost.
func (c *supdContainer) allIsKilled() {
	c.losing(loadClients, func() {
		supd := c.show("MainPID")
		c.must("systemctl", "kill", "-s", "KILL", "supd")
		c.awaitAnother(supd)
		c.awaitWorkers(2)
	})
}

const dropInFile = "/run/systemd/system/supd.service.d/test.conf"

// dropIn adds to the unit until the end of the test.
func (c *supdContainer) dropIn(text string) {
	c.t.Helper()
	c.write(dropInFile, "[Service]\n"+text+"\n")
	c.must("systemctl", "daemon-reload")
	c.t.Cleanup(func() {
		check(c.t, os.Remove(c.files()+dropInFile))
		c.must("systemctl", "daemon-reload")
	})
}

func (c *supdContainer) isStuck() {
	before, supd := c.awaitWorkers(2), c.show("MainPID")
	c.dropIn("WatchdogSec=2")
	c.signal("KILL") // the next supd reads it
	c.awaitAnother(supd)
	c.same(before)
	c.underLoad(func() {
		supd := c.show("MainPID")
		c.signal("STOP")
		c.awaitAnother(supd)
		c.same(before)
	})
	if journal := c.must("journalctl", "-u", "supd"); !strings.Contains(journal, "Watchdog timeout") {
		c.t.Error("systemd has not noticed that supd was stuck")
	}
	c.wantShow("NFileDescriptorStore", "2")
}

func (c *supdContainer) isReplaced() {
	before, supd := c.awaitWorkers(2), c.show("MainPID")
	c.underLoad(func() {
		for range 5 {
			c.must("supctl", "reexec")
			c.same(before)
		}
	})
	if now := c.show("MainPID"); now != supd {
		c.t.Errorf("supd was pid %s and is %s", supd, now)
	}
	c.wantShow("ActiveState", "active")
	c.wantShow("NFileDescriptorStore", "2")
}

func (c *supdContainer) isRestarted() {
	before := c.awaitWorkers(2)
	c.underLoad(func() {
		for range 3 {
			c.must("systemctl", "restart", "supd")
			c.awaitWorkers(2)
		}
	})
	c.wantEnd(before)
	c.wantShow("NFileDescriptorStore", "2")
}

// isRestartedInVain: while supd cannot be started systemd has its sockets. A check does not
// take it for another that has to be stopped.
func (c *supdContainer) isRestartedInVain() {
	c.dropIn("ExecStartPre=/usr/bin/false")
	if out, err := c.run("systemctl", "restart", "supd"); err == nil {
		c.t.Errorf("supd is restarted: %s", out)
	}
	for _, command := range [][]string{{"supd", "--check"}, {"supctl", "check"}} {
		out := c.must(command...)
		if !strings.Contains(out, "web.sock: systemd listens there: supd takes it over") || strings.Contains(out, "another process") {
			c.t.Errorf("%q says\n%s", command, out)
		}
	}
	c.must("sed", "-i", "/ExecStartPre/d", dropInFile)
	c.must("systemctl", "daemon-reload")
	c.must("systemctl", "restart", "supd")
	c.awaitWorkers(2)
}

// runs reports whether the container has a process of that number.
func (c *supdContainer) runs(pid int) bool {
	_, err := os.Stat(fmt.Sprintf("%s/proc/%d", c.files(), pid))
	return err == nil
}

// wantEnd wants none of these processes to run any more.
func (c *supdContainer) wantEnd(pids map[string]int) {
	c.t.Helper()
	for name, pid := range pids {
		if c.runs(pid) {
			c.t.Errorf("%s, pid %d, still runs", name, pid)
		}
	}
}

// closesSocket: a socket that no app has any more leaves the store, whichever supd
// has put it there.
func (c *supdContainer) closesSocket() {
	file := c.files() + "/etc/supd/apps/whois.toml"
	all, err := os.ReadFile(file)
	check(c.t, err)
	without := strings.NewReplacer("[socket.port]\nlisten = \"tcp:127.0.0.1:0\"\n", "", `"web", "port"`, `"web"`).Replace(string(all))
	apply := map[string]func(){
		"reload": func() { c.must("systemctl", "reload", "supd") },
		"crash": func() {
			supd := c.show("MainPID")
			c.signal("KILL")
			c.awaitAnother(supd)
		},
		"reexec": func() { c.must("supctl", "reexec") },
	}
	for _, how := range slices.Sorted(maps.Keys(apply)) {
		c.write("/etc/supd/apps/whois.toml", without)
		apply[how]()
		c.wantShow("NFileDescriptorStore", "1")
		c.write("/etc/supd/apps/whois.toml", string(all))
		apply[how]()
		c.wantShow("NFileDescriptorStore", "2")
		c.awaitWorkers(2)
	}
}

func (c *supdContainer) stopsSlowly() {
	slow, err := os.ReadFile("testdata/systemd/apps/slow.toml")
	check(c.t, err)
	c.write("/etc/supd/apps/slow.toml", string(slow))
	c.dropIn("TimeoutStopSec=1")
	c.must("systemctl", "reload", "supd")
	pids := c.awaitWorkers(3)
	c.must("systemctl", "stop", "supd")
	check(c.t, os.Remove(c.files()+"/etc/supd/apps/slow.toml"))
	if got := c.show("Result"); got != "success" {
		c.t.Errorf("it has ended with %s", got)
	}
	if got := c.show("NFileDescriptorStore"); got != "0" {
		c.t.Errorf("%s sockets are left in the store", got)
	}
	c.wantEnd(pids)
	if err := load.Get("unix", c.share+"/web.sock", "/"); !errors.Is(err, syscall.ECONNREFUSED) {
		c.t.Errorf("a connection: %v, want it refused", err)
	}
	c.must("systemctl", "start", "supd")
	c.awaitWorkers(2)
}

// isActivated: a socket that systemd listens on goes through supd to the workers,
// with the connections that came before them.
func (c *supdContainer) isActivated() {
	unit, err := os.ReadFile(shipped + "supd-whois-web.socket")
	check(c.t, err)
	text := strings.NewReplacer("/run/whois/web.sock", "/srv/share/web.sock", "SocketMode=0660", "SocketMode=0666").Replace(string(unit))
	c.write("/run/systemd/system/supd-whois-web.socket", text)
	c.must("systemctl", "daemon-reload")
	c.must("systemctl", "stop", "supd")
	c.must("systemctl", "start", "supd-whois-web.socket")
	before := c.listener()
	answer := make(chan error, 1)
	go func() { answer <- load.Get("unix", c.share+"/web.sock", "/") }()
	if err := <-answer; err != nil { // this request has started supd
		c.t.Errorf("the request that has started supd: %v", err)
	}
	c.awaitWorkers(2)
	if after := c.listener(); after != before {
		c.t.Errorf("systemd listens on %s, supd on %s", before, after)
	}
	c.underLoad(func() { c.must("systemctl", "restart", "supd") })
	if after := c.listener(); after != before {
		c.t.Errorf("systemd listens on %s, supd on %s after a restart", before, after)
	}
	c.must("systemctl", "stop", "supd-whois-web.socket")
	check(c.t, os.Remove(c.files()+"/run/systemd/system/supd-whois-web.socket"))
	c.must("systemctl", "daemon-reload")
	c.awaitWorkers(2)
}

// listener gives the inode of the only listener at the path.
func (c *supdContainer) listener() string {
	c.t.Helper()
	text := c.must("cat", "/proc/net/unix")
	var found []string
	for line := range strings.Lines(text) {
		// Num RefCount Protocol Flags Type St Inode Path; 00010000 is listening.
		if f := strings.Fields(line); len(f) == 8 && f[3] == "00010000" && f[7] == "/srv/share/web.sock" {
			found = append(found, f[6])
		}
	}
	if len(found) != 1 {
		c.t.Fatalf("listeners at the path: %v in\n%s", found, text)
	}
	return found[0]
}
