package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

var packed atomic.Int64 // names given so far; scripts run beside each other

// newPackages gives a script a unique name for its package, and databases of its
// own for dpkg and rpm. What is installed under that name is removed at the end,
// whatever dpkg thinks of it.
func newPackages(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 0, "packages")
	name := fmt.Sprintf("supdtest-%d-%d", os.Getpid(), packed.Add(1))
	for _, dir := range []string{"dpkg/info", "dpkg/updates", "dpkg/triggers", "rpmdb"} {
		ts.Check(os.MkdirAll(ts.MkAbs(dir), 0o755))
	}
	for _, file := range []string{"dpkg/status", "dpkg/available"} {
		ts.Check(os.WriteFile(ts.MkAbs(file), nil, 0o644))
	}
	ts.Setenv("PKG", name)
	ts.Setenv("SUPD_CONFIG", ts.MkAbs("supd.toml"))
	t := testOf(ts)
	ts.Defer(func() {
		for _, dir := range []string{inPlace(name), "/opt/" + name} {
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		}
		os.Remove(filepath.Dir(inPlace(name))) // unless another script is using it
	})
}

func inPlace(name string) string { return "/opt/venvs/" + name }

// parcel is a package of the application in testdata/app, to be built.
type parcel struct {
	name, version string
	path          string // of the release
	options       map[string]string
}

// How a release is looked after. One whose health or whose children are the fault is
// to be found by that, and soon; of all others a busy machine must find nothing.
const (
	answered  = `http = "/healthz", interval = "10s", timeout = "10s", failures = 3`
	asked     = `http = "/healthz", interval = "1s", timeout = "1s", failures = 2`
	childless = `children = 2`
)

// How long a release may take to get ready. One that lives and will not is given less
// time, for that is the whole of its test's duration: enough to start, and to say what
// is wrong.
const patient, impatient = "60s", "10s"

// The options of deb and rpmbuild:
//
//	layout=in-place|side|named  /opt/venvs/PKG, or /opt/PKG/VERSION; named: PKG-VERSION is the package's name
//	fault=NAME                  one of testdata/app/faults, or command
//	scripts=none                no maintainer scripts
//	drop-in=DIR                 with a file for supctl register --drop-ins
//	preinst=LINE, postinst=LINE of shell: the first of the script
//	as=FILE                     name of the package's file, without deb or rpm
func newParcel(ts *testscript.TestScript, neg bool, args []string) parcel {
	need(ts, neg, len(args) >= 1, "(deb | rpmbuild) VERSION [OPTION=VALUE…]")
	p := parcel{name: ts.Getenv("PKG"), version: args[0], options: map[string]string{"layout": "in-place", "fault": "none", "as": args[0]}}
	if p.name == "" {
		ts.Fatalf("packages comes first")
	}
	for _, arg := range args[1:] {
		key, value, ok := strings.Cut(arg, "=")
		if !ok {
			ts.Fatalf("%s is no OPTION=VALUE", arg)
		}
		p.options[key] = value
	}
	switch p.options["layout"] {
	case "in-place":
		p.path = inPlace(p.name)
	case "side", "named":
		p.path = filepath.Join("/opt", p.name, p.version)
	default:
		ts.Fatalf("no layout %s", p.options["layout"])
	}
	if p.options["layout"] == "named" {
		p.name += "-" + p.version
	}
	return p
}

// venv is where the virtual environment is, in the release.
func (p parcel) venv() string {
	if p.options["layout"] == "in-place" {
		return "." // as dh-virtualenv does it
	}
	return "venv"
}

