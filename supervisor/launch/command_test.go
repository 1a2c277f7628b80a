package launch

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"supd/configs"
)

// TestCommand: a command in no slot has what the workers have, but nothing of a slot or a
// launch, nor what is made of that.
func TestCommand(t *testing.T) {
	t.Setenv("SECRET", "the shell's own")
	t.Setenv("ZONE", "eu")
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("FROM_FILE=1\nTERM=dumb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := testJob(configs.Process{
		Command: []string{"gunicorn"}, Venv: "/opt/whois/venv", Directory: "/srv", EnvInherit: []string{"ZONE"}, EnvFile: file,
		Env:     map[string]string{"NAME": "{app}.{process} {version}", "NODE": "n{slot:02}", "FD": "{socket.http}", "TO": "{env.STATSD_HOST}", "G": "{generation}", "IN": "{env.TMP}/x", "BRACE": "{{slot}}"},
		Sockets: []string{"http"}, Statsd: true, Scratch: []string{"TMP"}, Watchdog: 1, Ready: configs.Ready{HTTP: "/"},
	})
	s.Release = &configs.Version{Name: "1.4", Path: "/opt/whois/1.4", Files: "/opt/whois/1.4"}
	spec, err := Command(s, []string{"manage.py", "{not}", "expanded"}, []string{"TERM=xterm", "HOME=/elsewhere"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"BRACE={slot}", "FROM_FILE=1", "HOME=/var/lib/whois", "LANG=C.UTF-8", "LOGNAME=whois", "NAME=whois.web 1.4",
		"PATH=/opt/whois/venv/bin:" + configs.WorkerPath, "SHELL=/usr/sbin/nologin", "SUPD_APP=whois", "SUPD_PROCESS=web",
		"SUPD_RELEASE=/opt/whois/1.4", "SUPD_VERSION=1.4", "TERM=dumb", "USER=whois", "VIRTUAL_ENV=/opt/whois/venv", "ZONE=eu"}
	if diff := cmp.Diff(want, spec.Env); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if !slices.Equal(spec.Argv, []string{"manage.py", "{not}", "expanded"}) || spec.Dir != "/srv" || len(spec.Files)+len(spec.ListenNames) > 0 || spec.Session || spec.Watchdog > 0 {
		t.Errorf("%+v", spec)
	}
	if _, err := Command(testJob(configs.Process{Env: map[string]string{"A": "{nosuch}"}}), []string{"x"}, nil); err == nil {
		t.Error("an unknown variable is no error")
	}
}
