package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"supd/configs"
	"supd/supervisor/control"
)

func TestLogs(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte("one\ntwo\n\x80 unfinished"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "beat.log"), []byte("tick\n"), 0o600))
	serve(t, newFake(dir))
	tests := map[string]string{
		"logs whois":           "one\ntwo\n\x80 unfinished",
		"logs -n 2 whois/web":  "two\n\x80 unfinished",
		"logs -n 0 whois":      "",
		"logs whois off -n 2":  "off/beat  | tick\nwhois/web | two\nwhois/web | \x80 unfinished\n",
		"logs --lines 1":       "off/beat  | tick\nwhois/web | \x80 unfinished\n",
		"logs whois whois:web": "one\ntwo\n\x80 unfinished",
	}
	for args, want := range tests {
		code, out, err := supctl(t, strings.Fields(args)...)
		if code != 0 || out != want || err != "" {
			t.Errorf("supctl %s: exited with %d\nstdout: %q\nstderr: %s", args, code, out, err)
		}
	}
	if code, _, err := supctl(t, "logs", "nosuch"); code != 4 {
		t.Errorf("of nothing: exited with %d, %s", code, err)
	}
}

// A log that two processes share is shown once.
func TestSharedLog(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte("one\n"), 0o600))
	d := newFake(dir)
	d.status.Apps[0].Processes[0].Log = filepath.Join(dir, "web.log")
	serve(t, d)
	if code, out, _ := supctl(t, "logs"); code != 0 || out != "one\n" {
		t.Errorf("exited with %d, %q", code, out)
	}
}

// A log in the journal does not keep the others from being shown.
func TestLogsWithTheJournal(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte("one\n"), 0o600))
	d := newFake(dir)
	d.status.Apps[0].Processes[0].Log = "journal:off/beat"
	serve(t, d)
	const note = "supctl: the output of off/beat goes to the journal, and is not shown\n"
	if code, out, err := supctl(t, "logs"); code != 0 || !strings.HasSuffix(out, "one\n") || err != note {
		t.Errorf("exited with %d, %q, %q", code, out, err)
	}
	if code, out, err := supctl(t, "logs", "off"); code != 1 || out != "" || !strings.Contains(err, "journalctl SUPD_APP=off SUPD_PROCESS=beat") {
		t.Errorf("of it alone: exited with %d, %q, %q", code, out, err)
	}
}

// A prefix tells the worker where the log does.
func TestLogPrefix(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte("one\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "beat.log"), []byte("tick\n"), 0o600))
	d := newFake(dir)
	serve(t, d)
	const note = "supctl: the log of whois/web has the lines of several workers, and does not hold which of them wrote one, nor to which stream: with log.prefix = \"stream\" each line says both\n"
	for args, want := range map[string][2]string{
		"logs --prefix off":         {"off/beat.1 | tick\n", ""},
		"tail --prefix whois":       {"whois/web | one\n", note},
		"logs --prefix":             {"off/beat.1 | tick\nwhois/web  | one\n", note},
		"logs --prefix=false whois": {"one\n", ""},
	} {
		code, out, errs := supctl(t, strings.Fields(args)...)
		if code != 0 || out != want[0] || errs != want[1] {
			t.Errorf("%s: exited with %d, %q, %q", args, code, out, errs)
		}
	}
	own := "2026-01-02T15:04:05.000Z whois/web.2 stderr | one\n"
	must(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte(own), 0o600))
	d.status.Apps[1].Processes[0].LogPrefix = configs.PrefixStream
	for args, want := range map[string]string{"logs --prefix": "off/beat.1 | tick\n" + own, "logs": "off/beat | tick\n" + own, "logs --prefix whois": own} {
		if code, out, errs := supctl(t, strings.Fields(args)...); code != 0 || out != want || errs != "" {
			t.Errorf("%s of lines that say it: exited with %d, %q, %q", args, code, out, errs)
		}
	}
	d.status.Apps[1].Processes[0].Log = filepath.Join(dir, "beat.log") // of two processes
	if _, out, errs := supctl(t, "logs", "--prefix"); out != "off/beat | tick\n" || !strings.Contains(errs, "of several workers") {
		t.Errorf("shared: %q, %q", out, errs)
	}
}

