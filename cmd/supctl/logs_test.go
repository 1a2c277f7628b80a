package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
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

	out, errs = newScreen(), newScreen()
	go func() { ended <- run(t.Context(), []string{"logs", "-f", "whois"}, out, errs) }()
	out.await(t, "one\n")
	must(t, s.Shutdown(t.Context()))
	if code := <-ended; code != 4 || !strings.Contains(errs.String(), "has ended") {
		t.Errorf("supd ended: exited with %d, %s", code, errs)
	}
}
