package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeConfig writes a supd.toml and its app files, with a user, which root's supd
// needs.
func writeConfig(t *testing.T, files map[string]string) (path string) {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "apps"), 0o755))
	all := map[string]string{"supd.toml": "[daemon]\napps = \"apps\"\nstate = \"state\"\nruntime = \"run\"\nlogs = \"logs\"\n[control]\nsocket = \"run/supd.sock\"\n"}
	for name, text := range files {
		user := ""
		if os.Geteuid() == 0 {
			user = `user = "daemon"`
		}
		all[name] = strings.ReplaceAll(text, "USER", user)
	}
	for name, text := range all {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return filepath.Join(dir, "supd.toml")
}

const validApp = "USER\n[process.web]\ncommand = \"/bin/sleep 3000\"\n"

func TestCheck(t *testing.T) {
	path := writeConfig(t, map[string]string{
		"apps/whois.toml": validApp + "count = 2\n[process.worker]\ncommand = \"/bin/sleep 1\"\n",
		"apps/other.toml": validApp,
		"bad.toml":        "USER\n[process.web]\ncommand = \"/bin/sleep 3000\"\ncout = 2\n",
		"words.toml":      "USER\n[process.web]\ncommand = /bin/sleep 3000\nautorestart = true\n",
		"nosuch.toml":     "USER\n[process.web]\ncommand = \"/nosuch/program\"\n",
		"trap.toml":       "USER\n[process.web]\ncommand = \"sudo sleep 3000\"\n[process.worker]\ncommand = \"/bin/sh -c 'sleep 1'\"\n",
	})
	dir := filepath.Dir(path)
	tests := []struct {
		args     string
		code     int
		out, err string
	}{
		{"", 0, "ok: 2 apps, 3 processes, 4 workers\n", ""},
		{dir + "/apps/other.toml", 0, "ok: 1 app, 1 process, 1 worker\n", ""},
		{dir + "/bad.toml", 6, "", `bad.toml:4: process.web.cout: unknown key, did you mean "count"?` + "\n"},
		{dir + "/nosuch.toml", 6, "", "nosuch.toml:3: process.web.command: "},
		{dir + "/missing.toml", 6, "", "missing.toml"},
	}
	for _, test := range tests {
		code, out, err := supctl(t, append([]string{"check", "--config", path}, strings.Fields(test.args)...)...)
		if code != test.code || out != test.out || !strings.HasPrefix(strings.TrimPrefix(err, dir+"/"), test.err) || (err == "") != (test.err == "") {
			t.Errorf("supctl check %s: exited with %d\nstdout: %s\nstderr: %s", test.args, code, out, err)
		}
	}

	// An error in one file hides nothing of another, nor of the same.
	code, _, err := supctl(t, "check", "--config", path, dir+"/nosuch.toml", dir+"/bad.toml", dir+"/words.toml", dir+"/missing.toml")
	for _, want := range []string{"nosuch.toml:3: process.web.command: ", "bad.toml:4: process.web.cout: unknown key", "words.toml:3: text is written in quotes", "words.toml:4: process.web.autorestart: is supervisord's name", "missing.toml: cannot read"} {
		if !strings.Contains(err, want) || code != 6 {
			t.Errorf("of all at once: exited with %d, without %q:\n%s", code, want, err)
		}
	}

	// A warning is no error.
	code, out, err := supctl(t, "check", "--config", path, dir+"/trap.toml")
	if code != 0 && !strings.Contains(err, "command") || !strings.HasPrefix(err, "warning: trap.toml:") {
		t.Errorf("of a trap: exited with %d\nstdout: %s\nstderr: %s", code, out, err)
	}

	// The environment names the file as it does for supd.
	t.Setenv("SUPD_CONFIG", path)
	if code, out, _ := supctl(t, "check"); code != 0 || out != tests[0].out {
		t.Errorf("by the environment: exited with %d, %s", code, out)
	}
	t.Setenv("SUPD_CONFIG", dir+"/none.toml")
	if code, _, err := supctl(t, "check"); code != 6 || !strings.Contains(err, "none.toml") {
		t.Errorf("of a missing file: exited with %d, %s", code, err)
	}
}
