package configs

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"supd/privdrop"
	"supd/socket"
)

// TestBad has one app file for each kind of mistake, and every error it gives.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			dir := lay(t, map[string]string{"apps/" + name: string(readFile(t, file))})
			c, err := load(dir)
			if err == nil || c != nil {
				t.Fatalf("got %v, %v, want no Config and an error", c, err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the error shows a value of env")
			}
			golden(t, strings.TrimSuffix(file, ".toml")+".golden", err.Error()+"\n")
		})
	}
}

// TestAllFiles: no mistake in one file hides those of another.
func TestAllFiles(t *testing.T) {
	dir := lay(t, map[string]string{
		"supd.toml":        "[daemon]\napps = \"conf\"\nlgos = \"x\"\nwatch = \"yes\"\nexit_on = \"failed\"\n[control]\noperators = [1]\nmode = 660\n[metrics]\n[defaults.process]\ncount = \"2\"\nready = { timeout = 1 }\n[defaults.proces]\n",
		"conf/broken.toml": "a = \n[process.web]\ncount = -1\n",
		"conf/web.toml":    "user = \"nobody\"\n[process.web]\ncommand = \"true\"\nnice = 40\n[process.two]\ncommand = \"true\"\n",
		"conf/.web.toml":   "an editor's",
		"conf/web.toml~":   "another one's",
	})
	_, err := load(dir, Environ([]string{"SUPD_DAEMON_LOG=/x", "SUPD_DAEMON_STATE=state", "SUPD_METRICS_LISTEN=here", "SUPD_SOCKET=x", "SUPD_CONFIG=y", "SUPD_TEST_REQUIRE=1"}))
	golden(t, "testdata/all-files.golden", told(err)+"\n")
	if _, ok := errors.AsType[*Errors](err); !ok {
		t.Errorf("got a %T, want *Errors", err)
	}
	if one, ok := errors.AsType[Error](err); !ok || one.Line == 0 && one.File != "environment" {
		t.Errorf("got %+v, want the first Error", one)
	}
}

func TestBrokenDaemonFile(t *testing.T) {
	dir := lay(t, map[string]string{"supd.toml": "[daemon\n", "apps/app.toml": "x = 1\n"})
	_, err := load(dir)
	if got := lines(told(err)); len(got) != 3 || !strings.HasPrefix(got[2], "supd.toml:1: ") || !strings.HasPrefix(got[1], "apps/app.toml:1: x: unknown key") {
		t.Errorf("want both files' errors, got:\n%s", told(err))
	}
}

