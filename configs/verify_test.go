package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestVerify(t *testing.T) {
	dir := lay(t, map[string]string{
		"supd.toml":     "[control]\ngroup = \"no-such-group\"\n",
		"apps/good.env": "PATH=/nowhere\nGOOD=1\n", "apps/empty.env": "",
		"apps/bad.env":          "A=1\nB='hunter2\n",
		"venv/bin/serve":        "#!/bin/sh\n",
		"venv/bin/moved":        "#!/no/such/venv/bin/python3 -E\n",
		"venv/bin/not-a-script": "x",
		"file":                  "",
		"apps/app.toml": `user = "nobody"
[socket.web]
listen = "unix:/run/web.sock"
user = "no-such-user"
[socket.admin]
listen = "unix:/run/admin.sock"
group = "no-such-group"
[socket.number]
listen = "unix:/run/number.sock"
user = "12345"
[socket.sound]
listen = "unix:/run/sound.sock"
user = "root"
group = "daemon"

[process.good]
command = "serve"
venv = "venv"
directory = ".."
[process.path]
command = "true"
ready = { exec = "../file" }
[process.env]
command = "serve"
env = { PATH = "/nowhere:` + "VENV" + `" }
[process.envfile]
command = "true"
env_file = "good.env"
[process.secret]
command = "true"
env_file = "bad.env"
[process.fromfile]
command = "true {env.GOOD} {env.A} {env.HOME} {env.SUPD_SLOT} {env.MISSING}"
env_file = "good.env"
env = { A = "{env.GOOD}", B = "{env.MISSING}{env.A}", STILL = "{env.TERM}" }
env_inherit = ["TER*"]
health = { exec = "true {env.OTHER} {env.LANG}" }
[process.fromnothing]
command = "true {env.GOOD}"
env_file = "empty.env"
[process.noenv]
command = "true"
env_file = "none.env"
[process.late]
command = "{env.HOME}/serve"
[process.latepath]
command = "serve"
env = { PATH = "{env.HOME}/bin" }
[process.user]
user = "no-such-user"
command = "/bin/true"
[process.group]
command = "/bin/true"
group = "no-such-group"
[process.groups]
command = "/bin/true"
groups = ["daemon", "no-such-group"]
[process.dir]
command = "/bin/true"
directory = "none"
[process.file]
command = "/bin/true"
directory = "../file"
venv = "env"
[process.missing]
command = "no-such-program"
[process.moved]
command = "../venv/bin/moved"
directory = "."
[process.isdir]
command = "/etc"
`,
	})
	venv := filepath.Join(dir, "venv/bin")
	file := filepath.Join(dir, "apps/app.toml")
	text := strings.Replace(string(readFile(t, file)), "VENV", venv, 1)
	put(t, dir, "apps/app.toml", text)
	for _, name := range []string{"serve", "moved"} {
		if err := os.Chmod(filepath.Join(venv, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, e := range c.Verify() {
		got.WriteString(strings.ReplaceAll(e.Error(), dir, "DIR") + "\n")
	}
	if strings.Contains(got.String(), "hunter2") {
		t.Error("a value of an env_file is shown")
	}
	golden(t, "testdata/verify.golden", got.String())
}

// TestVerifyPaths: what supd would make for itself and its workers must fit.
func TestVerifyPaths(t *testing.T) {
	long := "/run/" + strings.Repeat("x", 90)
	dir := lay(t, map[string]string{
		"supd.toml":     "[daemon]\nruntime = \"" + long + "\"\n[control]\nsocket = \"" + long + long + "\"\n",
		"apps/app.toml": "user = \"nobody\"\n[process.web]\ncommand = \"true\"\n",
	})
	c, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []Error{
		{"supd.toml", 2, "daemon.runtime", "is too long: " + long + "/notify/app.web.1.1000000 would have 120 bytes, a unix socket's path has at most 107"},
		{"supd.toml", 4, "control.socket", "the path has 190 bytes, a unix socket's has at most 107; choose a shorter one"},
	}
	if diff := cmp.Diff(want, c.Verify()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestVerifyNearest: a name that is almost that of an account here.
func TestVerifyNearest(t *testing.T) {
	c, _ := loadApp(t, `user = "nobdoy"
operators = ["@deamon"]
[socket.web]
listen = "unix:/run/web.sock"
group = "daemno"
[process.web]
command = "true"
[process.job]
user = "nobody"
command = "true"
groups = ["daemons"]
`)
	var got []string
	for _, e := range c.Verify() {
		got = append(got, e.Error())
	}
	want := []string{
		`apps/app.toml:1: user: user "nobdoy" does not exist (create it, or set another user), did you mean "nobody"?`,
		`apps/app.toml:2: operators: group "deamon" does not exist (create it, or set another group), did you mean "daemon"?`,
		`apps/app.toml:5: socket.web.group: group "daemno" does not exist (create it, or set another group), did you mean "daemon"?`,
		`apps/app.toml:11: process.job.groups: group "daemons" does not exist (create it, or set another group), did you mean "daemon"?`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestNamesIn: what is no entry has no name, and a long file is not searched.
func TestNamesIn(t *testing.T) {
	const text = "root:x:0:0::/root:/bin/sh\n#old:x:1:\n+::::::\n-games:x:2:\n:x:3:\n\nname\nwhois:x:4:"
	dir := lay(t, map[string]string{"passwd": text, "long": text + strings.Repeat("\n", maxFile)})
	for file, want := range map[string][]string{"passwd": {"root", "whois"}, "long": nil, "none": nil} {
		if diff := cmp.Diff(want, namesIn(filepath.Join(dir, file))); diff != "" {
			t.Errorf("%s, -want +got:\n%s", file, diff)
		}
	}
}

// TestVerifyWell: the examples of this machine's own users have no errors.
func TestVerifyWell(t *testing.T) {
	c, _ := loadApp(t, "user = \"nobody\"\ngroup = \"nogroup\"\n[process.web]\ncommand = \"true\"\n")
	if got := c.Verify(); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}

// TestVerifyJournal depends on the machine, which has one or not.
func TestVerifyJournal(t *testing.T) {
	c, _ := loadApp(t, "user = \"nobody\"\n[process.web]\ncommand = \"true\"\nlog = { to = \"journal\" }\n")
	want := []Error{{"apps/app.toml", 4, "process.web.log.to", `no journal on this machine; start systemd-journald, or set it to "file"`}}
	if _, err := os.Stat("/run/systemd/journal/socket"); err == nil {
		want = nil
	}
	if diff := cmp.Diff(want, c.Verify(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestVerifyRoot: an account that turns out to be root's is refused like root.
func TestVerifyRoot(t *testing.T) {
	c, _ := loadApp(t, "user = \"nobody\"\n[process.web]\ncommand = \"true\"\n")
	c.Apps[0].Processes[0].User = "root" // as if by another name, which this machine may not have
	want := []Error{{"apps/app.toml", 1, "user", `"root" has root's uid, or is in root's group; use another user, or say allow_root = true in the app file`}}
	if diff := cmp.Diff(want, c.Verify()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	c.Apps[0].Processes[0].AllowRoot = true
	if got := c.Verify(); len(got) > 0 {
		t.Errorf("with allow_root: %v", got)
	}
}
