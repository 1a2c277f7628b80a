package configs

import (
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	vars := map[string]string{"app": "whois", "process": "web", "slot": "1", "generation": "1234", "socket.web": "3", "env.HOME": "/h{x}"}
	tests := []struct{ in, want, err string }{
		{"", "", ""},
		{"plain", "plain", ""},
		{"{app}-{slot}", "whois-1", ""},
		{"--fd={socket.web}", "--fd=3", ""},
		{"{env.HOME}", "/h{x}", ""}, // what comes in is not expanded again
		{"{{app}}", "{app}", ""},
		{"{{{app}}}", "{whois}", ""},
		{"a}}b{{", "a}b{", ""},
		{"{ap}", "", "{ap}: unknown variable, did you mean {app}?"},
		{"{socket.wbe}", "", "{socket.wbe}: unknown variable, did you mean {socket.web}?"},
		{"{nothing-near}", "", `{nothing-near}: unknown variable; write "{{" for a brace`},
		{"{version}", "", "{version}: the app has no [release]"},
		{"{release}", "", "{release}: the app has no [release]"},
		{"{app", "", strayOpen},
		{"{}", "", strayOpen},
		{"{a b}", "", strayOpen},
		{`{"app": 1}`, "", strayOpen},
		{"app}", "", strayClose},
		{"80{slot:02}", "8001", ""},
		{"{slot:01}{{:02}}", "1{:02}", ""},
		{"{generation:02}", "1234", ""},
		{"{slot:2}", "", "{slot:2}: want a width from 01 to 09, as {slot:02} for 01, 02, …"},
		{"{slot:}", "", "{slot:}: want a width from 01 to 09, as {slot:02} for 01, 02, …"},
		{"{slot:00}", "", "{slot:00}: want a width from 01 to 09, as {slot:02} for 01, 02, …"},
		{"{slot:010}", "", "{slot:010}: want a width from 01 to 09, as {slot:02} for 01, 02, …"},
		{"{slot:02:02}", "", "{slot:02:02}: want a width from 01 to 09, as {slot:02} for 01, 02, …"},
		{"{app:02}", "", `{app:02}: only {slot}, {slot0} and {generation} have a width, as {slot:02}; write "{{" for a brace`},
		{"{slto:02}", "", "{slto}: unknown variable, did you mean {slot}?"},
		{"{:02}", "", strayOpen},
		{"{app}}", "", strayClose},
	}
	for _, test := range tests {
		got, err := Expand(test.in, vars)
		if got != test.want || told(err) != test.err {
			t.Errorf("Expand(%q): got %q, %q, want %q, %q", test.in, got, told(err), test.want, test.err)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"command", "count", "user", "group", "groups", "umask"}
	tests := map[string]string{
		"comand": "command", "commnad": "command", "COMMAND": "command", "cuont": "count", "usr": "user",
		"gruop": "group", "grups": "groups", "": "", "xyz": "", "u": "", "numprocs": "",
	}
	for name, want := range tests {
		if got := nearest(name, known); got != want {
			t.Errorf("nearest(%q): got %q, want %q", name, got, want)
		}
	}
}

// FuzzExpand: doubling the braces of any text makes it stand for itself, and
// nothing makes Expand panic.
func FuzzExpand(f *testing.F) {
	for _, s := range []string{"", "{app}", "{{}}", "{", "}", "{socket.web}", "{env.A}{{{app}}}", "\x00{\xff}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		Expand(s, map[string]string{"app": s})
		doubled := strings.NewReplacer("{", "{{", "}", "}}").Replace(s)
		if got, err := Expand(doubled, nil); err != nil || got != s {
			t.Errorf("Expand(%q): got %q, %v, want %q", doubled, got, err, s)
		}
	})
}