func TestMissing(t *testing.T) {
	dir := t.TempDir()
	_, err := load(dir)
	want := "supd.toml: cannot read " + dir + "/supd.toml: no such file or directory"
	if !strings.Contains(told(err), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	put(t, dir, "supd.toml", "[daemon]\n\napps = \"ap\"\n")
	_, err = load(dir)
	if want := "supd.toml:3: daemon.apps: cannot read " + dir + "/ap: no such file or directory; make the directory, or set another one"; told(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestFIFO: a pipe in the place of a file is refused, not waited for.
func TestFIFO(t *testing.T) {
	dir := lay(t, nil)
	if err := unix.Mkfifo(filepath.Join(dir, "apps/pipe.toml"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := load(dir)
	if !strings.Contains(told(err), "is not a regular file") {
		t.Errorf("got %v", err)
	}
}

func TestExamples(t *testing.T) {
	for _, root := range []bool{true, false} {
		c, err := Load("examples/supd.toml", Environ(nil), Root(root))
		if err != nil {
			t.Fatalf("root %v:\n%v", root, err)
		}
		for _, w := range c.Traps() {
			t.Error(w)
		}
		if len(c.Apps) != 5 {
			t.Errorf("%d apps, want 5", len(c.Apps))
		}
	}
}

var ignorePlaces = cmp.Options{cmpopts.IgnoreUnexported(Config{}, App{}), cmp.AllowUnexported(socket.Owner{})}

// TestDecode has every key with a value that is not its default.
func TestDecode(t *testing.T) {
	c, err := Load("testdata/full/supd.toml", Environ(nil), Root(true))
	if err != nil {
		t.Fatal(err)
	}
	dir := absolutePath("testdata/full")
	five, minus := 5, -500
	limit := func(soft, hard uint64) privdrop.Limit { return privdrop.Limit{Soft: soft, Hard: hard} }
	want := &Config{
		Path:    dir + "/supd.toml",
		Daemon:  Daemon{Apps: dir + "/apps", State: "/srv/state", Runtime: Runtime(dir + "/run"), Logs: "/srv/logs", DropIns: dir + "/drop-ins", Watch: true, ExitOn: ExitAllFailed},
		Control: Control{Socket: dir + "/run/supd.sock", Mode: 0o600, Group: "adm", Operators: People{"@adm"}, Readers: People{}},
		Metrics: Metrics{Listen: "[::1]:9189", Stated: true, ProportionalMemory: true, Push: Push{
			Graphite: "carbon:2003", Prefix: "servers.{host}.supd", RemoteWrite: "https://mimir.example.org/api/v1/push?x=1",
			Credentials: dir + "/mimir.secret", Interval: time.Minute}},
		Apps: []App{{
			Name: "full", File: dir + "/apps/full.toml", User: "root", Group: "nogroup", AllowRoot: true, Operators: People{"@adm", "1000"}, Readers: People{"nobody"},
			Env: map[string]string{"A": "1", "B": "{slot}"},
			Sockets: []Socket{
				{Spec: socket.Spec{Name: "log", Listen: "udp:127.0.0.1:514"}},
				{Spec: socket.Spec{Name: "web", Listen: "unix:" + dir + "/apps/full.sock", Mode: 0o600, Backlog: 16}, User: "root", Group: "www-data", WhenStopped: RefuseWhenStopped},
			},
			Processes: []Process{
				{
					Name: "plain", Line: 67, Command: []string{"sleep", "1 h", `"`}, Count: 3,
					User: "root", Group: "nogroup", AllowRoot: true, Resources: privdrop.Resources{Umask: new(privdrop.Umask(0o77))},
					Env:        map[string]string{"A": "1", "B": "{slot}", "ALL": "x"},
					EnvInherit: []string{}, Sockets: []string{}, After: []string{}, Autostart: true, Restart: RestartAlways, SuccessExit: []int{0},
					Backoff: Backoff{100 * time.Millisecond, time.Minute, 2, 0.1, 10 * time.Second},
					Ready:   Ready{Uptime: time.Second, Timeout: time.Minute},
					Health:  Health{Exec: []string{"true"}, MaxAge: 30 * time.Second, Interval: 10 * time.Second, Timeout: 4 * time.Second, Failures: 3, Children: 5},
					Stop:    []StopStep{{Signal: syscall.SIGTERM, Wait: 30 * time.Second}}, Capabilities: []string{},
					Log: Log{To: LogJournal, File: "journal:full/plain", MaxSize: 1 << 20, Keep: 10},
				},
				{
					Name: "web", Line: 26, Command: []string{"serve", "--fd", "{socket.web}"}, Count: 0, Server: "rq",
					Venv: "/opt/full/env", Directory: "/opt/full", User: "nobody", Group: "adm", Groups: []string{}, AllowRoot: true,
					Env:     map[string]string{"A": "2", "B": "{slot}", "C": "", "ALL": "x"},
					EnvFile: dir + "/apps/full.env", EnvInherit: []string{"LANG", "DJANGO_*"}, Scratch: []string{"TMPDIR", "HOME"}, Sockets: []string{"web", "log"}, After: []string{"plain"},
					Autostart: false, Strategy: StrategySurge, Restart: RestartOnFailure, SuccessExit: []int{0, 3},
					Backoff: Backoff{time.Second, 2 * time.Minute, 1.5, 0, 0}, GiveUpAfter: 7,
					Ready:    Ready{HTTP: "/full/healthz", Socket: "web", Timeout: 5 * time.Second},
					Health:   Health{TCP: "probe", MaxAge: 30 * time.Second, Interval: time.Minute, Timeout: time.Minute, Failures: 1, Children: 0},
					Watchdog: 90 * time.Second, Statsd: true,
					Stop: []StopStep{{Signal: syscall.SIGINT, Wait: time.Minute}, {Signal: syscall.SIGQUIT, Wait: 1500 * time.Millisecond, Group: true}}, ReloadSignal: syscall.SIGHUP,
					Resources: privdrop.Resources{
						Umask: new(privdrop.Umask(0o22)), Nice: &five, OOMScoreAdjust: &minus, CPUAffinity: []int{0, 16},
						Limits: privdrop.Limits{"nofile": limit(1024, 4096), "core": limit(0, 0), "as": limit(1<<30, 1<<30), "nproc": limit(1000, 1000)},
					},
					Capabilities: []string{"net_bind_service"},
					Log:          Log{To: LogFile, File: "/srv/logs/web-full.log", MaxSize: 0, Keep: 1, MaxAge: 24 * time.Hour, MaxTotal: 1 << 30, Compress: true},
				},
			},
			Release: &Releases{Directory: dir + "/apps/full", Keep: 0},
			Rollout: Rollout{Surge: Surge{Percent: 25}, Strategy: StrategyReplace, MinReady: 3 * time.Second, Smoke: "/full/smoke", OnFailure: OnFailurePause,
				MaxErrorRate: 0.5, MinRequests: 20, Unclear: UnclearPause},
		}},
	}
	if diff := cmp.Diff(want, c, ignorePlaces); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestLogKinds: a file takes the place of the journal, and the other way round.
func TestLogKinds(t *testing.T) {
	tests := []struct{ defaults, own, want string }{
		{"{}", "{}", "file /srv/logs/app/web.log"},
		{"{ to = \"journal\" }", "{}", "journal journal:app/web"},
		{"{}", "{ to = \"journal\" }", "journal journal:app/web"},
		{"{ to = \"journal\" }", "{ to = \"file\" }", "file /srv/logs/app/web.log"},
		{"{ to = \"journal\" }", "{ file = \"/x\" }", "file /x"},
		{"{ to = \"journal\" }", "\"/x\"", "file /x"},
		{"{ to = \"journal\", keep = 3 }", "{}", "journal journal:app/web"},
		{"{ file = \"/{app}\" }", "{ to = \"journal\" }", "journal journal:app/web"},
		{"{ file = \"/{app}\" }", "{ keep = 3 }", "file /app"},
		{"{}", "{ to = \"file\", file = \"/x\" }", "file /x"},
		{"{ to = \"journal\", file = \"/x\" }", "{}", "supd.toml:4: defaults.process.log.file: does nothing with to = \"journal\"; remove one of the two"},
		{"{ to = \"journal\" }", "{ keep = 3 }", "apps/app.toml:4: process.web.log.keep: does nothing with to = \"journal\"; remove one of the two"},
		{"{ to = \"journal\", max_age = \"24h\", max_total = \"1GiB\", compress = true }", "{}", "journal journal:app/web"},
		{"{ to = \"journal\" }", "{ compress = true }", "apps/app.toml:4: process.web.log.compress: does nothing with to = \"journal\"; remove one of the two"},
		{"{}", "{ max_total = \"50MiB\" }", "file /srv/logs/app/web.log"},
		{"{}", "{ max_total = \"49MiB\" }", "apps/app.toml:4: process.web.log.max_total: max_total (51380224 bytes) is less than max_size (52428800): no rotated file has room; raise it, or lower max_size"},
		{"{}", "{ max_total = 1, max_size = 0 }", "file /srv/logs/app/web.log"},
		{"{}", "{ max_age = 86400 }", "apps/app.toml:4: process.web.log.max_age: want a duration such as \"30s\", got an integer"},
		{"{}", "{ max_age = \"-1h\" }", "apps/app.toml:4: process.web.log.max_age: \"-1h\": want 0 or more"},
		{"{ file = \"/{app}\", keep = 3 }", "{ to = \"none\" }", "none none:app/web"},
		{"{ to = \"none\" }", "{ keep = 3 }", "apps/app.toml:4: process.web.log.keep: does nothing with to = \"none\"; remove one of the two"},
		{"{}", "\"none\"", "apps/app.toml:4: process.web.log: \"none\" is the name of a file here: want { to = \"none\" }, or \"./none\""},
		{"{ to = \"stdout\", prefix = \"json\" }", "{}", "stdout stdout:app/web json"},
		{"{ to = \"stdout\", prefix = \"json\" }", "{ prefix = true }", "stdout stdout:app/web name"},
		{"{ to = \"stdout\", prefix = \"json\" }", "{ prefix = false }", "stdout stdout:app/web"},
		{"{ to = \"stdout\", prefix = \"json\" }", "{ to = \"file\" }", "file /srv/logs/app/web.log json"},
		{"{}", "{ prefix = true }", "file /srv/logs/app/web.log name"},
		{"{ prefix = true }", "{ prefix = \"json-stream\" }", "file /srv/logs/app/web.log json-stream"},
		{"{ prefix = \"stream\" }", "{ to = \"none\" }", "none none:app/web"},
		{"{}", "{ to = \"syslog\", prefix = \"stream\" }", "apps/app.toml:4: process.web.log.prefix: does nothing with to = \"syslog\"; remove one of the two"},
		{"{ to = \"stdout\" }", "{ prefix = \"xml\" }", "apps/app.toml:4: process.web.log.prefix: want true (time and worker before each line), \"stream\" (and which output it is), \"json\" (each line an object), \"json-stream\" or false"},
		{"{}", "{ to = \"syslog\" }", "syslog syslog:app/web  unix:/dev/log daemon"},
		{"{ to = \"syslog\", facility = \"local7\" }", "{ address = \"udp:[::1]:514\" }", "syslog syslog:app/web  udp:[::1]:514 local7"},
		{"{ to = \"syslog\", address = \"tcp:logs.example.org:601\" }", "{ to = \"file\" }", "file /srv/logs/app/web.log"},
		{"{ to = \"syslog\" }", "{ compress = true }", "apps/app.toml:4: process.web.log.compress: does nothing with to = \"syslog\"; remove one of the two"},
		{"{}", "{ address = \"udp:a:1\" }", "apps/app.toml:4: process.web.log.address: does nothing with to = \"file\"; remove one of the two"},
		{"{}", "{ to = \"syslog\", address = \"udp:a\" }", "apps/app.toml:4: process.web.log.address: \"udp:a\": want where a syslog server listens, such as \"unix:/dev/log\", \"udp:logs.example.org:514\" or \"tcp:127.0.0.1:514\""},
		{"{}", "{ to = \"syslog\", address = \"unix:dev/log\" }", "apps/app.toml:4: process.web.log.address: \"unix:dev/log\": want where a syslog server listens, such as \"unix:/dev/log\", \"udp:logs.example.org:514\" or \"tcp:127.0.0.1:514\""},
		{"{}", "\"syslog\"", "apps/app.toml:4: process.web.log: \"syslog\" is the name of a file here: want { to = \"syslog\" }, or \"./syslog\""},
		{"{}", "\"NONE\"", "apps/app.toml:4: process.web.log: \"NONE\" is the name of a file here: want { to = \"none\" }, or \"./NONE\""},
		{"{}", "{ file = \"/dev/stdout\" }", "apps/app.toml:4: process.web.log.file: /dev/stdout is no file: want { to = \"stdout\" }"},
		{"{}", "\"/dev/null\"", "apps/app.toml:4: process.web.log: /dev/null is no file: want { to = \"none\" }"},
		{"{ socket = \"x\" }", "{ to = \"journal\" }", "supd.toml:4: defaults.process.log.socket: unknown key; known: address, compress, facility, file, keep, max_age, max_size, max_total, prefix, to"},
	}
	for _, test := range tests {
		dir := lay(t, map[string]string{
			"supd.toml":     "[daemon]\nlogs = \"/srv/logs\"\n[defaults.process]\nlog = " + test.defaults + "\n",
			"apps/app.toml": "user = \"nobody\"\n[process.web]\ncommand = \"true\"\nlog = " + test.own + "\n",
		})
		c, err := load(dir)
		got := told(err)
		if err == nil {
			log := process(t, c).Log
			got = strings.TrimSpace(string(log.To) + " " + log.File + " " + string(log.Prefix) + " " + log.Address + " " + string(log.Facility))
		}
		if got != test.want {
			t.Errorf("%s, %s:\n got %s\nwant %s", test.defaults, test.own, got, test.want)
		}
	}
}

// TestReadyKinds: a kind replaces the kinds below it, the timeout stays.
func TestReadyKinds(t *testing.T) {
	tests := []struct {
		defaults, own string
		want          Ready
	}{
		{"", "", Ready{Uptime: time.Second, Timeout: 30 * time.Second}},
		{"{ notify = true, timeout = \"1m\" }", "", Ready{Notify: true, Timeout: time.Minute}},
		{"{ notify = true, timeout = \"1m\" }", "{ tcp = true }", Ready{TCP: "probe", Timeout: time.Minute}},
		{"{ http = \"/\", socket = \"web\" }", "{ tcp = \"[::1]:80\" }", Ready{TCP: "[::1]:80", Timeout: 30 * time.Second}},
		{"{ http = \"/\", socket = \"web\" }", "{ timeout = \"2s\" }", Ready{HTTP: "/", Socket: "web", Timeout: 2 * time.Second}},
		{"", "{ http = \"http://127.0.0.1:8000/x?y=1\" }", Ready{HTTP: "http://127.0.0.1:8000/x?y=1", Timeout: 30 * time.Second}},
		{"", "{ log = \"^a{1,2}$\" }", Ready{Log: "^a{1,2}$", Timeout: 30 * time.Second}},
		{"", "{ exec = \"test -e 'a b'\" }", Ready{Exec: []string{"test", "-e", "a b"}, Timeout: 30 * time.Second}},
	}
	for _, test := range tests {
		files := map[string]string{"apps/app.toml": "user = \"nobody\"\n[socket.web]\nlisten = \"tcp:127.0.0.1:80\"\n[process.web]\ncommand = \"true\"\nsockets = [\"web\"]\n"}
		if test.defaults != "" {
			files["supd.toml"] = "[defaults.process]\nready = " + test.defaults
		}
		if test.own != "" {
			files["apps/app.toml"] += "ready = " + test.own
		}
		c, err := load(lay(t, files))
		if err != nil {
			t.Errorf("%+v: %v", test, err)
			continue
		}
		if diff := cmp.Diff(test.want, process(t, c).Ready); diff != "" {
			t.Errorf("defaults %s, own %s, -want +got:\n%s", test.defaults, test.own, diff)
		}
	}
}

// TestDefaultsPlace: what is wrong in [defaults.process] is reported once, there.
func TestDefaultsPlace(t *testing.T) {
	app := "user = \"nobody\"\n[process.a]\ncommand = \"true\"\n[process.b]\ncommand = \"true\"\n"
	dir := lay(t, map[string]string{
		"supd.toml":   "[defaults.process]\nsockets = [\"web\"]\n[defaults.process.backof]\ninitial = \"1s\"\n[defaults.process.backoff]\ninitial = \"5m\"\n",
		"apps/a.toml": app, "apps/b.toml": app,
	})
	_, err := load(dir)
	want := `supd.toml:2: defaults.process.sockets: "web": no [socket.web] in this file
supd.toml:3: defaults.process.backof: unknown key, did you mean "backoff"?
supd.toml:6: defaults.process.backoff.initial: initial 5m0s is longer than max 30s`
	if diff := cmp.Diff(want, told(err)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestEnvironment(t *testing.T) {
	dir := lay(t, map[string]string{"supd.toml": "[daemon]\nlogs = \"logs\"\nstate = \"state\"\n"})
	c, err := load(dir, Environ([]string{
		"SUPD_DAEMON_LOGS=/srv/logs", "SUPD_DAEMON_WATCH=true", "SUPD_DAEMON_EXIT_ON=any-failed", "SUPD_CONTROL_MODE=0600", "SUPD_CONTROL_SOCKET=/x/y.sock", "SUPD_APP=z", "OTHER=1",
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Path:    dir + "/supd.toml",
		Daemon:  Daemon{Apps: dir + "/apps", State: dir + "/state", Runtime: "/run/supd", Logs: "/srv/logs", DropIns: "/usr/share/supd/releases.d", Watch: true, ExitOn: ExitAnyFailed},
		Metrics: Metrics{Listen: "127.0.0.1:9188", ProportionalMemory: true, Push: Push{Prefix: "supd.{host}", Interval: 10 * time.Second}},
		Control: Control{Socket: "/x/y.sock", Mode: 0o600},
	}
	if diff := cmp.Diff(want, c, ignorePlaces); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	t.Setenv("SUPD_DAEMON_RUNTIME", "/elsewhere")
	c, err = Load(dir+"/supd.toml", Root(true))
	if err != nil || c.Control.Socket != "/elsewhere/supd.sock" {
		t.Errorf("by default the environment is this process's: %v, %v", c, err)
	}
}

func TestLoadFiles(t *testing.T) {
	dir := lay(t, map[string]string{
		"supd.toml":    "[defaults.process]\ncount = 4\n",
		"apps/no.toml": "wrong = 1\n",
		"new.toml":     "user = \"nobody\"\n[process.web]\ncommand = \"true\"\n",
	})
	c, err := LoadFiles(dir+"/supd.toml", dir+"/new.toml")
	if err != nil {
		t.Fatal(err)
	}
	if got := process(t, c); c.Apps[0].Name != "new" || got.Count != 4 {
		t.Errorf("got %s with %d, want new with 4", c.Apps[0].Name, got.Count)
	}
	if c, err = LoadFiles(dir+"/none/supd.toml", dir+"/new.toml"); err != nil || process(t, c).Count != 1 {
		t.Errorf("without supd.toml: %v, %v", c, err)
	}
	c, err = LoadFiles(dir+"/supd.toml", dir+"/apps/no.toml", dir+"/missing.toml", dir+"/new.toml")
	if err != nil || len(c.Invalid) != 2 || len(c.Apps) != 1 {
		t.Fatalf("got %v, %+v", err, c)
	}
	if one, other := c.Invalid[0].Errors.Error(), c.Invalid[1].Errors.Error(); !strings.Contains(one+other, "apps/no.toml:1: wrong: unknown key") || !strings.Contains(one+other, "missing.toml: cannot read") {
		t.Errorf("got %s and %s", one, other)
	}
}

// FuzzLoad: whatever an app file holds, it is read or refused with a place in it.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.toml", "testdata/full/apps/*.toml", "examples/apps/*.toml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			f.Add(string(readFile(f, file)))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		l := newLoader("/etc/supd/none.toml", []Option{Environ(nil), Root(true)})
		l.daemon(false)
		file := "/etc/supd/apps/app.toml"
		if top, ok := parse(file, []byte(text), l.scope.report); ok {
			l.appTable(top)
		}
		c, err := l.result()
		if err == nil {
			c.Traps()
			return
		}
		for _, e := range *err.(*Errors) {
			if e.File != "apps/app.toml" || e.Line < 0 || e.Line > 1+strings.Count(text, "\n") {
				t.Errorf("%q: outside of the file", e)
			}
			if strings.Contains(e.Error(), "\n") {
				t.Errorf("%q: more than one line", e.Error())
			}
		}
	})
}

// TestHealthTimeout: a question without a time of its own ends before the next one.
func TestHealthTimeout(t *testing.T) {
	for health, want := range map[string]time.Duration{
		`interval = "1s"`:                   time.Second,
		`interval = "3s"`:                   3 * time.Second,
		`interval = "20s"`:                  3 * time.Second,
		`interval = "20s", timeout = "10s"`: 10 * time.Second,
		`failures = 2`:                      3 * time.Second,
	} {
		c, _ := loadApp(t, "user = \"nobody\"\n[process.web]\ncommand = \"true\"\nhealth = { exec = \"true\", "+health+" }\n")
		if got := process(t, c).Health.Timeout; got != want {
			t.Errorf("%s: %s, want %s", health, got, want)
		}
	}
}
