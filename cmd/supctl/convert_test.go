package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shopConf has a program of each kind: as before, with a secret, not to be converted.
const shopConf = "[program:web]\ncommand=/bin/sleep 1\nuser=daemon\ndirectory=/\nautorestart=true\nenvironment=HOME=\"/\"\n" +
	"[program:jobs]\ncommand=/bin/sleep 2\nuser=daemon\ndirectory=/\nenvironment=API_KEY=\"k123\"\n"

func shop(t *testing.T, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shop.conf")
	must(t, os.WriteFile(path, []byte(shopConf+more), 0o644))
	return path
}

// Files are printed with their names, what is to be known is on the other output, and a
// secret on neither.
func TestConvert(t *testing.T) {
	path := shop(t, "")
	code, out, err := supctl(t, "convert", path)
	if code != 1 || !strings.HasPrefix(out, "# file: shop.toml\n# Converted from shop.conf") || strings.Contains(out+err, "k123") {
		t.Errorf("exited with %d\nstdout: %s\nstderr: %s", code, out, err)
	}
	for _, want := range []string{
		"2 programs: ", "To be done by hand:\n- shop.jobs.env is not written: it has secrets",
		"Converted, and means something else:\n", "Old names, and what they are for supctl:\n    web   shop/web.1\n    jobs  shop/jobs.1\n",
	} {
		if !strings.Contains(err, want) {
			t.Errorf("without %q: %s", want, err)
		}
	}
}

// What cannot be read is told with its line, as JSON too; what several processes have in
// common is told once.
func TestConvertTells(t *testing.T) {
	code, out, err := supctl(t, "convert", "--json", shop(t, "user={{ user }}\n"), "/nowhere.conf")
	var told struct {
		Errors []struct {
			File, Message string
			Line          int
		}
	}
	must(t, json.Unmarshal([]byte(out), &told))
	if code != 6 || err != "" || len(told.Errors) != 2 || told.Errors[0].File != "/nowhere.conf" || told.Errors[1].Line != 12 || !strings.Contains(told.Errors[1].Message, "a template") {
		t.Errorf("exited with %d\nstdout: %s\nstderr: %s", code, out, err)
	}
	_, _, err = supctl(t, "convert", shop(t, "[program:a]\ncommand=/bin/sleep 1\n[program:b]\ncommand=/bin/sleep 2\n"))
	if strings.Count(err, "warning: capabilities: with setuid") != 1 || !strings.Contains(err, "\n    shop/a, shop/b (shop.toml:") {
		t.Errorf("stderr: %s", err)
	}
}

// What a start would say of this machine is in the report, as check has it.
func TestConvertTellsOfTheStart(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Symlink("/dev/stdout", filepath.Join(dir, "out")))
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o644))
	_, _, err := supctl(t, "convert", "--app", "site", shop(t, "stdout_logfile="+dir+"/out\n[fcgi-program:f]\ncommand=/bin/sleep 1\nuser=daemon\nsocket=unix://"+dir+"/file\n"))
	for _, want := range []string{"/out is a symbolic link", "/file is there and is not a socket"} {
		if !strings.Contains(err, want) {
			t.Errorf("without %q: %s", want, err)
		}
	}
	if strings.Contains(err, "daemon.") || strings.Contains(err, "control.") {
		t.Errorf("of supd itself: %s", err)
	}
}

