package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop/files"
	"supd/supervisor/api"
	"supd/supervisor/control"
	"supd/supervisor/release"
)

// machine has a supd.toml whose supd does not run, and its registry.
type machine struct {
	dir   string
	store *release.Store
}

// newMachine makes one with these app files, and sets SUPD_CONFIG to its supd.toml.
// DIR in the files becomes the machine's directory.
func newMachine(t *testing.T, apps map[string]string) machine {
	t.Helper()
	t.Setenv("SUPD_SOCKET", "")
	t.Setenv(scriptVariable, "")
	t.Setenv("DPKG_ROOT", "")
	dir := t.TempDir()
	m := machine{dir, release.Open(dir + "/state")}
	m.write(t, "supd.toml", "[daemon]\nstate = \"state\"\nruntime = \"run\"\n")
	for name, text := range apps {
		m.write(t, "apps/"+name+".toml", strings.ReplaceAll(text, "DIR", dir))
	}
	t.Setenv("SUPD_CONFIG", dir+"/supd.toml")
	return m
}

func (m machine) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(m.dir, name)
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

// install makes a release's tree.
func (m machine) install(t *testing.T, dir, version string) string {
	t.Helper()
	m.write(t, dir+"/app.py", "version = "+version+"\n")
	return filepath.Join(m.dir, dir)
}

// known lists the registered versions of an app.
func (m machine) known(t *testing.T, app string) string {
	t.Helper()
	all, err := m.store.Releases(app)
	must(t, err)
	var versions []string
	for _, r := range all {
		v := r.Version
		if r.Snapshot != "" {
			v += " snapshot"
		}
		if r.Deploy {
			v += " deploy"
		}
		versions = append(versions, v)
	}
	return strings.Join(versions, ", ")
}

const (
	sideBySide = "[release]\ndirectory = \"../opt/{app}\"\n"
	inPlace    = "[release]\npath = \"DIR/venv\"\n"
)

func TestRegister(t *testing.T) {
	tests := []struct {
		name, app string // the app's file, "" is none
		args      string // DIR is the machine's directory
		want, out string
	}{
		{"side by side", sideBySide, "1.5.0", "1.5.0", "whois 1.5.0 registered, DIR/opt/whois/1.5.0\n"},
		{"in place", inPlace, "1.5.0", "1.5.0 snapshot", "whois 1.5.0 registered, snapshot of DIR/venv\n"},
		{"in place, said", inPlace, "1.5.0 --path DIR/venv/", "1.5.0 snapshot", "whois 1.5.0 registered, snapshot of DIR/venv\n"},
		{"elsewhere", inPlace, "1.5.0 --path DIR/opt/whois/1.5.0", "1.5.0", "whois 1.5.0 registered, DIR/opt/whois/1.5.0\n"},
		{"beside", sideBySide, "1.6 --path DIR/opt/whois/1.5.0", "1.6", "whois 1.6 registered, DIR/opt/whois/1.5.0\n"},
		{"no file", "", "1.5.0 --path DIR/opt/whois/1.5.0", "1.5.0", "whois 1.5.0 registered, DIR/opt/whois/1.5.0\n"},
		{"no file, in place", "", "1.5.0 --path DIR/venv", "1.5.0 snapshot", "whois 1.5.0 registered, snapshot of DIR/venv\n"},
		{"no releases", "user = \"whois\"\n", "1.5.0 --path DIR/venv", "1.5.0 snapshot", "whois 1.5.0 registered, snapshot of DIR/venv\n"},
		{"deploy", sideBySide, "--deploy 1.5.0", "1.5.0 deploy",
			"whois 1.5.0 registered, DIR/opt/whois/1.5.0\nwhois: no supd answers; it deploys 1.5.0 when it starts\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			apps := map[string]string{}
			if test.app != "" {
				apps["whois"] = test.app
			}
			m := newMachine(t, apps)
			m.install(t, "venv", "1.5.0")
			m.install(t, "opt/whois/1.5.0", "1.5.0")
			args := append([]string{"register", "whois"}, strings.Fields(strings.ReplaceAll(test.args, "DIR", m.dir))...)
			code, out, err := supctl(t, args...)
			if diff := cmp.Diff(strings.ReplaceAll(test.out, "DIR", m.dir), out); diff != "" || code != 0 || err != "" {
				t.Errorf("exited with %d, %s\n%s", code, err, diff)
			}
			if got := m.known(t, "whois"); got != test.want {
				t.Errorf("registered: %s, want %s", got, test.want)
			}
			code, out, err = supctl(t, args...)
			if !strings.HasPrefix(out, "whois "+strings.Fields(test.want)[0]+" is registered already\n") || code != 0 || err != "" {
				t.Errorf("again: exited with %d\nstdout: %s\nstderr: %s", code, out, err)
			}
		})
	}
}