// stage makes a new directory with the files of the package. The virtual
// environment is made at its final path, in a mount namespace where that is empty.
func (p parcel) stage(ts *testscript.TestScript) string {
	root, err := os.MkdirTemp(ts.MkAbs("."), "stage-")
	ts.Check(err)
	ts.Check(os.Chmod(root, 0o755))
	venv := filepath.Join(p.path, p.venv())
	cmd := exec.Command("sh", "-ec", `mount -t tmpfs -o mode=755 tmpfs /opt
		/usr/bin/python3 -m venv --system-site-packages --without-pip "$1"
		cp -a /opt "$2"`, "sh", venv, root)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if out, err := cmd.CombinedOutput(); err != nil {
		ts.Fatalf("virtual environment: %v\n%s", err, out)
	}
	p.fill(ts, filepath.Join(root, p.path))
	if dir := p.options["drop-in"]; dir != "" {
		file := filepath.Join(root, dir, "whois_"+p.version+".toml")
		ts.Check(os.MkdirAll(filepath.Dir(file), 0o755))
		text := strings.NewReplacer("/opt/whois/1.4.0", p.path).Replace(p.source(ts, "../../configs/packaging/drop-in/whois_1.4.0.toml"))
		ts.Check(os.WriteFile(file, []byte(text), 0o644))
	}
	return root
}

// fill puts the application into its environment.
func (p parcel) fill(ts *testscript.TestScript, dir string) {
	venv := filepath.Join(dir, p.venv())
	modules, err := filepath.Glob(filepath.Join(venv, "lib/python3*/site-packages"))
	ts.Check(err)
	if len(modules) != 1 {
		ts.Fatalf("site-packages of %s: %v", venv, modules)
	}
	fault := p.options["fault"]
	if fault == "command" {
		fault = "none"
	}
	for _, f := range []struct {
		from, to string
		mode     os.FileMode
	}{
		{"whois.py", filepath.Join(modules[0], "whois.py"), 0o644},
		{"late.py", filepath.Join(modules[0], "late.py"), 0o644},
		{"faults/" + fault + ".py", filepath.Join(modules[0], "fault.py"), 0o644},
		{"gunicorn", filepath.Join(venv, "bin/gunicorn"), 0o755},
		{"gunicorn.conf.py", filepath.Join(dir, "gunicorn.conf.py"), 0o644},
		{"supd.toml", filepath.Join(dir, "supd.toml"), 0o644},
	} {
		ts.Check(os.WriteFile(f.to, []byte(p.source(ts, "testdata/app/"+f.from)), f.mode))
	}
}

// source is a file of the repository with the package's own values filled in.
func (p parcel) source(ts *testscript.TestScript, file string) string {
	text, err := os.ReadFile(filepath.Join(ts.Getenv("REPO"), "cmd/supd", file))
	ts.Check(err)
	command, timeout, workers, health := "gunicorn", patient, 2, answered
	switch p.options["fault"] {
	case "command":
		command = "gunicorn-of-another-name"
	case "import", "hang", "status":
		timeout, workers = impatient, 1
	case "sick":
		workers, health = 1, asked
	case "leaks":
		workers, health = 1, childless
	case "none":
	default:
		workers = 1 // no sibling may answer when one dies
	}
	return strings.NewReplacer("@VERSION@", p.version, "@RELEASE@", p.path, "@PREFIX@", filepath.Join(p.path, p.venv()), "@COMMAND@", command,
		"@VENV@", p.venv(), "@TIMEOUT@", timeout, "@WORKERS@", strconv.Itoa(workers), "@HEALTH@", health,
		"#VERSION#", p.version, "#RELEASE#", p.path, "#GOES#", p.goes()).Replace(string(text))
}

// goes is what the removal of the package takes away: see configs/packaging/deb/rules.
func (p parcel) goes() string {
	if filepath.Base(p.path) == p.version {
		return p.version
	}
	return "--all"
}

// buildDeb builds VERSION.deb with the scripts of configs/packaging/deb.
func buildDeb(ts *testscript.TestScript, neg bool, args []string) {
	p := newParcel(ts, neg, args)
	root := p.stage(ts)
	control := filepath.Join(root, "DEBIAN")
	ts.Check(os.Mkdir(control, 0o755))
	about := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Test <test@example.org>\nDescription: Test\n", p.name, p.version)
	ts.Check(os.WriteFile(filepath.Join(control, "control"), []byte(about), 0o644))
	scripts := map[string]string{}
	if line := p.options["preinst"]; line != "" {
		scripts["preinst"] = "#!/bin/sh\nset -e\n"
	}
	if p.options["scripts"] != "none" {
		for _, name := range []string{"postinst", "prerm", "postrm"} {
			scripts[name] = p.source(ts, "../../configs/packaging/deb/"+name)
		}
	}
	for name, text := range scripts {
		if line := p.options[name]; line != "" {
			text = strings.Replace(text, "set -e\n", "set -e\n"+line+"\n", 1)
		}
		ts.Check(os.WriteFile(filepath.Join(control, name), []byte(text), 0o755))
	}
	ts.Check(ts.Exec("dpkg-deb", "--root-owner-group", "-Znone", "-b", root, p.options["as"]+".deb"))
	ts.Check(os.RemoveAll(root))
}