func TestSince(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.Local)
	for text, want := range map[string]time.Time{
		"10m":                  now.Add(-10 * time.Minute),
		"0s":                   now,
		"2026-11-23 08:30":     time.Date(2026, 11, 23, 8, 30, 0, 0, time.Local),
		"2026-11-23 08:30:15":  time.Date(2026, 11, 23, 8, 30, 15, 0, time.Local),
		"2026-11-23":           time.Date(2026, 11, 23, 0, 0, 0, 0, time.Local),
		"2026-11-23T08:30:15Z": time.Date(2026, 11, 23, 8, 30, 15, 0, time.UTC),
		"08:30":                time.Date(2026, 11, 24, 8, 30, 0, 0, time.Local),
		"08:30:15":             time.Date(2026, 11, 24, 8, 30, 15, 0, time.Local),
	} {
		if got, err := parseSince(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	dir := t.TempDir()
	old, fresh := time.Now().Add(-time.Hour).Format(time.DateTime), time.Now().Format(time.DateTime)
	must(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte(old+" old\n"+fresh+" fresh\nmore\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "beat.log"), []byte("tick\n"), 0o600))
	serve(t, newFake(dir))
	for args, want := range map[string]string{"": fresh + " fresh\nmore\n", "-n 1": "more\n"} {
		if code, out, errs := supctl(t, append([]string{"logs", "whois", "--since", "10m"}, strings.Fields(args)...)...); code != 0 || out != want || errs != "" {
			t.Errorf("%q: exited with %d, %q, %q", args, code, out, errs)
		}
	}
	if code, _, errs := supctl(t, "logs", "off", "--since", "10m"); code != 1 || !strings.Contains(errs, "no line says when it was written") {
		t.Errorf("without times: exited with %d, %q", code, errs)
	}
	for _, text := range []string{"yesterday", "-10m", "25:00", "x"} {
		if code, _, errs := supctl(t, "logs", "--since="+text); code != 2 || !strings.Contains(errs, "want how long ago, such as 10m") {
			t.Errorf("%q: exited with %d, %q", text, code, errs)
		}
	}
}

// supd's own log has the name supd, unless an app has that.
func TestOwnLog(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(dir, "own.log")
	must(t, os.WriteFile(own, []byte("msg=started\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte("one\n"), 0o600))
	d := newFake(dir)
	serveOptions(t, socketPath(t), d, control.Options{OwnLog: func() (*os.File, error) { return os.Open(own) }})
	for args, want := range map[string]string{"logs supd": "msg=started\n", "logs -n 0 supd": "", "logs supd whois": "supd      | msg=started\nwhois/web | one\n"} {
		if code, out, errs := supctl(t, strings.Fields(args)...); code != 0 || out != want || errs != "" {
			t.Errorf("%s: exited with %d, %q, %q", args, code, out, errs)
		}
	}
	if code, _, errs := supctl(t, "logs", "supd", "nosuch"); code != 4 || !strings.Contains(errs, "nosuch") {
		t.Errorf("exited with %d, %q", code, errs)
	}
	d.status.Apps[1].Name = "supd"
	if _, out, _ := supctl(t, "logs", "supd"); out != "one\n" {
		t.Errorf("the app has %q", out)
	}
}

// Where supd does not know where its own log is, it says where to look.
func TestOwnLogElsewhere(t *testing.T) {
	serveOptions(t, socketPath(t), newFake(""), control.Options{OwnLog: func() (*os.File, error) { return nil, errors.New("look there") }})
	if code, out, errs := supctl(t, "logs", "supd"); code != 1 || out != "" || errs != "supctl: look there\n" {
		t.Errorf("exited with %d, %q, %q", code, out, errs)
	}
}

func TestLongLinesComeInPieces(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte(strings.Repeat("x", longestLine+5)+"\n"), 0o600))
	serve(t, newFake(dir))
	want := "whois/web | " + strings.Repeat("x", longestLine) + "\nwhois/web | xxxxx\n"
	if _, out, _ := supctl(t, "logs"); out != want {
		t.Errorf("%d bytes", len(out))
	}
}

func TestLogsAreFollowed(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, newFake(dir))
	ctx, interrupt := context.WithCancel(t.Context())
	out, errs, ended := newScreen(), newScreen(), make(chan int)
	go func() { ended <- run(ctx, []string{"logs", "-f"}, out, errs) }()
	must(t, os.WriteFile(filepath.Join(dir, "beat.log"), []byte("tick\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte("one\n"), 0o600))
	out.await(t, "off/beat  | tick\n", "whois/web | one\n")
	interrupt()
	if code := <-ended; code != 0 || errs.String() != "" {
		t.Errorf("interrupted: exited with %d, %s", code, errs)
	}

	patience := comeBack
	comeBack = 10 * time.Millisecond
	defer func() { comeBack = patience }()
	out, errs = newScreen(), newScreen()
	go func() { ended <- run(t.Context(), []string{"logs", "-f", "whois"}, out, errs) }()
	out.await(t, "one\n")
	must(t, s.Shutdown(t.Context()))
	if code := <-ended; code != 4 || !strings.Contains(errs.String(), "has ended") {
		t.Errorf("supd ended: exited with %d, %s", code, errs)
	}
}

// What is written while no supd is there comes when one is there again, and nothing twice.
func TestLogsAreFollowedOverARestart(t *testing.T) {
	dir := t.TempDir()
	web := filepath.Join(dir, "web.log")
	must(t, os.WriteFile(web, []byte("one\n"), 0o600))
	path := socketPath(t)
	_, stop := serveOn(t, path, newFake(dir))
	ctx, interrupt := context.WithCancel(t.Context())
	out, errs, ended := newScreen(), newScreen(), make(chan int)
	go func() { ended <- run(ctx, []string{"logs", "-f"}, out, errs) }()
	out.await(t, "whois/web | one\n")
	stop()
	must(t, os.Rename(web, web+".1"))
	must(t, os.WriteFile(web, []byte("two\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "beat.log"), []byte("tick\n"), 0o600))
	_, stop = serveOn(t, path, newFake(dir))
	defer stop()
	out.await(t, "whois/web | two\n", "off/beat  | tick\n")
	interrupt()
	if code := <-ended; code != 0 || strings.Count(errs.String(), "waiting for it to come back") != 1 || strings.Count(out.String(), "\n") != 3 {
		t.Errorf("exited with %d, %q, %q", code, out, errs)
	}
}