func TestRegisterAsJSON(t *testing.T) {
	m := newMachine(t, map[string]string{"whois": sideBySide})
	dir := m.install(t, "opt/whois/1.5.0", "1.5.0")
	code, out, err := supctl(t, "--json", "register", "--deploy", "whois", "1.5.0")
	want := fmt.Sprintf(`{"app":"whois","version":"1.5.0","path":%q,"files":%q,"changed":true}`+"\n", dir, dir)
	if code != 0 || out != want || err != "" {
		t.Errorf("exited with %d\nstdout: %s\nstderr: %s", code, out, err)
	}
}

func TestRegisterFails(t *testing.T) {
	m := newMachine(t, map[string]string{"whois": sideBySide, "none": "user = \"none\"\n"})
	file := filepath.Join(m.dir, "apps/none.toml")
	tests := []struct {
		args string
		code int
		err  string
	}{
		{"whois 1.5.0", 1, "opt/whois/1.5.0 does not exist; install the release first, or name its directory"},
		{"none 1.5.0", 2, "where is 1.5.0 installed? give --path; there is no [release] in " + file + " that tells"},
		{"none ../1 --path /", 1, `"../1" is no version`},
		{"None 1 --path /", 1, `"None" is no app's name`},
		{"whois", 2, "register needs an app and a version"},
		{"whois 1.5.0 --depoly", 2, "unknown flag: --depoly"},
	}
	for _, test := range tests {
		args := append([]string{"register"}, strings.Fields(test.args)...)
		code, out, err := supctl(t, args...)
		if code != test.code || out != "" || !strings.HasPrefix(err, "supctl: ") || !strings.Contains(err, test.err) {
			t.Errorf("%s: exited with %d\nstdout: %s\nstderr: %s", test.args, code, out, err)
		}

		// The same in a maintainer script does not fail the package.
		code, out, err = supctl(t, append(args, "--from-maintscript")...)
		remedy := "; this does not fail the package: put it right, then run `supctl register " + test.args + "`\n"
		if code != 0 || out != "" || !strings.HasPrefix(err, "supctl: warning: ") || !strings.HasSuffix(err, remedy) || !strings.Contains(err, test.err) {
			t.Errorf("%s by a script: exited with %d\nstdout: %s\nstderr: %s", test.args, code, out, err)
		}
		t.Setenv(scriptVariable, "postinst")
		if code, _, err := supctl(t, args...); code != 0 || !strings.HasSuffix(err, remedy) {
			t.Errorf("%s by dpkg: exited with %d, %s", test.args, code, err)
		}
		t.Setenv(scriptVariable, "")
	}
	t.Setenv("DPKG_ROOT", "/target")
	for _, command := range []string{"register whois 1.5.0", "unregister whois 1.5.0", "releases whois"} {
		if code, _, err := supctl(t, strings.Fields(command)...); code != 1 || !strings.Contains(err, "/target") {
			t.Errorf("%s with DPKG_ROOT: exited with %d, %s", command, code, err)
		}
	}
	t.Setenv("DPKG_ROOT", "")
	denied := ofRegistry(&fs.PathError{Op: "mkdir", Path: "/var/lib/supd", Err: fs.ErrPermission})
	if codeOfError(denied) != 5 || !strings.HasSuffix(denied.Error(), "; be root, or name the file of a supd of your own with --config") {
		t.Errorf("%v", denied)
	}

	// Other commands keep their exit codes: maintainer scripts do not call them.
	t.Setenv(scriptVariable, "postinst")
	if code, _, _ := supctl(t, "hold", "whois", "--socket", m.dir+"/none.sock"); code != 4 {
		t.Errorf("hold by a script: exited with %d", code)
	}
}

