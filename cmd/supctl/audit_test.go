package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"supd/supervisor/api"
	"supd/supervisor/control"
)

// layAudited makes a configuration of one app the one that supctl reads, and gives its
// directory.
func layAudited(t *testing.T, app string) string {
	t.Helper()
	dir := t.TempDir()
	for path := dir; path != "/tmp" && path != "/"; path = filepath.Dir(path) {
		must(t, os.Chmod(path, 0o755))
	}
	must(t, os.Mkdir(dir+"/apps", 0o755))
	must(t, os.WriteFile(dir+"/supd.toml", []byte("[daemon]\nstate = \"state\"\nruntime = \"run\"\nlogs = \"logs\"\n"), 0o644))
	must(t, os.WriteFile(dir+"/apps/whois.toml", []byte(app), 0o644))
	t.Setenv("SUPD_CONFIG", dir+"/supd.toml")
	return dir
}

// appOfAudit has no weakness for whoever runs the test.
func appOfAudit() string {
	user := ""
	if os.Geteuid() == 0 {
		user = "user = \"nobody\"\ngroup = \"65534\"\n"
	}
	return user + "[socket.web]\nlisten = \"unix:/run/whois.sock\"\n[process.web]\ncommand = \"sleep infinity\"\nsockets = [\"web\"]\n"
}

const auditIsWell = "ok: the hardening checklist holds, and every registered release is as it was registered\n"

// TestAudit: the configuration's weaknesses, and what supd says of releases.
func TestAudit(t *testing.T) {
	d := newFake("/nonexistent")
	serve(t, d)
	layAudited(t, appOfAudit())
	if code, out, err := supctl(t, "audit"); code != 0 || out != auditIsWell || err != "" {
		t.Errorf("exited with %d, %s%s", code, out, err)
	}
	if code, _, err := supctl(t, "audit", "nosuch"); code != 4 || !strings.Contains(err, `no app "nosuch"`) {
		t.Errorf("exited with %d, %s", code, err)
	}
	d.findings = []api.Finding{{App: "whois", Release: "1.4.0", Path: "a\nb.py", Message: "has another size"}}
	if code, out, err := supctl(t, "audit", "whois"); code != 1 || out != "whois 1.4.0: a b.py: has another size\n" || err != "" {
		t.Errorf("exited with %d, %s%s", code, out, err)
	}
	if code, out, _ := supctl(t, "--json", "audit"); code != 1 || out != `[{"app":"whois","release":"1.4.0","path":"a\nb.py","message":"has another size"}]`+"\n" {
		t.Errorf("exited with %d, %s", code, out)
	}

	layAudited(t, strings.Replace(appOfAudit(), "unix:/run/whois.sock\"", "unix:/run/whois.sock\"\nmode = \"0666\"", 1))
	code, out, err := supctl(t, "audit", "whois")
	line, _, _ := strings.Cut(out, "\n")
	if code != 1 || strings.Count(out, "\n") != 2 || err != "" || !strings.HasPrefix(line, "whois: apps/whois.toml:") || !strings.Contains(line, ": socket.web.mode: 0666 lets every user") {
		t.Errorf("exited with %d, %s%s", code, out, err)
	}
	if code, out, _ := supctl(t, "--json", "audit", "whois"); code != 1 || !strings.HasPrefix(out, `[{"app":"whois","path":"apps/whois.toml:`) {
		t.Errorf("exited with %d, %s", code, out)
	}
}

// TestAuditWithoutSupd: the files say enough.
func TestAuditWithoutSupd(t *testing.T) {
	layAudited(t, appOfAudit())
	for _, args := range [][]string{{"audit"}, {"audit", "whois"}} {
		if code, out, err := supctl(t, args...); code != 0 || out != auditIsWell || err != "" {
			t.Errorf("%q: exited with %d, %s%s", args, code, out, err)
		}
	}
	if code, _, err := supctl(t, "audit", "nosuch"); code != 4 || !strings.Contains(err, `no app "nosuch"`) {
		t.Errorf("exited with %d, %s", code, err)
	}
	if !control.NoAnswer(func() error { _, err := (&call{socket: "/none"}).findings(t.Context(), nil); return err }()) {
		t.Error("an audit without supd finds nothing")
	}
}

// TestAuditOfWhatIsNotThere: what cannot be looked at is said, and is no success.
func TestAuditOfWhatIsNotThere(t *testing.T) {
	layAudited(t, "usr = \"x\"\n")
	if code, _, err := supctl(t, "audit"); code != 6 || !strings.Contains(err, "whois is not looked at, its file is invalid") {
		t.Errorf("an invalid app: exited with %d, %s", code, err)
	}
	t.Setenv("SUPD_CONFIG", "/nonexistent/supd.toml")
	if code, _, err := supctl(t, "audit"); code != 6 || !strings.Contains(err, "/nonexistent/supd.toml") {
		t.Errorf("no configuration: exited with %d, %s", code, err)
	}
	t.Setenv("SUPD_CONFIG", "")
	if _, err := os.Stat(defaultConfig()); err == nil {
		t.Skip("this machine has a configuration of supd")
	}
	d := newFake("/nonexistent")
	serve(t, d)
	if code, out, err := supctl(t, "audit"); code != 0 || out != "ok: every registered release is as it was registered\n" || !strings.Contains(err, "only releases are looked at") {
		t.Errorf("none in the usual place: exited with %d, %s%s", code, out, err)
	}
}