// runDpkg runs dpkg on this system's files, with the script's own database.
func runDpkg(ts *testscript.TestScript, neg bool, args []string) {
	may(ts, neg, "dpkg", append([]string{"--admindir=" + ts.MkAbs("dpkg"), "--log=" + ts.MkAbs("dpkg.log")}, args...)...)
}

// buildRPM builds VERSION.rpm with the scriptlets of configs/packaging/rpm. The
// version includes the package's release: 1.0-1.
func buildRPM(ts *testscript.TestScript, neg bool, args []string) {
	p := newParcel(ts, neg, args)
	root := p.stage(ts)
	version, number, ok := strings.Cut(p.version, "-")
	if !ok {
		ts.Fatalf("%s is no VERSION-RELEASE", p.version)
	}
	owned := p.path
	if dir := p.options["drop-in"]; dir != "" {
		owned += "\n" + filepath.Join(dir, "whois_"+p.version+".toml")
	}
	text := strings.NewReplacer("@PKG@", p.name, "@RPMVERSION@", version, "@RPMRELEASE@", number, "@STAGE@", root, "@OWNED@", owned).
		Replace(p.source(ts, "testdata/app/whois.spec"))
	if p.options["scripts"] != "none" {
		text += scriptlets(ts, p)
	}
	top := ts.MkAbs("rpmbuild")
	spec := ts.MkAbs(p.options["as"] + ".spec")
	ts.Check(os.WriteFile(spec, []byte(text), 0o644))
	ts.Check(ts.Exec("rpmbuild", "-bb", "--quiet", "--nodeps", "--define", "_topdir "+top, "--dbpath", ts.MkAbs("rpmdb"),
		"--define", "_build_id_links none", "--define", "__os_install_post %{nil}", "--define", "_binary_payload w0.ufdio", spec))
	built, err := filepath.Glob(filepath.Join(top, "RPMS/noarch/*.rpm"))
	ts.Check(err)
	if len(built) != 1 {
		ts.Fatalf("rpmbuild has built %v", built)
	}
	ts.Check(os.Rename(built[0], ts.MkAbs(p.options["as"]+".rpm")))
	ts.Check(os.RemoveAll(root))
}

// scriptlets gives the part of the spec in configs/packaging/rpm that follows
// %files.
func scriptlets(ts *testscript.TestScript, p parcel) string {
	file := "whois.spec"
	if p.options["layout"] != "in-place" {
		file = "whois-side-by-side.spec"
	}
	text := p.source(ts, "../../configs/packaging/rpm/"+file)
	_, text, ok := strings.Cut(text, "\n%files\n")
	_, text, found := strings.Cut(text, "\n\n")
	if !ok || !found {
		ts.Fatalf("%s has nothing after %%files", file)
	}
	return text
}

// runRPM runs rpm on this system's files, with the script's own database, in which
// no dependency is installed.
func runRPM(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, false, len(args) > 0, "rpm ARGUMENT…")
	if !strings.HasPrefix(args[0], "-q") {
		args = append([]string{"--nodeps"}, args...)
	}
	// The only variable that rpm changes for scriptlets is PATH.
	path := "_install_script_path " + ts.Getenv("PATH")
	may(ts, neg, "rpm", append([]string{"--dbpath", ts.MkAbs("rpmdb"), "--define", path}, args...)...)
}

// may runs a command that has to succeed, or with neg to fail.
func may(ts *testscript.TestScript, neg bool, name string, args ...string) {
	err := ts.Exec(name, args...)
	if err != nil && !neg {
		ts.Fatalf("%v", err)
	}
	if err == nil && neg {
		ts.Fatalf("%s should have failed", name)
	}
}