// A package may be installed before supd is configured, or while its configuration
// is wrong.
func TestRegisterWithoutConfiguration(t *testing.T) {
	m := newMachine(t, map[string]string{"whois": "[release\n"})
	dir := m.install(t, "opt/whois/1.5.0", "1.5.0")
	code, _, err := supctl(t, "register", "whois", "1.5.0", "--path", dir)
	if code != 0 || !strings.HasPrefix(err, "supctl: warning: "+m.dir+"/apps/whois.toml: ") || strings.Count(err, "\n") != 1 || m.known(t, "whois") != "1.5.0" {
		t.Errorf("exited with %d, %s", code, err)
	}
	m.write(t, "supd.toml", "[daemon\n")
	t.Setenv("SUPD_DAEMON_STATE", m.dir+"/other")
	code, _, err = supctl(t, "register", "other", "1.5.0", "--path", dir)
	if code != 0 || !strings.HasPrefix(err, "supctl: warning: "+m.dir+"/supd.toml: ") {
		t.Errorf("exited with %d, %s", code, err)
	}
	if _, err := release.Open(m.dir+"/other").Get("other", "1.5.0"); err != nil {
		t.Error(err)
	}
}

func TestHost(t *testing.T) {
	m := newMachine(t, map[string]string{"whois": "[release]\ndirectory = \"/opt/{app}\"\n", "odd": "release = 3\n", "braces": "[release]\npath = \"/{nosuch}\"\n"})
	c := &call{err: os.Stderr, config: m.dir + "/supd.toml", socket: "/given", socketGiven: func() bool { return false }}
	h := c.host()
	d, _ := configs.Default()
	if want := (host{m.dir + "/state", m.dir + "/apps", m.dir + "/run/supd.sock", d.DropIns, false}); h != want {
		t.Errorf("%+v, want %+v", h, want)
	}
	for app, want := range map[string]installed{"whois": {directory: "/opt/whois"}, "odd": {}, "braces": {}, "none": {}} {
		want.file = m.dir + "/apps/" + app + ".toml"
		if got := c.installed(h, app); got != want {
			t.Errorf("%s: %+v", app, got)
		}
	}
	m.write(t, "supd.toml", "[daemon]\nstate = 5\n[control]\nsocket = \"/s\"\n")
	if h := c.host(); h.state != d.State || h.socket != "/s" {
		t.Errorf("%+v", h)
	}
	t.Setenv("SUPD_CONTROL_SOCKET", "/env")
	t.Setenv("SUPD_DAEMON_STATE", "relative")
	if h := c.host(); h.state != d.State || h.socket != "/env" {
		t.Errorf("%+v", h)
	}
	c.socketGiven = func() bool { return true }
	if h := c.host(); h.socket != "/given" || !h.another {
		t.Errorf("%+v", h)
	}
}

// TestHostOfAnother: --socket is that of a supd which has its directories elsewhere.
func TestHostOfAnother(t *testing.T) {
	m, other := newMachine(t, nil), t.TempDir()
	t.Setenv("SUPD_CONFIG", "")
	m.install(t, "opt", "1.5.0")
	path := socketPath(t)
	t.Setenv("SUPD_SOCKET", "")
	register := func(more ...string) (int, string) {
		code, _, err := supctl(t, append([]string{"--socket", path, "register", "whois", "1.5.0", "--path", m.dir + "/opt"}, more...)...)
		return code, err
	}
	theirs := release.Open(other + "/state")
	unknown := func() {
		t.Helper()
		for _, store := range []*release.Store{m.store, theirs} {
			if _, err := store.Get("whois", "1.5.0"); !errors.Is(err, release.ErrUnknown) {
				t.Errorf("it is registered: %v", err)
			}
		}
	}

	// nobody answers
	if code, err := register(); code != api.CodeNoTarget || !strings.Contains(err, "no supd answers on "+path) || !strings.Contains(err, "name the file of that supd with --config") {
		t.Errorf("exited with %d, %s", code, err)
	}
	for _, command := range []string{"releases whois", "unregister whois 1.5.0"} {
		if code, _, err := supctl(t, append([]string{"--socket", path}, strings.Fields(command)...)...); code != api.CodeNoTarget || !strings.Contains(err, "--config") {
			t.Errorf("%s: exited with %d, %s", command, code, err)
		}
	}
	unknown()

	// one that does not tell
	_, stop := serveOn(t, path, newFake(""))
	if code, err := register(); code != api.CodeFailed || !strings.Contains(err, "supd 1.2.3 on "+path+" does not tell; name the file") {
		t.Errorf("exited with %d, %s", code, err)
	}
	unknown()
	stop()

	// one that says where
	where := control.Where{Config: other + "/supd.toml", State: other + "/state", Apps: other + "/apps", DropIns: other + "/drop"}
	_, stop = serveFrom(t, path, newFake(""), &where)
	defer stop()
	if code, err := register("--config", m.dir+"/supd.toml"); code != api.CodeFailed || !strings.Contains(err, "has its releases in "+other+"/state, and "+m.dir+"/supd.toml says "+m.dir+"/state; leave out --socket or --config") {
		t.Errorf("exited with %d, %s", code, err)
	}
	unknown()
	if code, err := register(); code != 0 {
		t.Errorf("exited with %d, %s", code, err)
	}
	if _, err := theirs.Get("whois", "1.5.0"); err != nil {
		t.Error(err)
	}
	if m.known(t, "whois") != "" {
		t.Error("it is registered elsewhere")
	}
}

