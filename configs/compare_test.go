package configs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func loadAll(t *testing.T, dir string, opts ...Option) *Config {
	t.Helper()
	c, err := Load(filepath.Join(dir, "supd.toml"), append([]Option{Environ(nil), Root(false)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCompare: each key that says something else, with what held by default, and
// nothing of what may be secret.
func TestCompare(t *testing.T) {
	const before = `[env]
DEBUG = "no"
[socket.web]
listen = "unix:/run/a.sock"
[process.web]
command = "serve --password hunter2 --db postgres://u:hunter2@db/x -w 4"
sockets = ["web"]
count   = 2
[rollout]
bake = "10s"
`
	for name, c := range map[string]struct{ text, defaults, process, socket, app string }{
		"nothing":             {text: before},
		"comment and order":   {text: "# new\n[rollout]\nbake = '10s'\n[process.web]\ncount = 2\nsockets = [ \"web\" ]\ncommand = \"serve --password hunter2 --db postgres://u:hunter2@db/x -w 4\"\n[socket.web]\nlisten = \"unix:/run/a.sock\"\n[env]\nDEBUG = \"no\"\n"},
		"count":               {text: before[:len(before)-len("[rollout]\nbake = \"10s\"\n")] + "[rollout]\nbake = \"10s\"\n[process.web.health]\nhttp = \"/\"\n", process: `health.http:  → "/"|`},
		"defaults":            {text: before, defaults: "[defaults.process]\nenv = { TOKEN = \"hunter2\" }\nnice = 5\n[defaults.rollout]\nsurge = 2\n", process: `env.TOKEN:  → (hidden)|nice:  → 5|`, app: `rollout.surge: 1 → 2|`},
		"what was by default": {text: before + "min_ready = \"9s\"\n", app: `rollout.min_ready: "1s" → "9s"|`},
		"secrets": {
			text: `[env]
DEBUG = "hunter3"
[socket.web]
listen = "unix:/run/b.sock"
[process.web]
command = "serve --password hunter3 --db postgres://u:hunter2@db/x -w 4"
sockets = ["web"]
count   = 2
[rollout]
bake = "10s"
`,
			process: `command: "serve --password (hidden) --db postgres://u:(hidden)@db/x -w 4" → "serve --password (hidden) --db postgres://u:(hidden)@db/x -w 4"|env.DEBUG: (hidden) → (hidden)|`,
			socket:  `socket.web.listen: "unix:/run/a.sock" → "unix:/run/b.sock"|`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			old := loadAll(t, lay(t, map[string]string{"apps/a.toml": before}))
			now := loadAll(t, lay(t, map[string]string{"supd.toml": c.defaults, "apps/a.toml": c.text}))
			text := func(all []KeyChange) (s string) {
				for _, k := range all {
					s += k.Key + ": " + k.Old + " → " + k.New + "|"
				}
				return s
			}
			a, b := &old.Apps[0], &now.Apps[0]
			got := []string{text(CompareProcess(a, b, "web")), text(CompareSocket(a, b, "web")), text(CompareApp(a, b))}
			if diff := cmp.Diff([]string{c.process, c.socket, c.app}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"gunicorn -w 4 whois.wsgi":               "gunicorn -w 4 whois.wsgi",
		`["x", "--token", "hunter2", "-v"]`:      `["x", "--token", (hidden), "-v"]`,
		"x --api-key=hunter2 y":                  "x --api-key=(hidden) y",
		"x --db-password 'hunter 2' y":           "x --db-password (hidden) y",
		"x PGPASSWORD=hunter2 y":                 "x PGPASSWORD=(hidden) y",
		"x redis://:hunter2@h:1/0":               "x redis://:(hidden)@h:1/0",
		"x http://h:80/a@b --tokens-file":        "x http://h:80/a@b --tokens-file",
		"x --secret_key_base=hunter2":            "x --secret_key_base=(hidden)",
		"x amqp://user:hunter2@h amqp://u:hu2@h": "x amqp://user:(hidden)@h amqp://u:(hidden)@h",
	} {
		if got := Redact(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

// TestTake: the named apps as they are in the files, all others as they were, and a file
// of theirs that is invalid is no matter.
func TestTake(t *testing.T) {
	app := func(command string) string { return "[process.web]\ncommand = \"" + command + "\"\n" }
	dir := lay(t, map[string]string{"apps/a.toml": app("old"), "apps/b.toml": app("old"), "apps/gone.toml": app("old")})
	c := loadAll(t, dir)
	put(t, dir, "supd.toml", "[defaults.process]\nnice = 5\n")
	put(t, dir, "apps/a.toml", app("new"))
	put(t, dir, "apps/b.toml", "broken = ")
	put(t, dir, "apps/new.toml", app("new"))
	put(t, dir, "apps/taken.toml", "[socket.s]\nlisten = \"unix:/s\"\n"+app("new")+"sockets = [\"s\"]\n")
	if err := os.Remove(dir + "/apps/gone.toml"); err != nil {
		t.Fatal(err)
	}
	names := []string{"a", "gone", "new"}
	next, err := c.Take(loadAll(t, dir, Only(names...)), names...)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, a := range next.Apps {
		got[a.Name] = a.Processes[0].Command[0]
	}
	if diff := cmp.Diff(map[string]string{"a": "new", "b": "old", "new": "new"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(c.Apps) != 3 || c.Apps[0].Processes[0].Command[0] != "old" {
		t.Error("what it was taken into has changed")
	}
	files, err := next.Unapplied()
	if err != nil {
		t.Fatal(err)
	}
	want := []File{{"b", "apps/b.toml", FileChanged}, {"taken", "apps/taken.toml", FileNew}, {"", "supd.toml", FileChanged}}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, nice := range map[string]bool{"a": true, "b": false} { // each with the defaults of its time
		i := 0
		if name == "b" {
			i = 1
		}
		if got := next.Apps[i].Processes[0].Nice; (got != nil) != nice {
			t.Errorf("nice of %s: %v", name, got)
		}
	}
	put(t, dir, "apps/a.toml", "[socket.s]\nlisten = \"unix:/s\"\n"+app("new")+"sockets = [\"s\"]\n")
	if next, err = next.Take(loadAll(t, dir, Only("a")), "a"); err != nil {
		t.Fatal(err)
	}
	if _, err = next.Take(loadAll(t, dir, Only("taken")), "taken"); err == nil {
		t.Error("two apps have one address")
	}
	if !next.Has("a") || next.Has("gone") {
		t.Error("it does not know its apps")
	}
}
