package configs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"supd/privdrop"
	"supd/privdrop/files"
)

// accountsOfTest are users that no machine needs to have.
func accountsOfTest() map[string]*privdrop.Account {
	return map[string]*privdrop.Account{
		"shop":  {Name: "shop", UID: 4001, GID: 4001, Shell: "/usr/sbin/nologin"},
		"blog":  {Name: "blog", UID: 4002, GID: 4002, Groups: []int{4100}, Shell: "/bin/false"},
		"guest": {Name: "guest", UID: 4003, GID: 4003, Shell: "/bin/bash"},
		"toor":  {Name: "toor", UID: 0, Shell: "/bin/bash"},
	}
}

// audited goes through the list, and gives a line for each weakness.
func audited(t *testing.T, files map[string]string, apps ...string) (lines []string) {
	t.Helper()
	dir := lay(t, files)
	c, err := Load(filepath.Join(dir, "supd.toml"), Environ(nil), Root(true))
	if err != nil {
		t.Fatal(err)
	}
	a := newAudit(c)
	a.accounts = accountsOfTest()
	for _, w := range a.all(apps) {
		lines = append(lines, w.App+" "+w.String())
	}
	return lines
}

// TestAudit has a file for each point of the list, with the words that there must be, a line
// each; no words: nothing is found.
func TestAudit(t *testing.T) {
	const web = "[process.web]\ncommand = \"serve\"\nsockets = [\"web\"]\n"
	for name, c := range map[string]struct {
		app  string
		want []string
	}{
		"well":                 {"user = \"shop\"\n[socket.web]\nlisten = \"unix:/run/shop.sock\"\n" + web, nil},
		"commands":             {"user = \"shop\"\noperators = [\"games\"]\nallow_run = true\n[process.a]\ncommand = \"a\"\n", []string{"shop apps/shop.toml:3: allow_run: operators can run any program as shop"}},
		"root":                 {"user = \"toor\"\nallow_root = true\n" + web[:len(web)-len("sockets = [\"web\"]\n")], []string{"shop apps/shop.toml:1: user: is root"}},
		"a process as root":    {"user = \"shop\"\nallow_root = true\n[process.a]\ncommand = \"a\"\n[process.b]\ncommand = \"b\"\nuser = \"toor\"\n", []string{"shop apps/shop.toml:7: process.b.user: is root"}},
		"a shell":              {"user = \"guest\"\n[process.a]\ncommand = \"a\"\n", []string{"shop apps/shop.toml:1: user: guest has the login shell /bin/bash"}},
		"another app's user":   {"user = \"blog\"\n[process.a]\ncommand = \"a\"\n", []string{"shop apps/shop.toml:1: user: blog is the user of other too"}},
		"a process as another": {"user = \"shop\"\n[process.a]\ncommand = \"a\"\nuser = \"blog\"\n", []string{"shop apps/shop.toml:4: process.a.user: blog is the user of other too"}},
		"capabilities":         {"user = \"shop\"\n[process.a]\ncommand = \"a\"\ncapabilities = [\"net_bind_service\", \"setuid\", \"sys_ptrace\"]\n", []string{"shop apps/shop.toml:4: process.a.capabilities: with setuid, sys_ptrace the program is root"}},
		"a container's root":   {"user = \"root\"\nallow_root = true\n[process.a]\ncommand = \"a\"\ncapabilities = [\"@container\"]\n", []string{"user: is root", "process.a.capabilities: with chown, dac_override, fowner, setgid, setuid the program is root"}},
		"a harmless one":       {"user = \"shop\"\n[process.a]\ncommand = \"a\"\ncapabilities = [\"net_bind_service\"]\n", nil},
		"a socket of all":      {"user = \"shop\"\n[socket.web]\nlisten = \"unix:/run/shop.sock\"\nmode = \"0666\"\n" + web, []string{"shop apps/shop.toml:4: socket.web.mode: 0666 lets every user"}},
		"a loopback port":      {"user = \"shop\"\n[socket.web]\nlisten = \"tcp:127.0.0.1:80\"\n" + web, []string{"shop apps/shop.toml:3: socket.web.listen: every user of this machine can connect to tcp:127.0.0.1:80"}},
		"localhost":            {"user = \"shop\"\n[socket.web]\nlisten = \"tcp:localhost:80\"\n" + web, []string{"every user of this machine can connect"}},
		"an open port":         {"user = \"shop\"\n[socket.web]\nlisten = \"tcp:[::]:80\"\n" + web, nil},
		"gunicorn's":           {"user = \"shop\"\n[socket.web]\nlisten = \"tcp:*:80\"\n" + strings.Replace(web, "serve", "env A=b gunicorn x", 1), []string{"socket.web.listen: tcp:*:80 is open to the network, and gunicorn is to be behind a proxy"}},
		"nginx's":              {"user = \"shop\"\n[socket.web]\nlisten = \"tcp:*:80\"\n" + strings.Replace(web, "serve", "nginx", 1), nil},
		"datagrams":            {"user = \"shop\"\n[socket.web]\nlisten = \"udp:127.0.0.1:80\"\n" + web, nil},
		"a secret in the file": {"user = \"shop\"\n[process.a]\ncommand = \"a\"\nenv = { API_TOKEN = \"x\" }\n", []string{"process.a.env.API_TOKEN: seems to be a secret"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := audited(t, map[string]string{"apps/shop.toml": c.app, "apps/other.toml": "user = \"blog\"\n[process.a]\ncommand = \"a\"\n"}, "shop")
			if len(got) != len(c.want) {
				t.Fatalf("%q, want %q", got, c.want)
			}
			for i, want := range c.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("%q, want %q", got[i], want)
				}
			}
		})
	}
}