// TestFileOfAnother: what is said of a configuration, or done by it, is of the supd on
// --socket, and a file that contradicts it is refused.
func TestFileOfAnother(t *testing.T) {
	mine := newMachine(t, map[string]string{"whois": appOfAudit()})
	theirs := layAudited(t, strings.Replace(appOfAudit(), "unix:/run/whois.sock\"", "unix:/run/whois.sock\"\nmode = \"0666\"", 1))
	t.Setenv("SUPD_CONFIG", "")
	path := socketPath(t)
	t.Setenv("SUPD_SOCKET", "")
	where := control.Where{Config: theirs + "/supd.toml", State: theirs + "/state", Apps: theirs + "/apps", DropIns: theirs + "/drop"}
	d := newFake("")
	d.result = api.Result{Outcomes: []api.Outcome{{Name: "whois"}}}
	_, stop := serveFrom(t, path, d, &where)
	defer stop()
	for command, want := range map[string]string{
		"audit":                  "goes by " + theirs + "/supd.toml, and not by " + mine.dir + "/supd.toml; leave out --socket, or --config and SUPD_CONFIG",
		"run nosuch -- true":     "goes by " + theirs + "/supd.toml, and not by " + mine.dir + "/supd.toml",
		"releases whois":         "has its releases in " + theirs + "/state, and " + mine.dir + "/supd.toml says " + mine.dir + "/state",
		"unregister whois 1.5.0": "has its releases in " + theirs + "/state, and " + mine.dir + "/supd.toml says " + mine.dir + "/state",
	} {
		name, rest, _ := strings.Cut(command, " ")
		args := append([]string{"--socket", path, name, "--config", mine.dir + "/supd.toml"}, strings.Fields(rest)...)
		if code, out, err := supctl(t, args...); code != api.CodeFailed || !strings.Contains(err, want) || out != "" {
			t.Errorf("%s: exited with %d, %s%s, want %s", command, code, out, err, want)
		}
		t.Setenv("SUPD_CONFIG", mine.dir+"/supd.toml")
		if code, _, err := supctl(t, append([]string{"--socket", path, name}, strings.Fields(rest)...)...); code != api.CodeFailed || !strings.Contains(err, want) {
			t.Errorf("%s by SUPD_CONFIG: exited with %d, %s", command, code, err)
		}
		t.Setenv("SUPD_CONFIG", "")
	}
	if d.last.Action != "" {
		t.Errorf("supd was asked for %+v", d.last)
	}
	for _, more := range [][]string{nil, {"--config", theirs + "/supd.toml"}} {
		code, out, err := supctl(t, append([]string{"--socket", path, "audit", "whois"}, more...)...)
		if code != 1 || !strings.Contains(out, ": socket.web.mode: 0666 lets every user") || err != "" {
			t.Errorf("audit %q: exited with %d, %s%s", more, code, out, err)
		}
	}
	must(t, os.WriteFile(theirs+"/apps/whois.toml", []byte("usr = \"x\"\n"), 0o644))
	if code, _, err := supctl(t, "--socket", path, "check"); code != api.CodeInvalid || !strings.Contains(err, "apps/whois.toml:1: usr: unknown key") {
		t.Errorf("check: exited with %d, %s", code, err)
	}
	if code, _, err := supctl(t, "--socket", path, "check", "--config", mine.dir+"/supd.toml"); strings.Contains(err, "usr") {
		t.Errorf("check of a file that is not applied yet: exited with %d, %s", code, err)
	}
}

