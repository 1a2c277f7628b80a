package configs

import (
	"strings"
	"testing"
)

// TestBare: what belongs to no process is what the files say for all.
func TestBare(t *testing.T) {
	dir := lay(t, map[string]string{
		"supd.toml": "[defaults.process]\numask = \"0077\"\nenv = { A = \"default\", B = \"default\" }\nlimits = { nofile = 99 }\n",
		"apps/app.toml": "user = \"nobody\"\ngroup = \"adm\"\n[release]\ndirectory = \"/opt/app\"\n[env]\nB = \"{app}\"\n" +
			"[process.web]\ncommand = \"x\"\numask = \"0000\"\nuser = \"daemon\"\nenv = { C = \"web\" }\n",
	})
	c, err := load(dir)
	if err != nil {
		t.Fatal(told(err))
	}
	p, err := c.Bare("app", &Version{Name: "1", Path: "/opt/app/1", Files: "/opt/app/1"})
	if err != nil {
		t.Fatal(told(err))
	}
	if p.User != "nobody" || p.Group != "adm" || *p.Umask != 0o077 || p.Directory != "/opt/app/1" || p.Env["A"] != "default" || p.Env["B"] != "{app}" ||
		p.Env["C"] != "" || len(p.Limits) != 1 || p.AllowRoot {
		t.Errorf("%+v", p)
	}
	dir = lay(t, map[string]string{"apps/app.toml": "[process.web]\ncommand = \"x\"\nuser = \"daemon\"\n"})
	c, err = load(dir)
	if err != nil {
		t.Fatal(told(err))
	}
	if p, err := c.Bare("app", nil); err == nil || !strings.Contains(told(err), "has no user, which supd wants when it is root") {
		t.Errorf("without a user: %+v, %v", p, err)
	}
}
