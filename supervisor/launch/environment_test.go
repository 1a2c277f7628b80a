package launch

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"supd/configs"
	"supd/privdrop"
)

func testJob(p configs.Process) Spec {
	p.Name = "web"
	return Spec{App: "whois", Process: &p, Slot: 2, Generation: 7,
		Account: &privdrop.Account{Name: "whois", UID: 998, GID: 998, Home: "/var/lib/whois", Shell: "/usr/sbin/nologin"}}
}

// TestStatsdEnvironment: an old setting does not lead elsewhere, and [env] may use ours.
func TestStatsdEnvironment(t *testing.T) {
	argv, env, err := environment(testJob(configs.Process{
		Command: []string{"run", "{statsd}"}, Statsd: true,
		Env: map[string]string{"STATSD_HOST": "elsewhere", "DD_DOGSTATSD_PORT": "{env.STATSD_PORT}"},
	}), "", "", netip.MustParseAddrPort("127.0.0.1:4001"))
	if err != nil {
		t.Fatal(err)
	}
	if argv[1] != "127.0.0.1:4001" {
		t.Errorf("argv %q", argv)
	}
	for _, want := range []string{"STATSD_HOST=127.0.0.1", "STATSD_PORT=4001", "DD_DOGSTATSD_PORT=4001"} {
		if !slices.Contains(env, want) {
			t.Errorf("no %s in %q", want, env)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("LANG", "C.UTF-8")
	t.Setenv("SECRET", "supd's own")
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("FROM_FILE=1\nBOTH=file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	argv, env, err := environment(testJob(configs.Process{
		Command:    []string{"celery", "-n", "{process}{slot}-{generation}@{env.ZONE}", "{socket.http}", "{socket.probe}", "{{}}", "80{slot0:02}"},
		Venv:       "/opt/whois/venv",
		EnvInherit: []string{"LANG", "NOT_SET"},
		EnvFile:    file,
		Env:        map[string]string{"BOTH": "table", "ZONE": "eu", "HOMEDIR": "{env.HOME}/x"},
		Sockets:    []string{"http"},
		Ready:      configs.Ready{HTTP: "/"},
	}), "/run/supd/workers/x", "/run/supd/notify/x", netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"celery", "-n", "web2-7@eu", "3", "4", "{}", "8001"}, argv); diff != "" {
		t.Error("argv", diff)
	}
	want := []string{
		"BOTH=table", "FROM_FILE=1", "HOME=/var/lib/whois", "HOMEDIR=/var/lib/whois/x", "LANG=C.UTF-8", "LOGNAME=whois",
		"NOTIFY_SOCKET=/run/supd/notify/x", "PATH=/opt/whois/venv/bin:" + configs.WorkerPath, "SHELL=/usr/sbin/nologin",
		"SUPD_APP=whois", "SUPD_GENERATION=7", "SUPD_PROCESS=web", "SUPD_RELEASE=", "SUPD_SLOT=2", "SUPD_VERSION=",
		"SUPD_WORKER=whois/web.2", "USER=whois", "VIRTUAL_ENV=/opt/whois/venv", "XDG_RUNTIME_DIR=/run/supd/workers/x", "ZONE=eu",
	}
	if diff := cmp.Diff(want, env); diff != "" {
		t.Error("environment", diff)
	}
}

// TestLocale: a worker has UTF-8 unless something else is asked for.
func TestLocale(t *testing.T) {
	t.Setenv("LC_ALL", "de_DE.UTF-8")
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("LANG=C\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		p    configs.Process
		want string
	}{
		{"nothing", configs.Process{}, "LANG=C.UTF-8"},
		{"env", configs.Process{Env: map[string]string{"LANG": ""}}, "LANG="},
		{"env, all", configs.Process{Env: map[string]string{"LC_ALL": "C"}}, "LC_ALL=C"},
		{"env, in use", configs.Process{Env: map[string]string{"LC_CTYPE": "{env.LANG}"}}, "LANG=C.UTF-8 LC_CTYPE=C.UTF-8"},
		{"env_file", configs.Process{EnvFile: file}, "LANG=C"},
		{"env_inherit", configs.Process{EnvInherit: []string{"LC_ALL"}}, "LC_ALL=de_DE.UTF-8"},
	} {
		test.p.Command = []string{"x"}
		_, env, err := environment(testJob(test.p), "", "", netip.AddrPort{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, pair := range env {
			if strings.HasPrefix(pair, "L") && !strings.HasPrefix(pair, "LOGNAME=") {
				got = append(got, pair)
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestEnvironmentErrors(t *testing.T) {
	for name, p := range map[string]configs.Process{
		"env_file missing": {Command: []string{"x"}, EnvFile: "/does/not/exist"},
		"variable in env":  {Command: []string{"x"}, Env: map[string]string{"A": "{nothing}"}},
		"variable":         {Command: []string{"x", "{env.NOTHING}"}},
	} {
		if _, _, err := environment(testJob(p), "", "", netip.AddrPort{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestNoSecretInErrors: a value that cannot be expanded is not shown.
func TestNoSecretInErrors(t *testing.T) {
	p := configs.Process{Command: []string{"x"}, Env: map[string]string{"PASSWORD": "hunter2{x}"}}
	_, _, err := environment(testJob(p), "", "", netip.AddrPort{})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
}

// TestScratchEnvironment: what is set elsewhere is set by scratch, and [env] may use it.
func TestScratchEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "env")
	t.Setenv("TMPDIR", "/supds")
	if err := os.WriteFile(file, []byte("CACHE=/elsewhere\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	argv, env, err := environment(testJob(configs.Process{
		Command: []string{"run", "{env.TMPDIR}"}, EnvInherit: []string{"*"}, EnvFile: file, Scratch: []string{"TMPDIR", "CACHE", "HOME"},
		Env: map[string]string{"DB": "{env.CACHE}/db"},
	}), "/run/x", "", netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	if argv[1] != "/run/x/TMPDIR" {
		t.Errorf("argv %q", argv)
	}
	for _, want := range []string{"TMPDIR=/run/x/TMPDIR", "CACHE=/run/x/CACHE", "DB=/run/x/CACHE/db", "HOME=/run/x/HOME"} {
		if !slices.Contains(env, want) {
			t.Errorf("no %s in %q", want, env)
		}
	}
}

// TestSlotFromZero: also of a candidate, whose number no other worker has.
func TestSlotFromZero(t *testing.T) {
	s := testJob(configs.Process{Count: 3})
	if got := variables(s)["slot0"]; got != "1" {
		t.Errorf("of slot 2: %s", got)
	}
	s.Slot, s.Candidate = 0, true
	if got := variables(s)["slot0"]; got != "3" {
		t.Errorf("of a candidate: %s", got)
	}
}
