package configs

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInherited(t *testing.T) {
	environ := strings.Fields(`DJANGO_A=1 DJANGO_B_URL= CACHE_URL=redis://x?a=b PATH=/x DJANGO=2 odd.name=1 no-equals
		HOME=/root USER=root LOGNAME=root SHELL=/bin/sh PWD=/root OLDPWD=/ SHLVL=1 _=/usr/bin/supd
		SUPD_CONFIG=/x SUPD_ANY=1 LISTEN_FDS=1 LISTEN_PID=2 LISTEN_FDNAMES=a NOTIFY_SOCKET=/x WATCHDOG_USEC=1 WATCHDOG_PID=2
		XDG_RUNTIME_DIR=/run/user/0 INVOCATION_ID=a JOURNAL_STREAM=8:1 CREDENTIALS_DIRECTORY=/run/credentials/supd
		RUNTIME_DIRECTORY=/run/supd MEMORY_PRESSURE_WATCH=/x LISTEN_HOST=0.0.0.0`)
	for _, c := range []struct{ names, want []string }{
		{nil, nil},
		{[]string{"*"}, []string{"CACHE_URL", "DJANGO", "DJANGO_A", "DJANGO_B_URL", "LISTEN_HOST", "PATH"}},
		{[]string{"DJANGO_*"}, []string{"DJANGO_A", "DJANGO_B_URL"}},
		{[]string{"*_URL", "PATH"}, []string{"CACHE_URL", "DJANGO_B_URL", "PATH"}},
		{[]string{"D*_*L"}, []string{"DJANGO_B_URL"}},
		{[]string{"*A*A*"}, []string{"DJANGO_A"}},
		{[]string{"DJANGO_A*A"}, nil},
		{[]string{"SUPD_*", "LISTEN_F*", "H*"}, nil},
		{[]string{"HOME", "SUPD_ANY", "INVOCATION_ID"}, []string{"HOME", "INVOCATION_ID", "SUPD_ANY"}}, // who names it means it
		{[]string{"NONE"}, nil},
	} {
		p := Process{EnvInherit: c.names}
		got := p.Inherited(environ)
		if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, c.want) {
			t.Errorf("%q: %s", c.names, cmp.Diff(c.want, names))
		}
		if value, is := got["CACHE_URL"]; is && value != "redis://x?a=b" {
			t.Errorf("CACHE_URL is %q", value)
		}
	}
}

// TestInheritedVariables: what a pattern stands for is known to [env] and commands.
func TestInheritedVariables(t *testing.T) {
	for _, c := range []struct{ keys, want string }{
		{`env_inherit = ["DJANGO_*"]` + "\n" + `env = { A = "{env.DJANGO_X}" }`, ""},
		{`env_inherit = ["DJANGO_*"]` + "\n" + `env = { A = "{env.FLASK_X}" }`, "no such variable; set it in env or env_file, or name it in env_inherit"},
		{`env_inherit = ["*"]` + "\n" + `env = { A = "{env.INVOCATION_ID}" }`, "no such variable"},
		{`env_inherit = ["DJANGO-*"]`, `"DJANGO-*": want a name of letters`},
		{`env_inherit = ["1*"]`, `"1*": want a name of letters`},
		{`env_inherit = ["LISTEN_FDS"]`, `"LISTEN_FDS": is set by supd`},
	} {
		_, err := load(lay(t, map[string]string{"supd.toml": "", "apps/a.toml": "user = \"nobody\"\n[process.web]\ncommand = \"x\"\n" + c.keys + "\n"}))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.keys, err, c.want)
		}
	}
}
