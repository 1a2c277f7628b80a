package main

import (
	"bytes"
	"io"
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
