package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"supd/privdrop"
	"supd/privdrop/files"
	"supd/socket"
)

// layRelease gives a loaded app named app with [release], and a release of it
// with the given files, seen by its workers at /opt/app.
func layRelease(t testing.TB, app string, files map[string]string) (*Config, Version) {
	t.Helper()
	dir := lay(t, map[string]string{"apps/app.toml": "user = \"nobody\"\n[release]\npath = \"/opt/app\"\n" + app})
	v := Version{"1.4.0", "/opt/app", filepath.Join(dir, "files")}
	put(t, dir, "files/README", "")
	for name, text := range files {
		put(t, dir, "files/"+name, text)
	}
	c, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c, v
}

// with gives the app with the release, and its process web.
func with(t testing.TB, c *Config, v Version) (*App, Process) {
	t.Helper()
	a, err := c.With("app", v)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(a.Processes, func(p Process) bool { return p.Name == "web" })
	if i < 0 {
		t.Fatalf("no process web in %+v", a.Processes)
	}
	return a, a.Processes[i]
}

// TestLayers: of a key that several say, the app's file wins over the release,
// and that over the defaults; env is merged name by name, kinds replace kinds.
func TestLayers(t *testing.T) {
	dir := lay(t, map[string]string{
		"supd.toml": "[defaults.process]\ncount = 7\numask = \"0077\"\ngive_up_after = 7\nenv = { D = \"defaults\", R = \"defaults\" }\nready = { notify = true }\nhealth = { exec = \"true\", interval = \"20s\" }\n",
		"apps/app.toml": `user = "nobody"
[release]
directory = "/opt/app"
[env]
A = "app"
B = "app"
[socket.web]
listen = "tcp:127.0.0.1:80"
[process.web]
count = 2
sockets = ["web"]
env = { B = "host" }
after = ["worker"]
ready = { timeout = "5s" }
health = { tcp = true }
[process.own]
command = "serve"
`,
		"opt/supd.toml": `[process.web]
command = "bin/serve --release {release}"
count = 3
give_up_after = 3
env = { A = "release", B = "release", R = "release" }
after = []
ready = { http = "/{app}/up", timeout = "1m" }
health = { http = "/", failures = 9 }
[process.worker]
command = ["work", "{version}"]
count = 5
`,
	})
	c, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	v := Version{"1.4.0", "/opt/app/1.4.0", dir + "/opt"}
	before := *c
	a, web := with(t, c, v)
	if diff := cmp.Diff(before, *c, cmp.AllowUnexported(Config{}, App{}, value{}, appSource{}, read{}, stamp{}, socket.Owner{})); diff != "" {
		t.Errorf("With has changed the Config:\n%s", diff)
	}
	var names []string
	for _, p := range a.Processes {
		names = append(names, fmt.Sprint(p.Name, " ", p.Count, " ", p.Command, " ", p.Directory, " ", p.GiveUpAfter, " ", p.Umask, " ", p.User, " ", p.Log.File))
	}
	want := []string{
		"own 7 [serve] /opt/app/1.4.0 7 0077 nobody /var/log/supd/app/own.log",
		"web 2 [bin/serve --release {release}] /opt/app/1.4.0 3 0077 nobody /var/log/supd/app/web.log",
		"worker 5 [work {version}] /opt/app/1.4.0 7 0077 nobody /var/log/supd/app/worker.log",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("processes, -want +got:\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"A": "app", "B": "host", "R": "release", "D": "defaults"}, web.Env); diff != "" {
		t.Errorf("env, -want +got:\n%s", diff)
	}
	if diff := cmp.Diff(Ready{HTTP: "/app/up", Timeout: 5 * time.Second}, web.Ready); diff != "" {
		t.Errorf("ready, -want +got:\n%s", diff)
	}
	if diff := cmp.Diff(Health{TCP: "probe", MaxAge: 30 * time.Second, Interval: 20 * time.Second, Timeout: 3 * time.Second, Failures: 9, Children: 5}, web.Health); diff != "" {
		t.Errorf("health, -want +got:\n%s", diff)
	}
	if got := []int{a.Processes[0].Line, web.Line, a.Processes[2].Line}; !slices.Equal(got, []int{16, 9, 1}) {
		t.Errorf("lines %v, want those of the app's file", got)
	}
	if !web.Probe() || !web.Health.Asks() || a.Processes[0].Probe() || !a.Processes[0].Health.Asks() {
		t.Errorf("probes: %+v", a.Processes)
	}
}

// TestOpen: without a release the processes of the app's file are there, without
// what the release decides.
func TestOpen(t *testing.T) {
	c, _ := layRelease(t, `[process.web]
venv = "env"
[process.job]
command = "job"
after = ["release-only"]
directory = "{release}/src"
venv = "/opt/venv"
[process.stays]
command = "{env.FROM_RELEASE} {socket.probe}"
directory = "."
venv = "../env"
ready = { timeout = "1s" }
health = { socket = "web", timeout = "20s" }
backoff = { initial = "1m" }
`, nil)
	a := c.Apps[0]
	var got []string
	for _, p := range a.Processes {
		got = append(got, fmt.Sprintf("%s %q %q %q", p.Name, p.Command, p.Directory, p.Venv))
	}
	home := filepath.Dir(c.Path)
	want := []string{
		`job ["job"] "" "/opt/venv"`,
		fmt.Sprintf(`stays ["{env.FROM_RELEASE}" "{socket.probe}"] %q %q`, home+"/apps", home+"/env"),
		`web [] "" ""`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(&Releases{Path: "/opt/app", Keep: 3}, a.Release); diff != "" || !a.Release.InPlace() {
		t.Errorf("release, -want +got:\n%s", diff)
	}
	if errs := c.Verify(); len(errs) > 0 {
		t.Errorf("Verify: %v", errs)
	}
	if (Releases{Directory: "/opt/app"}).InPlace() {
		t.Error("side by side is not in place")
	}
	if c, err := load(lay(t, map[string]string{"apps/app.toml": "user = \"nobody\"\n[release]\npath = \"/x\"\n"})); err != nil || len(c.Apps[0].Processes) != 0 {
		t.Errorf("an app whose release brings all processes: %v", err)
	}
}

// TestOpenErrors: what no release can put right is an error without one.
func TestOpenErrors(t *testing.T) {
	_, err := load(lay(t, map[string]string{"apps/app.toml": `user = "nobody"
[release]
path = "/opt/app"
[process.web]
ready = { http = "/" }
health = { tcp = true, socket = "web", interval = "1s", timeout = "2s" }
backoff = { initial = "2s", max = "1s" }
after = ["web"]
[process.late]
ready = { uptime = "2s", timeout = "1s" }
command = "{env.A"
`}))
	want := `apps/app.toml:5: process.web.ready.http: asks through a socket that the worker inherits, but sockets names none that connections come in on; name one, or give the address that the program binds itself
apps/app.toml:6: process.web.health.socket: "web" is not among the sockets of this process
apps/app.toml:6: process.web.health.timeout: timeout 2s is longer than interval 1s; set a shorter timeout
apps/app.toml:7: process.web.backoff.initial: initial 2s is longer than max 1s
apps/app.toml:8: process.web.after: waits for itself: web → web
apps/app.toml:10: process.late.ready.uptime: uptime 2s is not reached within timeout 1s; set a longer timeout
apps/app.toml:11: process.late.command: "{" begins a variable such as {app}; write "{{" for a brace`
	if diff := cmp.Diff(want, told(err)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestVenv: that of the release by default, where it has one.
func TestVenv(t *testing.T) {
	tests := []struct {
		name, host, release, dir string
		directory, venv          string
	}{
		{"none", "", "", "", "/opt/app", ""},
		{"the default", "", "", "venv", "/opt/app", "/opt/app/venv"},
		{"the release's", "", "venv = \"env\"", "venv", "/opt/app", "/opt/app/env"},
		{"the release's, with another directory", "directory = \"/srv\"", "venv = \"x/../env/\"", "", "/srv", "/opt/app/env"},
		{"all of it", "", "venv = \".\"", "", "/opt/app", "/opt/app"},
		{"the host's", "venv = \"/venv\"", "venv = \"env\"", "venv", "/opt/app", "/venv"},
		{"the host's, relative", "venv = \"env\"", "", "venv", "/opt/app", "/opt/app/env"},
		{"below another directory", "directory = \"{release}/src\"\nvenv = \"../{version}\"", "", "", "/opt/app/src", "/opt/app/1.4.0"},
		{"all of it, by the host", "venv = \"{release}\"", "", "", "/opt/app", "/opt/app"},
	}
	for _, test := range tests {
		files := map[string]string{"supd.toml": "[process.web]\ncommand = \"x\"\n" + test.release + "\n"}
		if test.dir != "" {
			files[test.dir+"/pyvenv.cfg"] = ""
		}
		c, v := layRelease(t, "[process.web]\n"+test.host+"\n", files)
		if _, p := with(t, c, v); p.Directory != test.directory || p.Venv != test.venv {
			t.Errorf("%s: got directory %q, venv %q, want %q, %q", test.name, p.Directory, p.Venv, test.directory, test.venv)
		}
	}
	c, v := layRelease(t, "[process.web]\ncommand = \"x\"\n", map[string]string{"venv": "a file"})
	if _, p := with(t, c, v); p.Venv != "" {
		t.Errorf("a file is no venv, got %q", p.Venv)
	}
}

// TestRefusedRelease: a release sets what it may, and nothing else.
func TestRefusedRelease(t *testing.T) {
	const command = "[process.web]\ncommand = \"x\"\n"
	tests := []struct{ name, text, want string }{
		{"syntax", "[process", "FILE:1: expected ']' to close table name"},
		{"the app's keys", "user = \"root\"\nallow_root = true\n[socket.x]\n[release]\n[env]\n[rollout]\n", `FILE:1: user: a release cannot set user; set it in apps/app.toml
FILE:2: allow_root: a release cannot set allow_root; set it in apps/app.toml
FILE:3: socket: a release cannot set socket; set it in apps/app.toml
FILE:4: release: a release cannot set release; set it in apps/app.toml
FILE:5: env: a release cannot set env; set it in apps/app.toml
FILE:6: rollout: a release cannot set rollout; set it in apps/app.toml`},
		{"a later one", "operators = []\n" + command + "sandbox = {}\nuser = \"root\"\n", `FILE:1: operators: a release cannot set operators; set it in apps/app.toml
FILE:4: process.web.sandbox: a release cannot set sandbox; set it in apps/app.toml
FILE:5: process.web.user: a release cannot set user; set it in apps/app.toml`},
		{"unknown", "[proces.web]\n[defaults.process]\n", "FILE:1: proces: unknown key, did you mean \"process\"?\nFILE:2: defaults: unknown key; known: process"},
		{"no tables", "process = 1\n", "FILE:1: process: want a table, got an integer"},
		{"no table", "[process]\nweb = 1\n", "FILE:2: process.web: want a table, got an integer"},
		{"a near one", command + "comand = \"x\"\n", `FILE:3: process.web.comand: unknown key, did you mean "command"?`},
		{"a name", "[process.\"../x\"]\ncommand = \"x\"\n", `FILE:1: process."../x": "../x" is no name: want a-z, 0-9, _ and -, beginning with a letter or digit`},
		{"values", command + "count = \"2\"\nready = { htpt = \"/\" }\nenv = { LISTEN_FDS = \"hunter2\" }\n", `FILE:3: process.web.count: want an integer, got a string
FILE:4: process.web.ready.htpt: unknown key, did you mean "http"?
FILE:5: process.web.env.LISTEN_FDS: is set by supd for each worker; remove it`},
		{"a venv outside", command + "venv = \"../../etc\"\n", `FILE:3: process.web.venv: "../../etc": want a path inside of the release`},
		{"an absolute venv", command + "venv = \"/etc\"\n", `FILE:3: process.web.venv: "/etc": want a path inside of the release`},
		{"a venv by a variable", command + "venv = \"{release}\"\n", `FILE:3: process.web.venv: "/opt/app": want a path inside of the release`},
		{"no command", "[process.job]\ncount = 2\n", "apps/app.toml:6: process.bare: has no command, and the release brings none\nFILE:1: process.job: has no command, and the release brings none"},
		{"after", command + "after = [\"wbe\"]\n", `FILE:3: process.web.after: "wbe": no [process.wbe] in the app's file or the release's, did you mean "web"?`},
		{"a cycle", command + "after = [\"job\"]\n[process.job]\ncommand = \"x\"\nafter = [\"web\"]\n", "FILE:6: process.job.after: waits for itself: job → web → job"},
		{"a question", command + "ready = { http = \"/\" }\nhealth = { exec = \"{socket.probe}\" }\n", "FILE:3: process.web.ready.http: asks through a socket that the worker inherits, but sockets names none that connections come in on; name one, or give the address that the program binds itself"},
		{"an expression", command + "ready = { log = \"" + strings.Repeat("a{1000}", 140) + "\" }\n", "FILE:3: process.web.ready.log: a regular expression as large as one of 140000 letters, with each {n} written out: want at most 1000; repeat less in it"},
		{"a variable", command + "env = { A = \"{env.QQQQQQQQ}\" }\nhealth = { exec = \"{relase}\" }\n", "FILE:3: process.web.env.A: no such variable; set it in env or env_file, or name it in env_inherit\nFILE:4: process.web.health.exec: {relase}: unknown variable, did you mean {release}?"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			host := "[process.web]\ncommand = \"host\"\n"
			if test.name == "no command" {
				host += "[process.bare]\n"
			}
			c, v := layRelease(t, host, map[string]string{"supd.toml": test.text})
			a, err := c.With("app", v)
			if err == nil || a != nil {
				t.Fatalf("got %v, %v, want an error", a, err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("a value of env is shown")
			}
			got := strings.ReplaceAll(err.Error(), strings.TrimPrefix(v.file(), filepath.Dir(c.Path)+"/"), "FILE")
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestReleaseAllows: every key of a process is either allowed to a release or
// refused to it by name, whatever keys there will be.
func TestReleaseAllows(t *testing.T) {
	for _, name := range allNames(processKeys) {
		c, v := layRelease(t, "[process.web]\n", map[string]string{"supd.toml": "[process.web]\n" + name + " = {}\n"})
		_, err := c.With("app", v)
		refused := strings.Contains(told(err), "process.web."+name+": a release cannot set "+name+"; set it in apps/app.toml")
		if allowed := slices.Contains(releaseProcessKeys, name); allowed == refused {
			t.Errorf("%s: allowed %v, got %v", name, allowed, err)
		}
	}
	for _, name := range releaseProcessKeys {
		if !slices.Contains(names(processKeys), name) && !slices.ContainsFunc(names(processKeys), func(k string) bool { return strings.HasPrefix(k, name+".") }) {
			t.Errorf("%s is allowed to a release, and no key", name)
		}
	}
}

// TestReleaseFile: only a regular file of moderate size is read.
func TestReleaseFile(t *testing.T) {
	c, v := layRelease(t, "[process.web]\ncommand = \"x\"\n", nil)
	file := v.file()
	try := func(name, want string, lay func() error) {
		t.Helper()
		if err := os.RemoveAll(file); err != nil {
			t.Fatal(err)
		}
		if err := lay(); err != nil {
			t.Fatal(err)
		}
		_, err := c.With("app", v)
		if got := told(err); !strings.HasSuffix(got, want) || (got == "") != (want == "") {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	try("none", "", func() error { return nil })
	try("empty", "", func() error { return os.WriteFile(file, nil, 0o600) })
	try("a link out", "files/supd.toml: is a symbolic link, which is not followed out of a release; ship the file itself", func() error { return os.Symlink("/etc/passwd", file) })
	try("a link to nowhere", "is a symbolic link, which is not followed out of a release; ship the file itself", func() error { return os.Symlink("/no/such/file", file) })
	try("a pipe", "files/supd.toml: is not a regular file", func() error { return unix.Mkfifo(file, 0o600) })
	try("a directory", "files/supd.toml: is not a regular file", func() error { return os.Mkdir(file, 0o700) })
	try("large", "files/supd.toml: is longer than 1048576 bytes", func() error { return os.WriteFile(file, make([]byte, 1<<20+1), 0o600) })
	try("no release", "files: the files of 1.4.0 are not there: no such file or directory", func() error { return os.RemoveAll(v.Files) })
	try("a file as release", "files/supd.toml: not a directory", func() error { return os.WriteFile(v.Files, nil, 0o600) })
}

func TestWithNone(t *testing.T) {
	c, dir := loadApp(t, "user = \"nobody\"\n[process.web]\ncommand = \"x\"\n")
	v := Version{"1.4.0", dir, dir}
	if err := os.Remove(dir + "/supd.toml"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.With("app", v); told(err) != "apps/app.toml: has no [release], and cannot run 1.4.0" {
		t.Errorf("got %v", err)
	}
	if _, err := c.With("none", v); told(err) != `apps: no app "none"` {
		t.Errorf("got %v", err)
	}
}

// TestWithAtOnce: releases are looked at in several goroutines.
func TestWithAtOnce(t *testing.T) {
	c, v := layRelease(t, "[process.web]\nenv = { A = \"1\" }\n", map[string]string{"supd.toml": "[process.web]\ncommand = \"true\"\n"})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			a, err := c.With("app", v)
			if err != nil || len(c.VerifyApp(a, v)) > 0 || len(c.TrapsOf(a)) > 0 {
				t.Errorf("got %v, %v", err, c.VerifyApp(a, v))
			}
			c.Verify()
			c.Traps()
		})
	}
	all.Wait()
}

// TestVerifyApp: all that workers will see at /opt/app is looked for in the files
// of the release, whatever is installed there.
func TestVerifyApp(t *testing.T) {
	c, v := layRelease(t, `[process.web]
[process.aside]
command = "bin/linked"
directory = "/opt/app/aside"
venv = "/opt/app/none"
[process.host]
command = "no-such-program"
env_file = "/no/such/file"
`, map[string]string{
		"supd.toml": `[process.web]
command = "serve"
ready = { exec = "bin/relative" }
health = { exec = "{release}/bin/absolute" }
[process.missing]
command = "{release}/bin/none"
health = { exec = "bin/none-either" }
[process.script]
command = "bin/script"
[process.moved]
command = "/opt/app/bin/moved"
[process.loop]
command = "bin/loop"
[process.late]
command = "{env.HOME}/x"
[process.path]
command = "relative"
env = { PATH = "{release}/bin" }
[process.python]
command = "pip"
`,
		"venv/bin/serve": "#!/opt/app/venv/bin/python3\n", "venv/bin/pip": "#!/opt/app/venv/bin/python\n",
		"bin/target": "#!/bin/sh\n", "bin/script": "#!/opt/app/bin/absolute -E\n", "bin/moved": "#!/opt/other/bin/python3\n",
		"libexec/linked": "#!/opt/app/none/python3\n",
	})
	for link, target := range map[string]string{
		"bin/relative": "target", "bin/absolute": "/opt/app/bin/relative", "bin/loop": "loop",
		"venv/bin/python3": "/usr/bin/env", "venv/bin/python": "python3.nowhere",
		"aside": "/opt/app/lib", "lib": "libexec/../libexec", "libexec/bin": ".",
	} {
		if err := os.Symlink(target, filepath.Join(v.Files, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"venv/bin/serve", "venv/bin/pip", "bin/target", "bin/script", "bin/moved", "libexec/linked"} {
		if err := os.Chmod(filepath.Join(v.Files, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	a, err := c.With("app", v)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, e := range c.VerifyApp(a, v) {
		got.WriteString(strings.ReplaceAll(e.Error(), v.Files, "FILES") + "\n")
	}
	golden(t, "testdata/verify-app.golden", got.String())
	if diff := cmp.Diff([]Error{{"apps/app.toml", 11, "process.host.env_file", "/no/such/file: open /no: no such file or directory"}}, c.Verify()); diff != "" {
		t.Errorf("without a release, -want +got:\n%s", diff)
	}
}

// TestVerifyVenvColon: a version with an epoch may be in the path of a venv.
func TestVerifyVenvColon(t *testing.T) {
	c, v := layRelease(t, "[process.web]\ncommand = \"true\"\n", map[string]string{"venv/pyvenv.cfg": ""})
	v.Name, v.Path = "1:1.4.0", "/opt/app/1:1.4.0"
	a, _ := with(t, c, v)
	want := []Error{{"apps/app.toml", 4, "process.web.venv", `/opt/app/1:1.4.0/venv: a ":" divides PATH, so that its bin would not be found; choose a directory without one`}}
	if diff := cmp.Diff(want, c.VerifyApp(a, v)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestVerifyAppPaths: the names of a release's processes must fit as well.
func TestVerifyAppPaths(t *testing.T) {
	name := strings.Repeat("n", 64)
	c, v := layRelease(t, "", map[string]string{"supd.toml": "[process." + name + "]\ncommand = \"true\"\n"})
	c.Daemon.Runtime = Runtime("/run/" + strings.Repeat("x", 30))
	a, err := c.With("app", v)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.VerifyApp(a, v); len(got) != 1 || got[0].Key != "daemon.runtime" || !strings.Contains(got[0].Msg, "would have 121 bytes") {
		t.Errorf("got %v", got)
	}
}

// TestReleaseTraps: what a release may put right is no trap before it is known.
func TestReleaseTraps(t *testing.T) {
	c, v := layRelease(t, `[socket.web]
listen = "tcp:127.0.0.1:80"
[process.web]
command = "gunicorn --daemon x"
sockets = ["web"]
ready = { timeout = "5s" }
[process.none]
[process.uwsgi]
command = "uwsgi --ini x.ini"
`, map[string]string{
		"supd.toml": "[process.none]\ncommand = \"gunicorn --pid /x x\"\nenv = { SECRET_KEY = \"hunter2\" }\nready = { exec = \"true\" }\nstop = [[\"TERM\", \"2m\"]]\n",
		"x.ini":     "[uwsgi]\nmaster = true\nneed-app = true\nhook-master-start = unix_signal:15 gracefully_kill_them_all\nshutdown-sockets = true\n",
	})
	tell := func(warnings []Warning) string {
		var b strings.Builder
		for _, w := range warnings {
			b.WriteString(w.String() + "\n")
		}
		return b.String()
	}
	checkWords(t, tell(c.Traps()), []string{"7: process.web.command: with --daemon"})
	a, _ := with(t, c, v)
	checkWords(t, tell(c.TrapsOf(a)), []string{
		"app.toml:6: process.web.stop: gunicorn lets",
		"app.toml:7: process.web.command: with --daemon",
		"app.toml:9: process.web.ready: gunicorn is there",
		"app.toml:12: process.uwsgi.command: shutdown-sockets",
		"supd.toml:2: process.none.command: with --pid",
		"supd.toml:3: process.none.env.SECRET_KEY: seems",
	})
}

func TestSmokeProcess(t *testing.T) {
	const sockets = "[rollout]\nsmoke = \"/\"\n[socket.web]\nlisten = \"tcp:127.0.0.1:80\"\n[socket.log]\nlisten = \"udp:127.0.0.1:514\"\n"
	web := func(name, more string) string {
		return "[process." + name + "]\ncommand = \"x\"\nsockets = [\"log\", \"web\"]\n" + more
	}
	tests := []struct{ name, text, want string }{
		{"by name", web("b", "") + web("a", ""), "a"},
		{"what waits comes later", web("a", "after = [\"z\"]\n") + web("z", ""), "z"},
		{"as deep as it is", web("b", "after = [\"c\"]\n") + web("c", "after = [\"d\"]\n") + web("e", "after = [\"d\"]\n") + "[process.d]\ncommand = \"x\"\n", "c"},
		{"only streams", "[process.a]\ncommand = \"x\"\nsockets = [\"log\"]\n" + web("b", ""), "b"},
		{"none that shares", web("a", "ready = { http = \"/\", socket = \"web\" }\n") + web("b", "health = { tcp = true, socket = \"web\" }\n") + web("c", "ready = { http = \"/\" }\n"), "c"},
	}
	for _, test := range tests {
		c, _ := loadApp(t, "user = \"nobody\"\n"+sockets+test.text)
		if p := c.Apps[0].SmokeProcess(); p == nil || p.Name != test.want {
			t.Errorf("%s: got %+v, want %s", test.name, p, test.want)
		}
	}
	c, v := layRelease(t, "[rollout]\nsmoke = \"/\"\n[process.web]\ncommand = \"x\"\n", nil)
	if _, err := c.With("app", v); !strings.Contains(told(err), "apps/app.toml:5: rollout.smoke: app app has no process to start a candidate of") {
		t.Errorf("got %v", err)
	}
	if c.Apps[0].SmokeProcess() != nil {
		t.Error("want none")
	}
}

// TestSmokeNone: an app takes back what [defaults.rollout] says.
func TestSmokeNone(t *testing.T) {
	const app = "user = \"nobody\"\n[process.web]\ncommand = \"x\"\n"
	dir := lay(t, map[string]string{"supd.toml": "[defaults.rollout]\nsmoke = \"/\"\n", "apps/app.toml": app})
	if _, err := load(dir); !strings.HasPrefix(told(err), "supd.toml:2: defaults.rollout.smoke: app app has no process") {
		t.Errorf("got %v", err)
	}
	put(t, dir, "apps/app.toml", app+"[rollout]\nsmoke = \"\"\n")
	if c, err := load(dir); err != nil || c.Apps[0].Rollout.Smoke != "" {
		t.Errorf("got %v", err)
	}
}

func TestVersionProblem(t *testing.T) {
	for _, good := range []string{"1", "1.4.0", "1:2.3~rc1-1+b2", "2026-01-02_abc", "v1", "A", strings.Repeat("9", 64)} {
		if problem := VersionProblem(good); problem != "" {
			t.Errorf("%q: %s", good, problem)
		}
	}
	for _, bad := range []string{"", ".", "..", ".1", "-1", "~1", "1/2", "1 2", "1\n", "1\x00", "ä", "{app}", "*", strings.Repeat("9", 65)} {
		if VersionProblem(bad) == "" {
			t.Errorf("%q is no version", bad)
		}
	}
}

// FuzzRelease: whatever a release's file holds, it is read or refused with a
// place in one of the two files, and only what is allowed has an effect.
func FuzzRelease(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.toml", "testdata/full/apps/*.toml", "examples/apps/*.toml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			f.Add(string(readFile(f, file)))
		}
	}
	f.Add("[process.web]\nvenv = \"x/../y\"\ncount = 3\nenv = { A = \"{release}\" }\n")
	host := &report{}
	top, _ := parse("/etc/supd/apps/app.toml", []byte("user = \"nobody\"\n[release]\npath = \"/opt/app\"\n[process.web]\ncommand = \"x\"\n"), host)
	f.Fuzz(func(t *testing.T, text string) {
		l := newLoader("/etc/supd/none.toml", []Option{Environ(nil), Root(true)})
		l.daemon(false)
		v := Version{"1", "/opt/app", "/files"}
		file, ok := parse(v.file(), []byte(text), l.scope.report)
		if !ok {
			return
		}
		a := l.resolved(top, v, l.releaseTable(top.Place.File, file))
		if errs := l.scope.report.sorted(); len(errs) > 0 {
			for _, e := range errs {
				if e.File != "/files/supd.toml" && e.File != "apps/app.toml" || strings.Contains(e.Error(), "\n") {
					t.Errorf("%q: outside of the files, or more than one line", e)
				}
			}
			return
		}
		l.config.TrapsOf(a)
		for _, p := range a.Processes {
			if p.User != "nobody" || p.Directory != "/opt/app" || len(p.Sockets)+len(p.Capabilities) > 0 || p.EnvFile != "" ||
				p.Venv != "" && p.Venv != "/opt/app" && !strings.HasPrefix(p.Venv, "/opt/app/") {
				t.Errorf("the release has set %+v", p)
			}
		}
	})
}

// TestReleaseFileLedElsewhere: the app's user can rename its releases, and reads
// nothing in the place of one that it could not read itself.
func TestReleaseFileLedElsewhere(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root reads for another user")
	}
	app := &privdrop.Account{UID: 54321, GID: 54321}
	dir := t.TempDir()
	for path, mode := range map[string]os.FileMode{filepath.Dir(dir): 0o755, dir: 0o755, dir + "/app": 0o755, dir + "/root": 0o700} {
		if err := errors.Join(os.MkdirAll(path, mode), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	put(t, dir, "root/supd.toml", "hunter2")
	if err := errors.Join(os.Symlink("../root", dir+"/app/1.4.0"), os.Chown(dir+"/app", app.UID, app.GID)); err != nil {
		t.Fatal(err)
	}
	data, err := readInside(dir+"/app/1.4.0/supd.toml", app)
	if data != nil || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("read %q, %v", data, err)
	}
	if _, err := readInside(dir+"/app/1.4.0/supd.toml", nil); !files.IsUntrusted(err) {
		t.Errorf("on nobody's behalf: %v", err)
	}
	if data, err := readInside(dir+"/root/supd.toml", app); string(data) != "hunter2" {
		t.Errorf("root's: %q, %v", data, err)
	}
}