// TestAuditOfOperators: an app's own user that may stop others.
func TestAuditOfOperators(t *testing.T) {
	const app = "[process.a]\ncommand = \"a\"\n"
	files := map[string]string{
		"supd.toml":      "[control]\noperators = [\"4001\"]\n",
		"apps/shop.toml": "user = \"shop\"\n" + app,
		"apps/blog.toml": "user = \"blog\"\noperators = [\"4002\"]\n" + app,
		"apps/wiki.toml": "user = \"guest\"\noperators = [\"@4100\"]\n" + app,
	}
	got := strings.Join(audited(t, files, "shop", "blog"), "\n")
	want := "blog apps/blog.toml:1: user: blog is among the operators of wiki: a fault in the program can stop that one; take it out of them\n" +
		"shop apps/shop.toml:1: user: shop is among the operators of supd.toml: a fault in the program can stop every app; take it out of them"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestAuditOfSupd: its own sockets are looked at where no app is named.
func TestAuditOfSupd(t *testing.T) {
	files := map[string]string{"supd.toml": "[control]\nmode = \"0666\"\n[metrics]\nlisten = \"0.0.0.0:9188\"\n"}
	got := audited(t, files)
	if len(got) != 2 || !strings.HasPrefix(got[0], " supd.toml:2: control.mode: 0666 lets every user") || !strings.HasPrefix(got[1], " supd.toml:4: metrics.listen: 0.0.0.0:9188 is open to the network") {
		t.Errorf("%q", got)
	}
	if got := audited(t, files, "none"); len(got) > 0 {
		t.Errorf("of one app: %q", got)
	}
	if got := audited(t, map[string]string{"supd.toml": "[metrics]\nlisten = \"[::1]:9188\"\n"}); len(got) > 0 {
		t.Errorf("loopback: %q", got)
	}
}

// TestAuditOfPrograms: a program that others than root can change is named wherever it is,
// and so is what runs it.
func TestAuditOfPrograms(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("gives files away: needs root")
	}
	dir := lay(t, map[string]string{
		"bin/good": "", "bin/owned": "", "bin/listed": "", "bin/open": "", "bin/script": "", "bin/hook": "",
		"venv/bin/python": "", "venv/lib/x.py": "", "opt/1/prog": "", "snap/prog": "",
	})
	put(t, dir, "bin/script", "#!"+dir+"/bin/owned -u\n")
	acl(t, filepath.Join(dir, "bin/listed"))
	for file, mode := range map[string]os.FileMode{"bin/good": 0o755, "bin/owned": 0o755, "bin/hook": 0o755, "bin/open": 0o757, "bin/script": 0o755} {
		if err := os.Chmod(filepath.Join(dir, file), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"bin/owned", "bin/hook", "venv/lib/x.py", "opt/1/prog", "snap/prog"} {
		if err := os.Chown(filepath.Join(dir, file), 4009, 0); err != nil {
			t.Fatal(err)
		}
	}
	process := func(name, text string) string {
		return "[process." + name + "]\n" + strings.ReplaceAll(text, "DIR", dir) + "\n"
	}
	put(t, dir, "apps/shop.toml", "user = \"nobody\"\ngroup = \"65534\"\n"+
		process("a", "command = \"DIR/bin/good\"")+
		process("b", "command = \"DIR/bin/owned\"")+
		process("c", "command = \"DIR/bin/listed\"")+
		process("d", "command = \"open\"\nenv = { PATH = \"DIR/bin\" }")+
		process("e", "command = \"bin/script\"\ndirectory = \"DIR\"")+
		process("f", "command = \"DIR/bin/good\"\nhooks = { pre_start = \"DIR/bin/hook\" }")+
		process("g", "command = \"DIR/bin/good\"\nvenv = \"DIR/venv\""))
	put(t, dir, "apps/side.toml", "user = \"nobody\"\ngroup = \"65534\"\n[release]\ndirectory = \""+dir+"/opt\"\n"+
		process("a", "command = \"{release}/prog\"")+process("b", "command = \"DIR/bin/owned\""))
	put(t, dir, "apps/snap.toml", "user = \"nobody\"\ngroup = \"65534\"\n[release]\npath = \""+dir+"/snap\"\n"+
		process("a", "command = \"DIR/snap/prog\"")+process("b", "command = \"DIR/bin/owned\""))
	c, err := Load(filepath.Join(dir, "supd.toml"), Environ(nil), Root(true))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range c.Audit() {
		if _, why, is := strings.Cut(w.String(), ": others than root can change the program: "); is {
			got = append(got, w.App+" "+w.Key+" "+strings.ReplaceAll(why, dir, "DIR"))
		}
	}
	const owned = "DIR/bin/owned belongs to uid 4009, and not to root; chown -h 0 DIR/bin/owned"
	want := []string{
		"shop process.b.command " + owned,
		"shop process.c.command DIR/bin/listed has an access control list: others may write to it; setfacl -b DIR/bin/listed",
		"shop process.d.command DIR/bin/open has mode 0757: everybody may write to it; chmod go-w DIR/bin/open",
		"shop process.e.command " + owned,
		"shop process.f.hooks.pre_start DIR/bin/hook belongs to uid 4009, and not to root; chown -h 0 DIR/bin/hook",
		"shop process.g.venv DIR/venv/lib/x.py belongs to uid 4009, and not to root; chown -h 0 DIR/venv/lib/x.py",
		"side process.b.command " + owned,
		"snap process.b.command " + owned,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// acl lets uid 4009 write to a file, as setfacl -m u:4009:rwx does (acl(5), xattr(7)).
func acl(t *testing.T, path string) {
	t.Helper()
	const undefined = "\xff\xff\xff\xff"
	err := unix.Setxattr(path, files.AccessList, []byte("\x02\x00\x00\x00"+
		"\x01\x00\x07\x00"+undefined+
		"\x02\x00\x07\x00\xa9\x0f\x00\x00"+ // uid 4009
		"\x04\x00\x00\x00"+undefined+
		"\x10\x00\x07\x00"+undefined+ // the mask
		"\x20\x00\x00\x00"+undefined), 0)
	if errors.Is(err, unix.EOPNOTSUPP) {
		t.Skip("the file system has no access control lists")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestAuditOfFiles: an env_file that others than the process's group read, and a program
// that others than root can change.
func TestAuditOfFiles(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("gives files away: needs root")
	}
	dir := lay(t, map[string]string{"good.env": "A=b\n", "all.env": "A=b\n", "group.env": "A=b\n", "own.env": "A=b\n", "listed.env": "A=b\n", "bin/program": "", "theirs/program": ""})
	for file, mode := range map[string]os.FileMode{"good.env": 0o600, "group.env": 0o640, "own.env": 0o640, "all.env": 0o644} {
		if err := os.Chmod(filepath.Join(dir, file), mode); err != nil {
			t.Fatal(err)
		}
	}
	for file, id := range map[string]int{"group.env": 4009, "own.env": 65534, "theirs": 4009} {
		if err := os.Chown(filepath.Join(dir, file), 0, id); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "theirs"), 0o775); err != nil {
		t.Fatal(err)
	}
	acl(t, filepath.Join(dir, "listed.env"))
	put(t, dir, "apps/shop.toml", `user = "nobody"
group = "65534"
[process.good]
command  = "`+dir+`/bin/program"
env_file = "../good.env"
[process.own]
command  = "a"
env_file = "../own.env"
[process.all]
command  = "a"
env_file = "../all.env"
[process.group]
command  = "`+dir+`/theirs/program"
env_file = "../group.env"
[process.listed]
command  = "a"
env_file = "../listed.env"
`)
	c, err := Load(filepath.Join(dir, "supd.toml"), Environ(nil), Root(true))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"env_file: " + dir + "/all.env is readable by every user", "command: others than root can change the program: " + dir + "/theirs", "env_file: " + dir + "/group.env is readable by a group that is not the process's (gid 4009)", "env_file: " + dir + "/listed.env has an access control list, by which others can read it"}
	got := c.Audit()
	if len(got) != len(want) {
		t.Fatalf("%v, want %q", got, want)
	}
	for i, w := range got {
		if w.App != "shop" || !strings.Contains(w.String(), want[i]) {
			t.Errorf("%v, want %q", w, want[i])
		}
	}
}
