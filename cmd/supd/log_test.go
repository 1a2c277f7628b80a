package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLogLinesAreDropped when nobody reads them, and counted; nothing waits.
func TestLogLinesAreDropped(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	lines := newLogWriter(w)
	line := []byte(strings.Repeat("x", 999) + "\n")
	many := 3 * logRoom / len(line)
	for range many {
		if n, err := lines.Write(line); n != len(line) || err != nil {
			t.Fatalf("write: %d, %v", n, err)
		}
	}
	lines.mu.Lock()
	dropped := lines.dropped
	lines.mu.Unlock()
	if least := many - 2*logRoom/len(line) - 1; dropped < least || dropped >= many { // one portion is being written
		t.Errorf("%d of %d lines are dropped, want at least %d", dropped, many, least)
	}
	read := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(r)
		read <- all
	}()
	lines.flush()
	w.Close()
	all := <-read
	if kept := bytes.Count(all, line); kept != many-dropped {
		t.Errorf("%d lines are written, want the %d that were not dropped", kept, many-dropped)
	}
	if n := lines.droppedLines(); n != dropped {
		t.Errorf("%d lines are counted, want %d", n, dropped)
	}
	if !bytes.Contains(all, []byte("dropped")) {
		t.Error("nothing says that lines were dropped")
	}
}

// TestLogInTheJournal: the journal has the time of a line, and a file has not.
func TestLogInTheJournal(t *testing.T) {
	var st unix.Stat_t
	if err := unix.Fstat(2, &st); err != nil {
		t.Fatal(err)
	}
	for stream, stamped := range map[string]bool{"": true, "1:2": true, "x": true, fmt.Sprintf("%d:%d", st.Dev, st.Ino): false} {
		t.Setenv("JOURNAL_STREAM", stream)
		var b bytes.Buffer
		slog.New(logHandler(&b)).Warn("words", "time", "kept", slog.Group("g", "time", "kept"))
		if got := b.String(); strings.HasPrefix(got, "time=") != stamped || !strings.Contains(got, "g.time=kept") {
			t.Errorf("JOURNAL_STREAM=%s: %s", stream, got)
		}
	}
}