// TestHostOfAStranger: root does not write where somebody else says.
func TestHostOfAStranger(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("SUPD_TEST_REQUIRE") != "" {
			t.Fatal("needs root, and SUPD_TEST_REQUIRE is set")
		}
		t.Skip("only root can be told by another user")
	}
	m, other := newMachine(t, nil), t.TempDir()
	t.Setenv("SUPD_CONFIG", "")
	m.install(t, "opt", "1.5.0")
	path := socketPath(t)
	must(t, os.Chmod(filepath.Dir(path), 0o777))
	t.Setenv("SUPD_SOCKET", "")
	const uid = 65534
	var l net.Listener
	must(t, files.OnThreadOfItsOwn(func() (err error) {
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); errno != 0 { // of the thread alone
			return errno
		}
		l, err = net.Listen("unix", path)
		return err
	}))
	s := control.NewServer(newFake(""), control.Options{Log: slog.New(slog.DiscardHandler), Where: &control.Where{State: other}})
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	defer func() { must(t, errors.Join(s.Shutdown(t.Context()), <-ended)) }()
	code, _, err := supctl(t, "--socket", path, "register", "whois", "1.5.0", "--path", m.dir+"/opt")
	if code != api.CodeFailed || !strings.Contains(err, "(uid 65534), which may not say where root writes; be that user, or name its file with --config") {
		t.Errorf("exited with %d, %s", code, err)
	}
	if entries, _ := os.ReadDir(other); len(entries) > 0 {
		t.Error("something was written")
	}
}

// register tells supd, whose answer decides the exit code for people only.
func TestRegisterTellsSupd(t *testing.T) {
	outcome := func(code int, message string) api.Result {
		return api.Result{Code: code, Outcomes: []api.Outcome{{Name: "whois", Code: code, Message: message}}}
	}
	deployed := api.Result{Rollout: over(rollout(things[1]), 9, "no good")}
	tests := []struct {
		name, args, app string
		result          api.Result
		code            int
		out, err        string
	}{
		{"not to be deployed", "", "whois", outcome(0, "nothing to deploy"), 0, "", ""},
		{"queued", "--deploy", "whois", outcome(0, "queued behind the rollout to 1.6"), 0, "whois: queued behind the rollout to 1.6\n", ""},
		{"held", "--deploy", "whois", outcome(1, "held by root"), 1, "", "supctl: whois: held by root\n"},
		{"held, script", "--deploy --from-maintscript", "whois", outcome(1, "held by root"), 0, "", "supctl: warning: whois: held by root; this does not"},
		{"followed", "--deploy", "whois", deployed, 9, "12:03:04 replace whois/web.1: started 1.5.0, pid 4720\n", "supctl: whois: rolled back to 1.4.0: no good\n"},
		{"script does not wait", "--deploy --from-maintscript", "whois", deployed, 0, "", ""},
		{"unknown app", "--deploy", "new", outcome(0, ""), 0, "new: supd has no such app; it deploys 1.5.0 once there is a file for it\n", ""},
		{"unknown app, not deployed", "", "new", outcome(0, ""), 0, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMachine(t, nil)
			dir := m.install(t, "opt/1.5.0", "1.5.0")
			d := newRolling(t, test.result.Rollout)
			d.result = test.result
			serve(t, d)
			args := append([]string{"register", test.app, "1.5.0", "--path", dir}, strings.Fields(test.args)...)
			code, out, err := supctl(t, args...)
			_, out, _ = strings.Cut(out, "\n") // the registration itself
			if code != test.code || out != test.out || !strings.HasPrefix(err, test.err) || (err == "") != (test.err == "") {
				t.Errorf("exited with %d\nstdout: %s\nstderr: %s", code, out, err)
			}
			if test.app == "whois" && (d.last.Action != api.ActionRefresh || strings.Join(d.last.Targets, "") != "whois") {
				t.Errorf("asked for %+v", d.last)
			}
		})
	}
}

// hang makes supctl's socket one that never answers.
func hang(t *testing.T) {
	t.Helper()
	l, err := net.Listen("unix", socketPath(t))
	must(t, err)
	t.Cleanup(func() { l.Close() })
}

func TestSupdHangs(t *testing.T) {
	m := newMachine(t, nil)
	dir := m.install(t, "opt/1.5.0", "1.5.0")
	hang(t)
	patience := nudgeTime
	nudgeTime = 100 * time.Millisecond
	defer func() { nudgeTime = patience }()
	began := time.Now()
	code, out, err := supctl(t, "register", "whois", "1.5.0", "--path", dir, "--deploy")
	if took := time.Since(began); code != 0 || !strings.Contains(out, "supd has not answered yet") || err != "" || took > nudgeTime+deadline/2 {
		t.Errorf("exited with %d after %s\nstdout: %s\nstderr: %s", code, took, out, err)
	}
	if code, out, err := supctl(t, "unregister", "whois", "1.5.0"); code != 0 || out != "whois: 1.5.0 is forgotten\n" || m.known(t, "whois") != "" {
		t.Errorf("unregister: exited with %d\nstdout: %s\nstderr: %s", code, out, err)
	}
}

