package output

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOpenLater: the output of a living worker is read although its log cannot be
// opened, which is logged once. It is written as soon as the log can be opened.
func TestOpenLater(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app", "log")
	if err := os.WriteFile(filepath.Dir(path), nil, 0o600); err != nil { // no directory
		t.Fatal(err)
	}
	var said bytes.Buffer
	files := NewFiles(slog.New(slog.NewTextHandler(&said, nil)))
	o := Options{Mode: 0o600, UID: -1, GID: -1}
	if l, err := files.Open(path, o); err == nil {
		t.Fatalf("%v is opened beneath a file", l)
	}
	l := files.OpenLater(path, o)
	if again := files.OpenLater(path, o); again != l {
		t.Fatal("another log for the same path")
	}
	if again, err := files.Open(path, o); err == nil {
		t.Fatalf("%v counts as open", again)
	}
	c, w := start(t, l, nil)
	writeLines(w, 1<<20, 4096) // more than a pipe holds
	w.Close()
	wait(t, c)
	if written, dropped := l.Stats(); written != 0 || dropped != 1<<20 {
		t.Errorf("%d bytes written and %d dropped", written, dropped)
	}
	if n := strings.Count(said.String(), "not a directory"); n != 1 {
		t.Errorf("said %d times: %s", n, said.String())
	}
	if err := os.Remove(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	if again, err := files.Open(path, o); again != l || err != nil {
		t.Errorf("opened %v, %v", again, err)
	}
	hurry(l)
	l.write(nil, []byte("at last\n"))
	if got, _ := read(t, path); got != "at last\n" || !strings.Contains(said.String(), "written again") {
		t.Errorf("log %q, said %s", got, said.String())
	}
	if err := files.Close(); err != nil {
		t.Error(err)
	}
}

func TestLogThatNeverOpenedIsClosed(t *testing.T) {
	files := silentFiles()
	l := files.OpenLater("/dev/null/log", Options{UID: -1, GID: -1})
	if err := files.Reopen(); err == nil {
		t.Error("reopened")
	}
	if err := files.Close(); err != nil {
		t.Error(err)
	}
	l.write(nil, []byte("dropped\n"))
}

// TestReadOnlyDisk: a read-only disk is no reason to refuse a configuration.
func TestReadOnlyDisk(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_RDONLY, ""); err != nil {
		if os.Getenv("SUPD_TEST_REQUIRE") != "" {
			t.Fatal(err)
		}
		t.Skip("mount: ", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	files := silentFiles()
	defer files.Close()
	path := filepath.Join(dir, "app", "log")
	l, err := files.Open(path, Options{Mode: 0o600, UID: -1, GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	l.write(nil, []byte("dropped\n"))
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	hurry(l)
	l.write(nil, []byte("written\n"))
	if got, _ := read(t, path); got != "written\n" {
		t.Errorf("log %q", got)
	}
}

// TestJournalLater: a journald that is not there when a worker is taken over.
func TestJournalLater(t *testing.T) {
	dir := t.TempDir()
	files := silentFiles()
	files.journal = journalIn(dir)
	defer files.Close()
	l := files.OpenLater(Journal+"app/web", Options{})
	j := startJournald(t, journalIn(dir)).read()
	c, w := start(t, l, nil)
	w.WriteString("at last\n")
	w.Close()
	wait(t, c)
	if got := j.has(t, 1)[0]["MESSAGE"]; got != "at last" {
		t.Errorf("message %q", got)
	}
}
