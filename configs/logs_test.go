package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLogsThatCollide: both are named, at the one that has to be changed.
func TestLogsThatCollide(t *testing.T) {
	app := func(user string, logs ...string) string {
		text := "user = \"" + user + "\"\n"
		for i, log := range logs {
			text += "[process.p" + string(rune('a'+i)) + "]\ncommand = \"true\"\nlog = " + log + "\n"
		}
		return text
	}
	const place = "apps/app.toml:4: process.pa.log: "
	tests := []struct {
		name       string
		daemon     string
		app, other string
		want       []string
	}{
		{"another user", "", app("games", `"/l/x.log"`), app("man", `"/l/x.log"`),
			[]string{"apps/other.toml:4: process.pa.log: /l/x.log is already the log of app/pa, which is another app's and has another user; name another file"}},
		{"the same user", "", app("games", `"/l/x.log"`), app("games", `"/l/x.log"`), nil},
		{"one app", "", app("games", `"/l/x.log"`, `"/l/x.log"`) + "user = \"man\"\n", "", nil},
		{"rotated", "", app("games", `"/l/x.log"`), app("man", `"/l/x.log.1"`, `"/l/x.log.12.gz"`, `"/l/.x.log.gz"`, `"/l/x.log.01"`, `"/l/x.log.gz"`, `"/l/x.1"`, `"/m/x.log.1"`),
			[]string{
				"apps/other.toml:4: process.pa.log: /l/x.log.1 is what /l/x.log, the log of app/pa, is moved to when it is rotated; name another file",
				"apps/other.toml:7: process.pb.log: /l/x.log.12.gz is what /l/x.log,",
				"apps/other.toml:10: process.pc.log: /l/.x.log.gz is what /l/x.log,",
			}},
		{"rotated within an app, the other order", "", app("games", `"/l/x.log.2"`, `"/l/x.log"`), "", []string{place + "/l/x.log.2 is what /l/x.log, the log of app/pb, "}},
		{"the default of another one", "", app("games", `"DIR/logs/other/pa.log.1"`), app("man", `{ to = "file" }`), []string{place + "DIR/logs/other/pa.log.1 is what DIR/logs/other/pa.log, the log of other/pa,"}},
		{"no file", "", app("games", `{ to = "none" }`, `{ to = "stdout" }`), app("man", `{ to = "none" }`), nil},
		{"app file", "", app("games", `"evil.toml"`), "", []string{place + "DIR/apps/evil.toml would be read as a file of daemon.apps; name a file elsewhere, such as DIR/logs/app/pa.log"}},
		{"beside app files", "", app("games", `"x.log"`, `"in/x.log"`), "", nil},
		{"runtime", "", app("games", `"../run/state.json"`), "", []string{place + "DIR/run/state.json lies in DIR/run, which is daemon.runtime; "}},
		{"beneath state", "", app("games", `"../state/apps/app/x"`), "", []string{place + "DIR/state/apps/app/x lies in DIR/state, which is daemon.state; "}},
		{"drop-ins", "", app("games", `"../drop-ins/x.toml"`), "", []string{place + "DIR/drop-ins/x.toml would be read as a file of daemon.drop_ins; "}},
		{"supd.toml", "", app("games", `"../supd.toml"`), "", []string{place + "DIR/supd.toml is supd's own configuration; "}},
		{"control socket", "control.socket = \"/c.sock\"\n", app("games", `"/c.sock"`), "", []string{place + "/c.sock is the address of control.socket; "}},
		{"metrics socket", "metrics.listen = \"unix:/m.sock\"\n", app("games", `"/m.sock"`), "", []string{place + "/m.sock is the address of metrics.listen; "}},
		{"a socket", "", app("games", `"/s.sock"`), app("man") + "[process.web]\ncommand = \"true\"\n[socket.web]\nlisten = \"unix:/s.sock\"\n", []string{place + "/s.sock is the address of socket web of app other; "}},
		{"env_file", "", app("games", `"/e.env"`), app("man") + "[process.web]\ncommand = \"true\"\nenv_file = \"/e.env\"\n", []string{place + "/e.env is the env_file of other/web; "}},
		{"credentials", "metrics.remote_write = \"http://h/w\"\nmetrics.remote_write_credentials = \"/p\"\n", app("games", `"/p"`), "", []string{place + "/p is metrics.remote_write_credentials; "}},
		{"logs beneath runtime", "daemon.logs = \"run/log\"\n", app("games", `{ to = "file" }`, `"../run/log/x"`, `"../run/x"`), "", []string{"apps/app.toml:10: process.pc.log: DIR/run/x lies in DIR/run, "}},
		{"for all", "[defaults.process]\nlog = { file = \"/l/all.log\" }\n", "user = \"games\"\n[process.web]\ncommand = \"true\"\n", "user = \"man\"\n[process.web]\ncommand = \"true\"\n",
			[]string{"apps/other.toml:2: process.web.log: /l/all.log is already the log of app/web, "}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := lay(t, nil)
			own := "daemon.state = \"state\"\ndaemon.runtime = \"run\"\ndaemon.drop_ins = \"drop-ins\"\n"
			if !strings.Contains(test.daemon, "daemon.logs") {
				own += "daemon.logs = \"logs\"\n"
			}
			put(t, dir, "supd.toml", own+test.daemon)
			put(t, dir, "apps/app.toml", strings.ReplaceAll(test.app, "DIR", dir))
			if test.other != "" {
				put(t, dir, "apps/other.toml", test.other)
			}
			_, err := load(dir)
			got := ""
			if err != nil {
				got = strings.ReplaceAll(err.Error(), dir, "DIR") + "\n"
			}
			checkWords(t, got, test.want)
		})
	}
}