func TestRegisterDropIns(t *testing.T) {
	m := newMachine(t, map[string]string{"whois": sideBySide, "venv": inPlace})
	m.write(t, "drop/whois_1.5.0.toml", fmt.Sprintf("path = %q\n", m.install(t, "opt/whois/1.5.0", "1.5.0")))
	m.write(t, "drop/venv_2.toml", fmt.Sprintf("path = %q\ndeploy = true\n", m.install(t, "venv", "2")))
	m.write(t, "drop/new_1.toml", fmt.Sprintf("path = %q\n", m.install(t, "opt/new", "1")))
	m.write(t, "drop/bad_1.toml", "pth = 1\n")
	t.Setenv(scriptVariable, "postinst")
	args := []string{"register", "--drop-ins", m.dir + "/drop"}
	code, out, err := supctl(t, args...)
	if code != 0 || strings.Count(out, "registered") != 3 || !strings.HasPrefix(err, "supctl: warning: ") || !strings.Contains(err, "bad_1.toml") {
		t.Errorf("exited with %d\nstdout: %s\nstderr: %s", code, out, err)
	}
	for app, want := range map[string]string{"whois": "1.5.0", "venv": "2 snapshot deploy", "new": "1 snapshot"} {
		if got := m.known(t, app); got != want {
			t.Errorf("%s: %s, want %s", app, got, want)
		}
	}

	// venv is upgraded, whois is removed.
	must(t, os.Remove(m.dir+"/drop/bad_1.toml"))
	must(t, os.Remove(m.dir+"/drop/venv_2.toml"))
	must(t, os.Remove(m.dir+"/drop/whois_1.5.0.toml"))
	must(t, os.RemoveAll(m.dir+"/opt/whois/1.5.0"))
	must(t, os.Remove(m.dir+"/venv/app.py"))
	m.write(t, "drop/venv_3.toml", fmt.Sprintf("path = %q\n", m.install(t, "venv", "3")))
	if code, out, err := supctl(t, args...); code != 0 || err != "" {
		t.Errorf("exited with %d\nstdout: %s\nstderr: %s", code, out, err)
	}
	for app, want := range map[string]string{"whois": "", "venv": "2 snapshot deploy, 3 snapshot"} {
		if got := m.known(t, app); got != want {
			t.Errorf("%s: %s, want %s", app, got, want)
		}
	}

	// Both are removed while the older one is active: both are unregistered.
	m.state(t, "venv", release.State{Active: "2"})
	must(t, os.Remove(m.dir+"/drop/venv_3.toml"))
	must(t, os.RemoveAll(m.dir+"/venv"))
	if code, out, err := supctl(t, args...); code != 0 || err != "" || m.known(t, "venv") != "" {
		t.Errorf("exited with %d\nstdout: %s\nstderr: %s", code, out, err)
	}
}

// state writes the journal of an app.
func (m machine) state(t *testing.T, app string, s release.State) {
	t.Helper()
	path := m.store.StatePath(app)
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	j, err := release.OpenJournal(path)
	must(t, err)
	must(t, errors.Join(j.Write(s), j.Close()))
}

