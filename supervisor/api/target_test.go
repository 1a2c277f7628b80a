package api

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTargetMatches(t *testing.T) {
	workers := []string{"whois/web.1", "whois/web.2", "whois/web.12", "whois/worker.1", "whois2/web.1"}
	tests := map[string][]string{
		"all":            workers,
		"*":              workers,
		"*/*":            workers,
		"whois":          {"whois/web.1", "whois/web.2", "whois/web.12", "whois/worker.1"},
		"whois*":         workers,
		"whois?":         {"whois2/web.1"},
		"whois/web":      {"whois/web.1", "whois/web.2", "whois/web.12"},
		"whois:web":      {"whois/web.1", "whois/web.2", "whois/web.12"},
		"whois:*":        {"whois/web.1", "whois/web.2", "whois/web.12", "whois/worker.1"},
		"whois/w*":       {"whois/web.1", "whois/web.2", "whois/web.12", "whois/worker.1"},
		"whois/web.1":    {"whois/web.1"},
		"whois:web.1":    {"whois/web.1"},
		"whois/web.12":   {"whois/web.12"},
		"whois/web.1*":   {"whois/web.1", "whois/web.12"},
		"whois/web.[12]": {"whois/web.1", "whois/web.2"},
		"*/web.1":        {"whois/web.1", "whois2/web.1"},
		"*:web.1":        {"whois/web.1", "whois2/web.1"},
		"web":            nil,
		"who":            nil,
		"Whois":          nil,
		"all/web":        nil,
	}
	for text, want := range tests {
		target, err := ParseTarget(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		var got []string
		for _, name := range workers {
			app, process, slot := parts(t, name)
			if target.Matches(app, process, slot) {
				got = append(got, name)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q matches (-want +got):\n%s", text, diff)
		}
	}
}

// A process is named whether or not it has workers.
func TestTargetMatchesProcess(t *testing.T) {
	for text, want := range map[string][2]bool{ // matches whois/web; says which process
		"all": {true, false}, "*": {true, false}, "whois": {true, false}, "whois:*": {true, false}, "whois/*": {true, false},
		"whois/web": {true, true}, "*/web": {true, true}, "whois/w*": {true, true}, "whois/web.*": {true, true},
		"whois/web.1": {false, true}, "whois/worker": {false, true}, "other": {false, false},
	} {
		target, err := ParseTarget(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{target.MatchesProcess("whois", "web"), target.NamesProcess()}; got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// parts takes the name of a worker apart.
func parts(t *testing.T, name string) (app, process string, slot int) {
	app, rest, _ := strings.Cut(name, "/")
	process, number, _ := strings.Cut(rest, ".")
	slot, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	return app, process, slot
}

func TestParseTargetRefuses(t *testing.T) {
	tests := map[string]string{
		strings.Repeat("*", 257): "a name or glob of 257 bytes: want at most 256, names have 64",
		"":                       `target "": want APP, APP/PROCESS, APP/PROCESS.SLOT or all`,
		"/":                      "want APP",
		"/web":                   "want APP",
		"whois/":                 "want APP",
		"whois:":                 "want APP",
		"whois/.1":               "want APP",
		"whois/web.":             "want APP",
		"a/b/c":                  "want APP",
		"a:b:c":                  "want APP",
		"a:b/c":                  "want APP",
		"whois/web.0":            `slot "0": want a number from 1 on`,
		"a/b.01":                 `slot "01"`,
		"a/b.+1":                 `slot "+1"`,
		"a/b.-1":                 `slot "-1"`,
		"a/b.x":                  `slot "x"`,
		"[":                      "not a valid glob",
		"a/[":                    "not a valid glob",
		"a/b.[":                  "not a valid glob",
		`a\`:                     "not a valid glob",
	}
	for text, want := range tests {
		_, err := ParseTarget(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

// A target without a glob in its app names workers of that app and of no other.
func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{"all", "whois", "whois/web", "whois:web.1", "*/w?b.[1-3]", "a/b.0", `\`, "a//", "a/b.9999999999999999999"} {
		f.Add(seed, 1)
	}
	f.Fuzz(func(t *testing.T, text string, slot int) {
		target, err := ParseTarget(text)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of two lines: %q", err)
			}
			return
		}
		if slot < 1 && target.slot == strconv.Itoa(slot) {
			t.Errorf("%q names slot %d", text, slot)
		}
		app, _, below := strings.Cut(strings.Replace(text, ":", "/", 1), "/")
		if strings.ContainsAny(app, `*?[\`) || !below && text == "all" {
			return
		}
		if !below && !target.Matches(app, "web", slot) {
			t.Errorf("%q does not name its app", text)
		}
		if target.Matches(app+"x", "web", slot) {
			t.Errorf("%q names another app", text)
		}
	})
}