// Into a directory secrets go as well, and are nobody's else.
func TestConvertOut(t *testing.T) {
	path, dir := shop(t, ""), t.TempDir()
	if code, out, err := supctl(t, "convert", "--out", dir, path); code > 1 || out != "" || strings.Contains(err, "is not written") || strings.Contains(err, "k123") {
		t.Errorf("exited with %d\nstdout: %s\nstderr: %s", code, out, err)
	}
	for name, mode := range map[string]os.FileMode{"shop.toml": 0o640, "shop.jobs.env": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if info.Mode() != mode {
			t.Errorf("%s: %v", name, info.Mode())
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "shop.jobs.env"))
	must(t, err)
	if string(text) != "API_KEY=\"k123\"\n" {
		t.Errorf("%s", text)
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 2 {
		t.Errorf("%v is left there", entries)
	}

	// What is there is not touched, without being told to, and nothing else then either.
	must(t, os.Remove(filepath.Join(dir, "shop.jobs.env")))
	must(t, os.WriteFile(filepath.Join(dir, "shop.toml"), []byte("mine"), 0o644))
	code, _, errs := supctl(t, "convert", "--out", dir, path)
	if _, err := os.Stat(filepath.Join(dir, "shop.jobs.env")); code != 1 || !strings.Contains(errs, "shop.toml is there already, and nothing was written; --force") || err == nil {
		t.Errorf("exited with %d\nstderr: %s", code, errs)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "shop.toml")); string(text) != "mine" {
		t.Errorf("%s", text)
	}
	if code, _, errs := supctl(t, "convert", "--out", dir, "--force", path); code > 1 || strings.Contains(errs, "already") {
		t.Errorf("exited with %d\nstderr: %s", code, errs)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "shop.toml")); !strings.Contains(string(text), "[process.web]") {
		t.Errorf("%s", text)
	}
	if code, _, errs := supctl(t, "convert", "--out", filepath.Join(dir, "none"), path); code != 1 || !strings.Contains(errs, "is no directory; make it first") {
		t.Errorf("exited with %d\nstderr: %s", code, errs)
	}
}

func TestConvertJSON(t *testing.T) {
	code, out, errs := supctl(t, "convert", "--json", shop(t, "[inet_http_server]\nport=1\n"))
	var got struct {
		Apps   []struct{ Name, Text string }
		Report struct {
			Programs, Different, Clean int
			ByHand                     int `json:"by_hand"`
			Notes                      []struct{ Kind, Text string }
			Names                      []struct{ Old, Target string }
		}
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 1 || errs != "" || strings.Contains(out, "k123") {
		t.Fatalf("exited with %d, %v\nstdout: %s\nstderr: %s", code, err, out, errs)
	}
	r := got.Report
	if len(got.Apps) != 1 || got.Apps[0].Name != "shop" || r.Programs != 2 || len(r.Names) != 2 || r.Names[0].Target != "shop/web.1" || r.Notes[0].Kind != "by_hand" {
		t.Errorf("%+v", got)
	}
}

// What is wrong with the command line, or with the files.
func TestConvertFails(t *testing.T) {
	path := shop(t, "[program:x]\nnothing\n")
	template := shop(t, "[program:x]\nuser={{ user }}\n")
	for _, test := range []struct {
		args string
		code int
		err  string
	}{
		{"", 2, "convert needs a file"},
		{"--app A " + path, 2, `--app: "A" is no name`},
		{"--directory x " + path, 2, "--directory x: want an absolute path"},
		{"--env x " + path, 2, "--env x: want NAME=VALUE"},
		{path, 6, path + ":13: is no [section]"},
		{template, 6, template + ":13: {{: this is a template"},
		{path + ".none", 6, "no such file"},
	} {
		code, out, err := supctl(t, append([]string{"convert"}, strings.Fields(test.args)...)...)
		if code != test.code || out != "" || !strings.Contains(err, test.err) {
			t.Errorf("%s: exited with %d\nstdout: %s\nstderr: %s", test.args, code, out, err)
		}
	}
}

// The command line says what the files do not.
func TestConvertOptions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.conf")
	must(t, os.WriteFile(path, []byte("[program:web]\ncommand=/bin/sleep %(ENV_N)s\nautostart=%(ENV_ON)s\n"), 0o644))
	_, out, err := supctl(t, "convert", "--app", "one", "--user", "daemon", "--directory", "/srv", "--env", "N=1=2", "--env", "ON=no", path)
	for _, want := range []string{"# file: one.toml", `user = "daemon"`, `directory = "/srv"`, `command = "/bin/sleep 1=2"`, "autostart = false"} {
		if !strings.Contains(out, want) {
			t.Errorf("without %s: %s%s", want, out, err)
		}
	}
}
