package supervisor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"supd/configs"
	"supd/privdrop"
)

func testJob(p configs.Process) job {
	p.Name = "web"
	return job{app: "whois", process: &p, slot: 2, generation: 7,
		account: &privdrop.Account{Name: "whois", UID: 998, GID: 998, Home: "/var/lib/whois", Shell: "/usr/sbin/nologin"}}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("LANG", "C.UTF-8")
	t.Setenv("SECRET", "supd's own")
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("FROM_FILE=1\nBOTH=file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	argv, env, err := environment(testJob(configs.Process{
		Command:    []string{"celery", "-n", "{process}{slot}-{generation}@{env.ZONE}", "{socket.http}", "{socket.probe}", "{{}}"},
		Venv:       "/opt/whois/venv",
		EnvInherit: []string{"LANG", "NOT_SET"},
		EnvFile:    file,
		Env:        map[string]string{"BOTH": "table", "ZONE": "eu", "HOMEDIR": "{env.HOME}/x"},
		Sockets:    []string{"http"},
		Ready:      configs.Ready{HTTP: "/"},
	}), "/run/supd/workers/x", "/run/supd/notify/x")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"celery", "-n", "web2-7@eu", "3", "4", "{}"}, argv); diff != "" {
		t.Error("argv", diff)
	}
	want := []string{
		"BOTH=table", "FROM_FILE=1", "HOME=/var/lib/whois", "HOMEDIR=/var/lib/whois/x", "LANG=C.UTF-8", "LOGNAME=whois",
		"NOTIFY_SOCKET=/run/supd/notify/x", "PATH=/opt/whois/venv/bin:" + defaultPath, "SHELL=/usr/sbin/nologin",
		"SUPD_APP=whois", "SUPD_GENERATION=7", "SUPD_PROCESS=web", "SUPD_RELEASE=", "SUPD_SLOT=2", "SUPD_VERSION=",
		"SUPD_WORKER=whois/web.2", "USER=whois", "VIRTUAL_ENV=/opt/whois/venv", "XDG_RUNTIME_DIR=/run/supd/workers/x", "ZONE=eu",
	}
	if diff := cmp.Diff(want, env); diff != "" {
		t.Error("environment", diff)
	}
}

func TestEnvironmentErrors(t *testing.T) {
	for name, p := range map[string]configs.Process{
		"env_file missing": {Command: []string{"x"}, EnvFile: "/does/not/exist"},
		"variable in env":  {Command: []string{"x"}, Env: map[string]string{"A": "{nothing}"}},
		"variable":         {Command: []string{"x", "{env.NOTHING}"}},
	} {
		if _, _, err := environment(testJob(p), "", ""); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestNoSecretInErrors: a value that cannot be expanded is not shown.
func TestNoSecretInErrors(t *testing.T) {
	p := configs.Process{Command: []string{"x"}, Env: map[string]string{"PASSWORD": "hunter2{x}"}}
	_, _, err := environment(testJob(p), "", "")
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
}

func TestSameLaunch(t *testing.T) {
	base := configured("web", 1)
	for name, c := range map[string]struct {
		change func(*configs.Process)
		same   bool
	}{
		"nothing":           {func(*configs.Process) {}, true},
		"count":             {func(p *configs.Process) { p.Count = 7 }, true},
		"stop":              {func(p *configs.Process) { p.Stop = nil }, true},
		"restart":           {func(p *configs.Process) { p.Restart = configs.RestartNever }, true},
		"ready path":        {func(p *configs.Process) { p.Ready.HTTP = "/healthz" }, true},
		"ready timeout":     {func(p *configs.Process) { p.Ready.Timeout++ }, true},
		"line":              {func(p *configs.Process) { p.Line = 99 }, true},
		"command":           {func(p *configs.Process) { p.Command = []string{"x"} }, false},
		"env":               {func(p *configs.Process) { p.Env = map[string]string{"A": "1"} }, false},
		"no probe any more": {func(p *configs.Process) { p.Ready = configs.Ready{Uptime: 1} }, false},
		"notify":            {func(p *configs.Process) { p.Ready = configs.Ready{Notify: true} }, false},
		"umask":             {func(p *configs.Process) { p.Umask = new(privdrop.Umask(0o77)) }, false},
		"sockets":           {func(p *configs.Process) { p.Sockets = []string{"http"} }, false},
	} {
		p := base
		p.Stop = slices.Clone(base.Stop)
		c.change(&p)
		if got := sameLaunch(&base, &p); got != c.same {
			t.Errorf("%s: same launch %v, want %v", name, got, c.same)
		}
	}
}

// TestKeyIgnoresWhatIsNotSet: a later version of supd has more settings, and takes
// the workers of this one for its own.
func TestKeyIgnoresWhatIsNotSet(t *testing.T) {
	type before struct {
		Command []string
		Umask   int
		Nested  struct{ A string }
	}
	type after struct {
		Command []string
		Umask   int
		Nested  struct {
			A string
			B *int
		}
		New  bool
		More map[string]string
	}
	old := before{Command: []string{"x", ""}, Umask: 7}
	if hashOf(old) != hashOf(after{Command: []string{"x", ""}, Umask: 7}) {
		t.Error("settings that are not set make another worker")
	}
	if hashOf(old) == hashOf(after{Command: []string{"x", ""}, Umask: 7, New: true}) {
		t.Error("a setting makes no other worker")
	}
	if hashOf(old) == hashOf(before{Command: []string{"x"}, Umask: 7}) {
		t.Error("an empty argument is one too")
	}
}
