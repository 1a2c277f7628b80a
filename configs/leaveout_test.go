package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLeaveOut: what is wrong in an app file concerns that app, and what is wrong in
// supd.toml all.
func TestLeaveOut(t *testing.T) {
	const good = "user = \"u\"\n[process.web]\ncommand = \"x\"\n"
	for name, test := range map[string]struct {
		files   map[string]string
		invalid map[string]string // what is said of each app that is left out
		refused string
	}{
		"all well":      {files: map[string]string{"apps/a.toml": good}},
		"syntax":        {files: map[string]string{"apps/a.toml": good, "apps/b.toml": good + "count = "}, invalid: map[string]string{"b": "apps/b.toml:4: "}},
		"unknown key":   {files: map[string]string{"apps/a.toml": good, "apps/b.toml": good + "comand = 1"}, invalid: map[string]string{"b": "apps/b.toml:4: process.web.comand"}},
		"no app's name": {files: map[string]string{"apps/a.toml": good, "apps/B.toml": good}, invalid: map[string]string{"B": "apps/B.toml: "}},
		"defaults that do not fit": {
			files: map[string]string{
				"supd.toml":   "[defaults.process]\nsockets = [\"web\"]\n",
				"apps/a.toml": good + "[socket.web]\nlisten = \"unix:/s\"\n", "apps/b.toml": good,
			},
			invalid: map[string]string{"b": "supd.toml:2: "},
		},
		"another one's address": {
			files: map[string]string{
				"apps/a.toml": good + "[socket.web]\nlisten = \"unix:/s\"\n", "apps/b.toml": good + "[socket.web]\nlisten = \"unix:/s\"\n",
			},
			invalid: map[string]string{"b": "apps/b.toml:5: socket.web.listen: unix:/s is already the address of socket web of app a;"},
		},
		"the address of one that is left out": {
			files: map[string]string{
				"apps/a.toml": good + "[socket.web]\nlisten = \"unix:/s\"\nnone = 1\n", "apps/b.toml": good + "[socket.web]\nlisten = \"unix:/s\"\n",
			},
			invalid: map[string]string{"a": "apps/a.toml:6: "},
		},
		"supd.toml": {files: map[string]string{"supd.toml": "[daemon]\nnone = 1", "apps/b.toml": "user = "}, refused: "supd.toml:2: daemon.none"},
		"strict":    {files: map[string]string{"supd.toml": "[daemon]\nstrict = true", "apps/b.toml": "user = "}, refused: "apps/b.toml:1: "},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(dir+"/apps", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dir+"/supd.toml", []byte(test.files["supd.toml"]), 0o644); err != nil {
				t.Fatal(err)
			}
			apps := 0
			for file, text := range test.files {
				if filepath.Dir(file) == "apps" {
					apps++
				}
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			c, err := Load(dir+"/supd.toml", Root(true), Environ(nil), LeaveOut())
			if test.refused != "" {
				if err == nil || !strings.Contains(err.Error(), test.refused) {
					t.Errorf("error %v, want %q", err, test.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Load(dir+"/supd.toml", Root(true), Environ(nil)); (err != nil) != (len(test.invalid) > 0) {
				t.Errorf("all or nothing: %v", err)
			}
			for _, one := range c.Invalid {
				if want, is := test.invalid[one.Name]; !is || !strings.HasPrefix(one.Errors.Error(), want) {
					t.Errorf("%s: %s, want %q", one.Name, one.Errors, want)
				}
				if _, err := c.With(one.Name, Version{}); err == nil {
					t.Errorf("%s can be had", one.Name)
				}
			}
			if len(c.Invalid) != len(test.invalid) || len(c.Apps)+len(c.Invalid) != apps {
				t.Errorf("%d apps, left out %v", len(c.Apps), c.Invalid)
			}
		})
	}
}
