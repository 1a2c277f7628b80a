package main_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"supd/cmd/demo/load"
)

// The path of every version of the application, and of a package in the container.
const (
	appRoot     = "/opt/venvs/whois"
	supdPackage = "/root/supd_%s.deb"
	appPackage  = "/root/whois_%s.deb"
)

// pack puts supd's own packages into the container, as `make deb` builds them.
func (c *supdContainer) pack() {
	if _, err := exec.LookPath("rpmbuild"); err != nil {
		missing(c.t, "rpmbuild is not installed, and both packages are built at a time")
	}
	check(c.t, packagesOnce())
	for _, version := range []string{"1.0", "1.1"} {
		from := filepath.Join(built.root, "dist", "supd_"+version+"_"+runtime.GOARCH+".deb")
		c.copyIn(from, fmt.Sprintf(supdPackage, version))
	}
}

// packApps does so with those of TestSystemd's application.
func (c *supdContainer) packApps() {
	for _, version := range []string{"1.0", "1.1", "1.2"} {
		c.packApp(version, appRoot, "testdata/systemd/whois/app.py", "testdata/systemd/whois/late.py")
	}
}

// packApp builds a package of the application whois with some files in root, and with the
// maintainer scripts that we recommend to others.
func (c *supdContainer) packApp(version, root string, files ...string) {
	stage := filepath.Join(c.dir, "whois-"+version)
	fill := strings.NewReplacer("@VERSION@", version, "#VERSION#", version, "#RELEASE#", root, "#GOES#", "--all")
	all := map[string]string{
		"DEBIAN/postinst": "../../configs/packaging/deb/postinst",
		"DEBIAN/prerm":    "../../configs/packaging/deb/prerm",
		"DEBIAN/postrm":   "../../configs/packaging/deb/postrm",
	}
	for _, from := range files {
		all[filepath.Join(root, filepath.Base(from))] = from
	}
	for to, from := range all {
		text, err := os.ReadFile(from)
		check(c.t, err)
		to = filepath.Join(stage, to)
		check(c.t, os.MkdirAll(filepath.Dir(to), 0o755))
		check(c.t, os.WriteFile(to, []byte(fill.Replace(string(text))), 0o755))
	}
	about := "Package: whois\nVersion: " + version + "\nArchitecture: all\nMaintainer: Test <test@example.org>\nDescription: Test\n"
	check(c.t, os.WriteFile(stage+"/DEBIAN/control", []byte(about), 0o644))
	cmd := exec.Command("dpkg-deb", "--root-owner-group", "-Znone", "-b", stage, filepath.Join(c.root, fmt.Sprintf(appPackage, version)))
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
}

// dpkg installs a version of a package.
func (c *supdContainer) dpkg(file, version string) string {
	c.t.Helper()
	return c.must("dpkg", "-i", fmt.Sprintf(file, version))
}

// wantVersion wants supctl and the running supd to have that version.
func (c *supdContainer) wantVersion(version string) {
	c.t.Helper()
	want := fmt.Sprintf("supctl %s\nsupd %[1]s, pid %s", version, c.show("MainPID"))
	if got := c.must("supctl", "version"); !strings.HasPrefix(got, want) {
		c.t.Errorf("supctl version prints %q, want %q", got, want)
	}
}

// wantApp asks often enough for every worker to answer. Each has to have that
// version, also of a file that it has not read until now.
func (c *supdContainer) wantApp(version string) {
	c.t.Helper()
	for range 16 {
		for _, path := range []string{"/", "/late"} {
			if got, err := load.Body("unix", c.share+"/web.sock", path); err != nil || got != version {
				c.t.Fatalf("%s: %q, %v, want %s", path, got, err, version)
			}
		}
	}
}

// awaitEnd waits until none of these processes runs any more.
func (c *supdContainer) awaitEnd(pids map[string]int) {
	c.t.Helper()
	for name, pid := range pids {
		eventually(c.t, "the end of "+name, func() error {
			if c.runs(pid) {
				return fmt.Errorf("pid %d still runs", pid)
			}
			return nil
		})
	}
}

// isInstalled: supd's package starts the service, and the application's package
// makes supd start its workers.
func (c *supdContainer) isInstalled() {
	c.dpkg(supdPackage, "1.0")
	c.wantShow("ActiveState", "active")
	c.must("systemctl", "is-enabled", "supd")
	c.wantVersion("1.0")
	c.wantShow("NFileDescriptorStore", "0")
	app, err := os.ReadFile("testdata/systemd/apps/whois.toml")
	check(c.t, err)
	c.write("/etc/supd/apps/whois.toml", string(app))
	c.must("systemctl", "reload", "supd")
	c.dpkg(appPackage, "1.0")
	c.awaitWorkers(2)
	c.wantApp("1.0")
}