func TestUnregister(t *testing.T) {
	const kept = "supctl: whois 1.5.0 is active; `supctl deploy whois VERSION` or `supctl rollback whois` first, or insist with --force\n"
	under := release.State{Active: "1.4.0", Rollout: &release.Rollout{ID: 1, From: "1.4.0", To: "1.5.0"}}
	tests := []struct {
		name, args string
		state      release.State
		code       int
		known      string
		out, err   string
	}{
		{"inactive", "1.4.0", release.State{Active: "1.5.0"}, 0, "1.5.0", "whois: 1.4.0 is forgotten\n", ""},
		{"active", "1.5.0", release.State{Active: "1.5.0"}, 1, "1.4.0, 1.5.0", "", kept},
		{"in a rollout", "1.5.0", under, 1, "1.4.0, 1.5.0", "", kept},
		{"insisted on", "1.5.0 --force", release.State{Active: "1.5.0"}, 0, "1.4.0", "whois: 1.5.0 is forgotten\n", ""},
		{"all", "--all", release.State{Active: "1.4.0"}, 0, "", "whois: 1.5.0 is forgotten\nwhois: 1.4.0 is forgotten\n", ""},
		{"never deployed", "1.5.0", release.State{}, 0, "1.4.0", "whois: 1.5.0 is forgotten\n", ""},
		{"unknown", "2.0", release.State{Active: "1.5.0"}, 0, "1.4.0, 1.5.0", "whois: 2.0 is not registered\n", ""},
	}
	for _, test := range tests {
		for _, script := range []string{"", "prerm"} { // which makes no difference
			t.Run(test.name+script, func(t *testing.T) {
				m := newMachine(t, map[string]string{"whois": sideBySide})
				for _, version := range []string{"1.4.0", "1.5.0"} {
					m.install(t, "opt/whois/"+version, version)
					if code, _, err := supctl(t, "register", "whois", version); code != 0 {
						t.Fatal(err)
					}
				}
				m.state(t, "whois", test.state)
				t.Setenv(scriptVariable, script)
				code, out, err := supctl(t, append([]string{"unregister", "whois"}, strings.Fields(test.args)...)...)
				if code != test.code || out != test.out || err != test.err || m.known(t, "whois") != test.known {
					t.Errorf("exited with %d, %s are left\nstdout: %s\nstderr: %s", code, m.known(t, "whois"), out, err)
				}
			})
		}
	}
	m := newMachine(t, map[string]string{"whois": sideBySide})
	m.install(t, "opt/whois/1", "1")
	_, _, _ = supctl(t, "register", "whois", "1")
	m.state(t, "whois", release.State{Active: "1"})
	if code, out, err := supctl(t, "unregister", "whois", "1"); code != 0 || m.known(t, "whois") != "" {
		t.Errorf("the only one: exited with %d\nstdout: %s\nstderr: %s", code, out, err)
	}
	if code, out, err := supctl(t, "unregister", "nosuch", "--all"); code != 0 || out != "nosuch: no version is registered\n" {
		t.Errorf("all of an unknown app: exited with %d\nstdout: %s\nstderr: %s", code, out, err)
	}
	if code, _, err := supctl(t, "unregister", "nosuch", "1", "--all"); code != 2 || !strings.Contains(err, "no version") {
		t.Errorf("all and one: exited with %d\nstderr: %s", code, err)
	}
	if code, out, err := supctl(t, "unregister", "nosuch", "1"); code != 0 || out != "nosuch: 1 is not registered\n" {
		t.Errorf("of an unknown app: exited with %d\nstdout: %s\nstderr: %s", code, out, err)
	}
}

func TestUnregisterAsksSupd(t *testing.T) {
	refusal := api.Result{Code: 1, Error: "whois 1.5.0 is active; deploy another one first"}
	outcome := func(code int, message string) api.Result {
		return api.Result{Code: code, Outcomes: []api.Outcome{{Name: "whois", Code: code, Message: message}}}
	}
	tests := []struct {
		name, app    string
		active       string
		result       api.Result
		code, script int
		out, err     string
		left         string
	}{
		{"done", "whois", "1.4.0", outcome(0, "1.5.0 is forgotten"), 0, 0, "whois: 1.5.0 is forgotten\n", "", "1.5.0"}, // by the fake supd
		{"refused", "whois", "1.5.0", refusal, 1, 1, "", "supctl: whois 1.5.0 is active; deploy another one first\n", "1.5.0"},
		{"drains", "whois", "1.5.0", outcome(8, "still STOPPING"), 8, 0, "", "whois: still STOPPING", "1.5.0"},
		{"not supd's", "whois", "", api.Result{Code: 1, Error: "whois has no [release]"}, 0, 0, "whois: 1.5.0 is forgotten\n", "", ""},
		{"unknown to supd", "new", "", refusal, 0, 0, "new: 1.5.0 is forgotten\n", "", ""},
	}
	for _, test := range tests {
		for _, script := range []bool{false, true} {
			t.Run(fmt.Sprint(test.name, script), func(t *testing.T) {
				m := newMachine(t, nil)
				dir := m.install(t, "opt/1.5.0", "1.5.0")
				if code, _, err := supctl(t, "register", test.app, "1.5.0", "--path", dir); code != 0 {
					t.Fatal(err)
				}
				d := newFake("/nonexistent")
				d.result = test.result
				d.status.Apps[1].Release = test.active
				serve(t, d)
				args, code := []string{"unregister", test.app, "1.5.0"}, test.code
				if script {
					args, code = append(args, "--from-maintscript"), test.script
				}
				got, out, err := supctl(t, args...)
				if got != code || out != test.out || !strings.Contains(err, test.err) || (err == "") != (test.err == "") || m.known(t, test.app) != test.left {
					t.Errorf("exited with %d, %s is left\nstdout: %s\nstderr: %s", got, m.known(t, test.app), out, err)
				}
				wantWait := time.Duration(0)
				if script {
					wantWait = scriptTime
				}
				if test.app == "whois" && (d.last.Action != api.ActionUnregister || d.last.Version != "1.5.0" || d.last.Timeout != wantWait) {
					t.Errorf("asked for %+v", d.last)
				}
			})
		}
	}
}