// TestOneLogByTwoNames needs the file system.
func TestOneLogByTwoNames(t *testing.T) {
	dir := lay(t, map[string]string{
		"supd.toml":       "daemon.state = \"state\"\ndaemon.runtime = \"run\"\ndaemon.logs = \"logs\"\n",
		"apps/app.toml":   "user = \"games\"\n[process.web]\ncommand = \"/bin/true\"\nlog = \"../real/x.log\"\n[process.evil]\ncommand = \"/bin/true\"\nlog = \"../link/../apps-by-link/evil.toml\"\n",
		"apps/other.toml": "user = \"man\"\n[process.web]\ncommand = \"/bin/true\"\nlog = \"../link/x.log\"\n[process.next]\ncommand = \"/bin/true\"\nlog = \"../third/.x.log.gz\"\n",
	})
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"link": "real", "third": "real", "apps-by-link": "apps"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	checkWords(t, verified(t, dir), []string{
		"apps/app.toml:7: process.evil.log: DIR/apps-by-link/evil.toml (DIR/apps/evil.toml) would be read as a file of daemon.apps; ",
		"apps/other.toml:4: process.web.log: DIR/link/x.log (DIR/real/x.log) is already the log of app/web, ",
		"apps/other.toml:7: process.next.log: DIR/third/.x.log.gz (DIR/real/.x.log.gz) is what DIR/real/x.log, the log of app/web, ",
	})
}

// TestLogOfARelease: a process that only the release has writes to its log by default.
func TestLogOfARelease(t *testing.T) {
	dir := lay(t, map[string]string{
		"apps/app.toml":        "user = \"games\"\n[release]\ndirectory = \"../releases\"\n[process.web]\ncommand = \"true\"\n",
		"apps/other.toml":      "user = \"man\"\n[process.web]\ncommand = \"true\"\nlog = \"/var/log/supd/app/late.log\"\n",
		"releases/1/supd.toml": "[process.late]\ncommand = \"true\"\n",
	})
	c, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "releases/1")
	_, err = c.With("app", Version{Name: "1", Path: path, Files: path})
	if got := told(err); !strings.Contains(got, "/var/log/supd/app/late.log is already the log of other/web, ") {
		t.Errorf("got %q", got)
	}
}
