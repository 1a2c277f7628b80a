package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/creack/pty"

	"supd/supervisor/api"
	"supd/supervisor/release"
)

// evil is what a worker may say: a title, an erased screen, also by a character of eight
// bits, colours, a bell, a return, the other direction, and lines of its own.
const evil = "503 \x1b]0;title\a\x1b[2J\u009b2J\x1b[31mred\x1b[0m\r\u202eback\nnext"

// evilFake says it wherever something can be said.
func evilFake(t *testing.T) *fake {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte(evil+"\n\x9b2Jend\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "beat.log"), []byte("tick\r"+evil+"\n"), 0o600))
	d, at := newFake(dir), time.Now()
	for w := range d.status.Workers() {
		w.Note, w.LastExit, w.Release, w.Restarts = evil, &api.Exit{Reason: evil, At: at}, evil, 2
	}
	d.status.Apps[0].Note, d.status.Apps[1].State = evil, api.Invalid
	d.status.Apps[1].Note = evil
	d.status.Apps[1].Held = &release.Hold{By: evil, Reason: evil}
	d.result = api.Result{Code: 7, Warnings: []string{evil}, Outcomes: []api.Outcome{{Name: "whois/web.1", Code: 7, Message: evil}, {Name: "whois/web.2", Message: evil}}}
	d.releases = &api.ReleaseList{App: "whois", Held: d.status.Apps[1].Held,
		Releases: []api.ReleaseStatus{{Version: "1", Path: evil, By: evil, Reason: evil}}, History: []release.Rollout{{ID: 1, By: evil, Reason: evil}}}
	d.findings = []api.Finding{{App: "whois", Release: "1", Path: evil, Message: evil}}
	return d
}

// onTerminal runs supctl with a terminal as both of its outputs, and gives what that got.
func onTerminal(t *testing.T, width uint16, args ...string) string {
	t.Helper()
	master, tty, err := pty.Open()
	must(t, err)
	defer master.Close()
	must(t, pty.Setsize(master, &pty.Winsize{Cols: width, Rows: 50}))
	text := make(chan string)
	go func() {
		all, _ := io.ReadAll(master) // EIO is the end of a terminal
		text <- string(all)
	}()
	run(t.Context(), args, tty, tty)
	tty.Close()
	return strings.ReplaceAll(<-text, "\r\n", "\n")
}

func TestNoTextOfAWorkerActsOnTheTerminal(t *testing.T) {
	serve(t, evilFake(t))
	for _, command := range []string{
		"status", "status --json", "start whois", "restart --json whois", "stop whois", "logs whois", "logs", "logs -n 1 off", "releases whois",
		"releases --json whois", "audit", "audit --json", "deploy whois", "check-health", "check-health --json", "top --once --interval 1ms", "pid all",
		"explain whois", "hold whois", "status \x1b[2J", "logs \u009b2J", "\x1b[2J", "status --\x1b[2J", "hold --reason \x1b[2J whois", "version",
	} {
		got := onTerminal(t, 80, strings.Fields(command)...)
		if got == "" {
			t.Errorf("%q: says nothing", command)
		}
		for _, r := range got {
			if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
				t.Errorf("%q: %q in %q", command, r, got)
				break
			}
		}
	}
}

// A pipe gets a log as it is, and a terminal does with --raw.
func TestRawLogs(t *testing.T) {
	serve(t, evilFake(t))
	const want = evil + "\n\x9b2Jend\n"
	if code, out, errs := supctl(t, "logs", "whois"); code != 0 || out != want {
		t.Errorf("exited with %d, %q, %s", code, out, errs)
	}
	if got := onTerminal(t, 80, "logs", "--raw", "whois"); got != want {
		t.Errorf("%q", got)
	}
	if got, want := onTerminal(t, 80, "logs", "whois"), "503 ]0;title[2J2Jredback\nnext\n\ufffd2Jend\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// What is escaped is the same text to whoever reads JSON.
func TestEscapedIsTheSame(t *testing.T) {
	for _, text := range []string{evil, "\U000e0001", "\x7f\u009b\u200b", "plain, €, 🙂"} {
		encoded, err := json.Marshal(text)
		must(t, err)
		safe, back := escaped(string(encoded)), ""
		must(t, json.Unmarshal([]byte(safe), &back))
		if back != text || strings.ContainsFunc(safe, unprintable) {
			t.Errorf("%q: %s is %q", text, safe, back)
		}
	}
}