func TestReleases(t *testing.T) {
	m := newMachine(t, map[string]string{"whois": sideBySide})
	for _, version := range []string{"1.3", "1.4", "1.5", "1.6"} {
		m.install(t, "opt/whois/"+version, version)
		if code, _, err := supctl(t, "register", "whois", version); code != 0 {
			t.Fatal(err)
		}
	}
	must(t, os.RemoveAll(m.dir+"/opt/whois/1.3"))
	entry := release.Rollout{ID: 1, Kind: "deploy", From: "1.4", To: "1.5", By: "root (uid 0, pid 7)", StartedAt: noon, EndedAt: noon.Add(12 * time.Second), Result: "rolled back", Reason: "web.1: \x1bexited"}
	first := release.Rollout{ID: 0, Kind: "deploy", To: "1.4", By: "root (uid 0, pid 7)", StartedAt: noon, EndedAt: noon.Add(time.Minute), Result: "done"}
	m.state(t, "whois", release.State{Active: "1.4", Previous: "1.6", Deployed: map[string]time.Time{"1.4": noon},
		Failed: map[string]release.Mark{"1.5": {At: noon, Reason: "web.1: exited"}}, History: []release.Rollout{first, entry},
		Held: &release.Hold{By: "root (uid 0, pid 9)", At: noon}})
	code, out, err := supctl(t, "releases", "whois", "-n", "1")
	lines := strings.Split(out, "\n")
	if code != 0 || err != "" || len(lines) != 11 {
		t.Fatalf("exited with %d, %s\n%s", code, err, out)
	}
	// Who registers, and when, differs between runs: those columns are left out.
	want := []string{"whois is held since 2026-11-24 12:03:04 by root (uid 0, pid 9): no reason given", "",
		"VERSION STATE PATH", "1.3 missing " + m.dir, "1.4 active " + m.dir, "1.5 failed exited)", "1.6 previous " + m.dir, "",
		"ROLLOUT KIND VERSIONS STARTED TOOK BY RESULT", "1 deploy 1.4 → 1.5 2026-11-24 12:03:04 12s root (uid 0, pid 7) rolled back: web.1: exited", ""}
	for i, line := range lines {
		words := strings.Fields(line)
		for _, word := range strings.Fields(want[i]) {
			if !strings.Contains(strings.Join(words, " "), word) {
				t.Errorf("line %d: %q, want %q", i, line, want[i])
			}
		}
	}
	if got := strings.Join(strings.Fields(lines[9]), " "); got != want[9] {
		t.Errorf("history %q, want %q", got, want[9])
	}
	if code, out, _ := supctl(t, "releases", "whois", "--json"); code != 0 || !strings.HasPrefix(out, `{"app":"whois","held":{"by":"root (uid 0, pid 9)"`) || strings.Count(out, `"version":`) != 4 {
		t.Errorf("exited with %d, %s", code, out)
	}
	if code, out, err := supctl(t, "releases", "nosuch"); code != 4 || out != "" || err != "supctl: no release of \"nosuch\" is registered in "+m.dir+"/state\n" {
		t.Errorf("exited with %d, %s%s", code, out, err)
	}

	// supd's answer takes precedence over the files.
	d := newFake("/nonexistent")
	d.releases = &api.ReleaseList{App: "whois", Releases: []api.ReleaseStatus{{Version: "9.9"}}}
	serve(t, d)
	if code, out, _ := supctl(t, "releases", "whois"); code != 0 || !strings.Contains(out, "9.9") || strings.Contains(out, "1.4") {
		t.Errorf("exited with %d, %s", code, out)
	}
	if code, _, err := supctl(t, "releases", "whos"); code != 4 || !strings.Contains(err, `did you mean "whois"?`) {
		t.Errorf("exited with %d, %s", code, err)
	}
	d.releases = nil
	if code, out, err := supctl(t, "releases", "whois"); code != 1 || out != "" || !strings.Contains(err, "has no [release]") {
		t.Errorf("exited with %d, %s%s", code, out, err)
	}
}