// isUpgraded: dpkg replaces the running supd. Workers go on, and for systemd it is
// the same process.
func (c *supdContainer) isUpgraded() {
	before, supd := c.awaitWorkers(2), c.show("MainPID")
	c.underLoad(func() {
		for _, version := range []string{"1.1", "1.0", "1.1"} {
			c.dpkg(supdPackage, version)
			c.wantVersion(version)
			c.same(before)
		}
	})
	if now := c.show("MainPID"); now != supd {
		c.t.Errorf("supd was pid %s and is %s", supd, now)
	}
	c.wantShow("ActiveState", "active")
	c.wantShow("NRestarts", "0")
	c.wantShow("NFileDescriptorStore", "2")
}

// libraryIsUpdated: needrestart finds the processes whose library is not the
// installed one any more, and our hook replaces those: the workers, not supd.
func (c *supdContainer) libraryIsUpdated() {
	before, supd := c.awaitWorkers(2), c.show("MainPID")
	c.write("/etc/needrestart/conf.d/test.conf", "$nrconf{skip_mapfiles} = 1; # inodes on overlayfs are not what maps tells\n")
	c.must("sh", "-ec", `for f in /usr/lib/*/libexpat.so.1.*; do cp -p "$f" "$f.new"; mv "$f.new" "$f"; done`)
	c.underLoad(func() {
		const hook = "/etc/needrestart/restart.d/supd.service"
		if out := c.must("needrestart", "-l", "-r", "a"); !strings.Contains(out, hook) {
			c.t.Errorf("needrestart has not run the hook, but prints:\n%s", out)
		}
	})
	c.awaitEnd(before)
	c.awaitWorkers(2)
	if now := c.show("MainPID"); now != supd {
		c.t.Errorf("supd was pid %s and is %s", supd, now)
	}
	if out := c.must("needrestart", "-b", "-l"); strings.Contains(out, "supd") {
		c.t.Errorf("there is still something to restart:\n%s", out)
	}
}

// appIsUpgraded: while deploys are held, dpkg replaces the files, and workers go on
// with their own, even when supd is killed. Then the new release is deployed, and
// after it another one during whose rollout supd is killed.
func (c *supdContainer) appIsUpgraded() {
	before := c.awaitWorkers(2)
	c.underLoad(func() {
		c.must("supctl", "hold", "whois")
		c.dpkg(appPackage, "1.1")
		supd := c.show("MainPID")
		c.signal("KILL")
		c.awaitAnother(supd)
		c.same(before)
		c.wantApp("1.0")
		c.must("supctl", "unhold", "whois")
		c.must("supctl", "deploy", "whois", "1.1")
	})
	c.awaitEnd(before)
	c.awaitWorkers(2)
	c.wantApp("1.1")

	before = c.awaitWorkers(2)
	c.underLoad(func() {
		supd := c.show("MainPID")
		c.dpkg(appPackage, "1.2")
		c.awaitRollout(before)
		c.signal("KILL")
		c.awaitAnother(supd)
		c.must("supctl", "deploy", "whois", "1.2")
	})
	c.awaitEnd(before)
	c.awaitWorkers(2)
	c.wantApp("1.2")
	c.wantShow("NFileDescriptorStore", "2")
}

// awaitRollout waits until the first of the earlier workers was replaced.
func (c *supdContainer) awaitRollout(before map[string]int) {
	c.t.Helper()
	eventually(c.t, "rollout", func() error {
		for _, pid := range before {
			if !c.runs(pid) {
				return nil
			}
		}
		return fmt.Errorf("all of %v run", before)
	})
}

// reboots: after a reboot the release that was deployed last runs again. Meanwhile
// nobody answers.
func (c *supdContainer) reboots() {
	c.losing(math.MaxInt, func() {
		c.reboot()
		c.awaitWorkers(2)
	})
	c.wantVersion("1.1")
	c.wantApp("1.2")
	c.wantShow("NFileDescriptorStore", "2")
	c.underLoad(func() {})
}

// isRemoved: the application is removed, then supd with all its files.
func (c *supdContainer) isRemoved() {
	pids := c.awaitWorkers(2)
	c.must("dpkg", "-P", "whois")
	c.awaitEnd(pids)
	c.must("systemctl", "is-active", "supd")
	c.must("dpkg", "-P", "supd")
	c.wantShow("LoadState", "not-found")
	c.wantShow("ActiveState", "inactive")
	for _, path := range []string{"/var/lib/supd", "/var/log/supd", "/run/supd", "/usr/bin/supd", appRoot} {
		if _, err := os.Stat(c.files() + path); err == nil {
			c.t.Errorf("%s is left", path)
		}
	}
	if err := load.Get("unix", c.share+"/web.sock", "/"); !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ENOENT) {
		c.t.Errorf("a connection: %v, want none", err)
	}
}
