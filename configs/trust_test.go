package configs

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Who could write one of these could say what root does.
func TestWhoseFiles(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	give := func(path string) func(dir string) error {
		return func(dir string) error { return os.Chown(dir+path, 54321, -1) }
	}
	mode := func(path string, mode uint32) func(dir string) error {
		return func(dir string) error { return unix.Chmod(dir+path, mode) }
	}
	group := func(path string) func(dir string) error {
		return func(dir string) error { return os.Chown(dir+path, 0, 54321) }
	}
	for name, c := range map[string]struct {
		changes []func(dir string) error
		want    string
	}{
		"all root's":          {},
		"supd.toml":           {[]func(string) error{give("/etc/supd.toml")}, "supd.toml: cannot read DIR/etc/supd.toml: DIR/etc/supd.toml belongs to uid 54321, and not to root; chown -h 0 DIR/etc/supd.toml"},
		"its directory":       {[]func(string) error{mode("/etc", 0o777)}, "DIR/etc has mode 0777: everybody may write to it; chmod go-w DIR/etc"},
		"apps":                {[]func(string) error{mode("/etc/apps", 0o1777)}, "supd.toml:2: daemon.apps: DIR/etc/apps has mode 1777: everybody may write to it; chmod go-w DIR/etc/apps"},
		"an app's file":       {[]func(string) error{mode("/etc/apps/app.toml", 0o664), group("/etc/apps/app.toml")}, "apps/app.toml: cannot read DIR/etc/apps/app.toml: DIR/etc/apps/app.toml has mode 0664: its group, gid 54321, may write to it; chmod g-w DIR/etc/apps/app.toml"},
		"runtime":             {[]func(string) error{give("/run")}, "supd.toml:4: daemon.runtime: DIR/run belongs to uid 54321, and not to root; chown -h 0 DIR/run"},
		"above runtime":       {[]func(string) error{mode("", 0o777)}, "DIR has mode 0777: everybody may write to it; chmod go-w DIR"},
		"state":               {[]func(string) error{give("/state")}, "supd.toml:3: daemon.state: DIR/state belongs to uid 54321"},
		"logs":                {[]func(string) error{mode("/var/logs", 0o775), group("/var/logs")}, "supd.toml:5: daemon.logs: DIR/var/logs has mode 0775: its group, gid 54321, may write"},
		"above logs":          {[]func(string) error{mode("/var", 0o775), group("/var")}, "supd.toml:5: daemon.logs: DIR/var has mode 0775: its group, gid 54321, may write"},
		"system's group":      {[]func(string) error{mode("/var", 0o775), func(dir string) error { return os.Chown(dir+"/var", 0, 4) }}, ""},
		"drop-ins":            {[]func(string) error{give("/drop-ins")}, "supd.toml:6: daemon.drop_ins: DIR/drop-ins belongs to uid 54321"},
		"control":             {[]func(string) error{give("/control")}, "supd.toml:10: control.socket: DIR/control belongs to uid 54321"},
		"control's group":     {[]func(string) error{mode("/control", 0o770), group("/control")}, "supd.toml:10: control.socket: DIR/control has mode 0770: its group, gid 54321, may write"},
		"control in sticky":   {[]func(string) error{mode("/control", 0o1777)}, ""},
		"mapping":             {[]func(string) error{give("/etc/statsd.yml")}, "supd.toml:8: metrics.statsd_mapping: DIR/etc/statsd.yml: DIR/etc/statsd.yml belongs to uid 54321"},
		"not there yet":       {[]func(string) error{func(dir string) error { return os.Remove(dir + "/run") }}, ""},
		"not there, writable": {[]func(string) error{func(dir string) error { return os.Remove(dir + "/var/logs") }, mode("/var", 0o777)}, "supd.toml:5: daemon.logs: DIR/var has mode 0777"},
		"not there, sticky":   {[]func(string) error{func(dir string) error { return os.Remove(dir + "/var/logs") }, mode("/var", 0o1777)}, ""},
	} {
		dir := t.TempDir()
		for _, made := range []string{"/etc/apps", "/run", "/state", "/var/logs", "/drop-ins", "/control"} {
			if err := os.MkdirAll(dir+made, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		put(t, dir, "etc/supd.toml", "[daemon]\napps = 'apps'\nstate = '../state'\nruntime = '../run'\nlogs = '../var/logs'\ndrop_ins = '../drop-ins'\n[metrics]\nstatsd_mapping = 'statsd.yml'\n[control]\nsocket = '../control/sock'\n")
		put(t, dir, "control/sock", "")
		if err := unix.Chmod(dir+"/control/sock", 0o666); err != nil { // as its mode says
			t.Fatal(err)
		}
		put(t, dir, "etc/statsd.yml", "mappings: []\n")
		put(t, dir, "etc/apps/app.toml", "user = \"nobody\"\n[process.web]\ncommand = \"true\"\n")
		for _, change := range c.changes {
			if err := change(dir); err != nil {
				t.Fatal(err)
			}
		}
		config, err := load(dir + "/etc")
		if got := strings.ReplaceAll(told(err), dir, "DIR"); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if err == nil {
			if err := config.CheckDirectories(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := LoadFiles(dir+"/none.toml", dir+"/etc/apps/app.toml"); err != nil && name == "an app's file" {
			t.Errorf("a file that is not where supd reads it: %v", err)
		}
	}
}
