package output

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// openFiles counts the descriptors that lead to a path.
func openFiles(t *testing.T, path string) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && to == path {
			n++
		}
	}
	return n
}

// TestLogRests: its file is open while something is captured, and is made anew by
// nothing else.
func TestLogRests(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	files := NewFiles(slog.New(slog.DiscardHandler))
	defer files.Close()
	l, err := files.Open(path, Options{Mode: 0o640, UID: -1, GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	first, w1 := start(t, l, nil)
	second, w2 := start(t, l, nil)
	w2.WriteString("zero\n")
	eventually(t, "the second capture has begun", func() bool { text, _ := os.ReadFile(path); return len(text) > 0 })
	w1.WriteString("one\nhalf")
	w1.Close()
	wait(t, first)
	files.Rest()
	if n := openFiles(t, path); n != 1 {
		t.Errorf("%d open files while there is a capture", n)
	}
	w2.WriteString("two\n")
	w2.Close()
	wait(t, second)
	if n := openFiles(t, path); n != 0 {
		t.Errorf("%d open files while there is none", n)
	}
	third, w3 := start(t, l, nil)
	w3.WriteString("three\nunended")
	w3.Close()
	wait(t, third)
	fourth, w4 := start(t, l, nil)
	w4.WriteString("four\n")
	w4.Close()
	wait(t, fourth)
	if text, _ := os.ReadFile(path); string(text) != "zero\none\nhalf\ntwo\nthree\nunended\nfour\n" {
		t.Errorf("log %q", text)
	}
	if written, dropped := l.Stats(); written != int64(len("zero\none\nhalftwo\nthree\nunendedfour\n")) || dropped != 0 {
		t.Errorf("%d bytes written, %d dropped", written, dropped)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := files.Reopen(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("made anew by Reopen: %v", err)
	}
	fifth, w5 := start(t, l, nil)
	w5.WriteString("five\n")
	w5.Close()
	wait(t, fifth)
	if text, _ := os.ReadFile(path); string(text) != "five\n" {
		t.Errorf("log %q", text)
	}
}

// TestLogOfNoCapture: it is closed by Rest, and written all the same.
func TestLogOfNoCapture(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	files := NewFiles(slog.New(slog.DiscardHandler))
	defer files.Close()
	l, err := files.Open(path, Options{Mode: 0o640, UID: -1, GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	if n := openFiles(t, path); n != 1 {
		t.Errorf("%d open files before", n)
	}
	files.Rest()
	if n := openFiles(t, path); n != 0 {
		t.Errorf("%d open files", n)
	}
	l.write(new(Capture), []byte("late\n"))
	if text, _ := os.ReadFile(path); string(text) != "late\n" {
		t.Errorf("log %q", text)
	}
}

// TestLogThatCannotBeOpenedAgain: it is said with the first write, and written as soon
// as it can be.
func TestLogThatCannotBeOpenedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var said strings.Builder
	files := NewFiles(slog.New(slog.NewTextHandler(&said, nil)))
	defer files.Close()
	l, err := files.Open(path, Options{Mode: 0o640, UID: -1, GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	files.Rest()
	if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o755)); err != nil {
		t.Fatal(err)
	}
	c, w := start(t, l, nil)
	w.WriteString("lost\n")
	w.Close()
	wait(t, c)
	if _, dropped := l.Stats(); dropped != 5 || strings.Count(said.String(), "dropped") != 1 {
		t.Errorf("%d bytes dropped, said %q", dropped, said.String())
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	c, w = start(t, l, nil)
	w.WriteString("there\n")
	w.Close()
	wait(t, c)
	if text, _ := os.ReadFile(path); string(text) != "there\n" {
		t.Errorf("log %q", text)
	}
}

// TestJournalRests: the connection is made anew with the next line.
func TestJournalRests(t *testing.T) {
	socket := journalIn(t.TempDir())
	j := startJournald(t, socket).read()
	l := open(t, Journal+"whois/web", Options{journal: socket})
	for i, line := range []string{"one\n", "two\n"} {
		c, w := start(t, l, nil)
		w.WriteString(line)
		w.Close()
		wait(t, c)
		if l.sink.(*journal).conn != nil {
			t.Error("connected while nothing is captured")
		}
		j.has(t, i+1)
	}
}
