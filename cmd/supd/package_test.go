package main_test

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestPackages installs supd's own packages, each script on a machine of its own.
func TestPackages(t *testing.T) {
	if os.Getenv(namespaceVariable) != "" {
		t.Skip("runs outside of the namespace")
	}
	t.Parallel()
	all := maps.Clone(commands)
	maps.Copy(all, map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"own":     ownPackages,  // own: sets OWN_DEB and OWN_RPM to packages of supd 1.0, NEXT_DEB and NEXT_RPM to those of 1.1
		"again":   packageAgain, // again: sets AGAIN_DEB and AGAIN_RPM to packages of supd 1.0 that were built elsewhere
		"machine": startMachine, // machine: from now on `in COMMAND…` runs there
	})
	testscript.RunT(scripted{t}, testscript.Params{
		Dir:                "testdata/packages",
		WorkdirRoot:        scriptRoot(t),
		Setup:              setup,
		Cmds:               all,
		Condition:          condition,
		RequireUniqueNames: true,
	})
}

// epoch is SOURCE_DATE_EPOCH for all packages that are built here.
const epoch = "1700000000"

// packagesOnce builds the packages of all scripts.
var packagesOnce = sync.OnceValue(func() error {
	for _, version := range []string{"1.0", "1.1"} {
		if err := makePackages("../..", filepath.Join(built.root, "dist"), version); err != nil {
			return err
		}
	}
	return nil
})

// makePackages builds both packages of the tree at source.
func makePackages(source, dist, version string, env ...string) error {
	cmd := exec.Command("make", "-C", source, "deb", "rpm", "DIST="+dist, "VERSION="+version, "ARCH="+runtime.GOARCH)
	cmd.Env = append(append(os.Environ(), "SOURCE_DATE_EPOCH="+epoch), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd, err, out)
	}
	return nil
}

func ownPackages(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 0, "own")
	ts.Check(packagesOnce())
	namePackages(ts, "OWN", filepath.Join(built.root, "dist"), "1.0")
	namePackages(ts, "NEXT", filepath.Join(built.root, "dist"), "1.1")
}

func namePackages(ts *testscript.TestScript, name, dist, version string) {
	path := filepath.Join(dist, "supd_"+version+"_"+runtime.GOARCH)
	ts.Setenv(name+"_DEB", path+".deb")
	ts.Setenv(name+"_RPM", path+".rpm")
}

// packageAgain builds version 1.0 from a copy of the tree elsewhere, with another
// umask, time zone, locale and environment.
func packageAgain(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 0, "again")
	tree := ts.MkAbs("elsewhere")
	copied := exec.Command("sh", "-c", `umask 077 && mkdir "$2" && tar -C "$1" --exclude=./.git --exclude=./bin --exclude=./dist -c . | tar -C "$2" -xm`,
		"sh", "../..", tree)
	if out, err := copied.CombinedOutput(); err != nil {
		ts.Fatalf("copy: %v\n%s", err, out)
	}
	ts.Check(makePackages(tree, filepath.Join(tree, "dist"), "1.0", "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8", "SUPD_SOCKET=/elsewhere", "USER=somebody"))
	namePackages(ts, "AGAIN", filepath.Join(tree, "dist"), "1.0")
}

// machineScript makes the machine: an overlay over this system's files, so that
// what is installed on the machine is not installed here. Nothing else runs there,
// and nothing is forbidden. It prints its pid, as this process sees it, once it is
// in there itself: before that "in" would reach this system's own files.
const machineScript = `
read -r pid rest </proc/self/stat
cd "$1"
mkdir machine
mount -t tmpfs -o mode=755 tmpfs machine
cd machine
mkdir upper work root
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root
cd root
mount --rbind /dev dev
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs run
mount --bind "$1" ".$1"
mount --bind "$2" ".$2"
rm -rf usr/sbin/policy-rc.d etc/dpkg/dpkg.cfg.d etc/supd var/lib/supd var/log/supd
exec chroot . sh -c 'cd / && echo "$1" && exec sleep infinity >/dev/null' sh "$pid"
`

// inScript runs a command on the machine as root would from a shell. dpkg has a
// database there with only the packages that supd depends on, since the triggers of
// others take time.
const inScript = `#!/bin/sh
exec nsenter --target %s --mount --pid --root --wdns=/ -- env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	HOME=/root LC_ALL=C.UTF-8 DPKG_ADMINDIR=%s "$@"
`

const passwd = "Package: passwd\nStatus: install ok installed\nArchitecture: all\nMulti-Arch: foreign\nVersion: 1\nMaintainer: Test <test@example.org>\nDescription: Test\n"

func startMachine(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 0, "machine")
	work := ts.MkAbs(".")
	cmd := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", machineScript, "sh", work, filepath.Join(built.root, "dist"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() { cmd.Process.Kill(); cmd.Wait() }) // the whole machine ends with its first process
	pid, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		cmd.Wait() // so that all its messages are there
		ts.Fatalf("no machine: %v\n%s", err, complaints.String())
	}
	for _, dir := range []string{"dpkg/info", "dpkg/updates", "dpkg/triggers", "rpmdb", "bin"} {
		ts.Check(os.MkdirAll(ts.MkAbs(dir), 0o755))
	}
	ts.Check(os.WriteFile(ts.MkAbs("dpkg/info/passwd.list"), nil, 0o644))
	ts.Check(os.WriteFile(ts.MkAbs("dpkg/status"), []byte(passwd), 0o644))
	script := fmt.Sprintf(inScript, strings.TrimSpace(pid), ts.MkAbs("dpkg"))
	syscall.ForkLock.RLock() // else a child of another test may have it open for writing: text file busy
	err = os.WriteFile(ts.MkAbs("bin/in"), []byte(script), 0o755)
	syscall.ForkLock.RUnlock()
	ts.Check(err)
	ts.Setenv("PATH", ts.MkAbs("bin")+":"+ts.Getenv("PATH"))
}
