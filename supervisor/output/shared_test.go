package output

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestUnfinishedLineOfAnother: a worker's lines stay its own, even if another one
// of the same log has left a line unfinished for too long.
func TestUnfinishedLineOfAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path, Options{})
	one, two := &Capture{log: l}, &Capture{log: l}
	one.emit([]byte("loading"))
	one.emit([]byte("..."))
	two.emit([]byte("whole\nbeginning"))
	one.emit([]byte(" done\n"))
	two.emit([]byte(", end\n"))
	if got, _ := read(t, path); got != "loading...\nwhole\nbeginning\n done\n, end\n" {
		t.Errorf("log %q", got)
	}
}

// TestOverdue: a line is written without its end only after it has waited for that
// itself, not because an earlier line's time is over.
func TestOverdue(t *testing.T) {
	for name, c := range map[string]struct {
		age  time.Duration
		want string
	}{
		"new": {0, "before\n"},
		"old": {2 * lineTime, "before\nunfinished"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			l := open(t, path, Options{})
			r, w, err := Pipe(-1, -1)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			defer r.Close()
			capture := &Capture{log: l, pipe: r}
			w.WriteString("before\nunfinished")
			capture.drain(int(r.Fd()), maxRead)
			capture.since = capture.since.Add(-c.age)
			capture.overdue()
			if got, _ := read(t, path); got != c.want {
				t.Errorf("log %q", got)
			}
		})
	}
}

// TestSinceIsOfTheLine: the time of a line starts with its beginning; more of the
// same line does not start it again.
func TestSinceIsOfTheLine(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "log"), Options{})
	r, w, err := Pipe(-1, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	defer r.Close()
	c := &Capture{log: l, pipe: r}
	drain := func(text string) time.Time {
		w.WriteString(text)
		c.drain(int(r.Fd()), len(text))
		return c.since
	}
	first := drain("be")
	if again := drain("gin"); again != first {
		t.Error("more of a line gives it more time")
	}
	if next := drain("ning\nanother"); !next.After(first) {
		t.Error("a new line has the time of the one before")
	}
}

// TestEndlessLine: a line without an end cannot keep a file from being rotated.
func TestEndlessLine(t *testing.T) {
	want := strings.Repeat("n", 5<<20)
	got, files := captured(t, Options{MaxSize: 64 << 10, Keep: 100}, func(w *os.File) { w.WriteString(want) })
	if got != want {
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
	for _, f := range files {
		if len(f) > 64<<10+maxOver+intakeSize {
			t.Errorf("a file of %d bytes", len(f))
		}
	}
}

// TestLongLineStaysInOneFile: a long line is not cut while it is no longer than
// maxOver.
func TestLongLineStaysInOneFile(t *testing.T) {
	line := strings.Repeat("n", 300<<10) + "\n"
	got, files := captured(t, Options{MaxSize: 10 << 10, Keep: 100}, func(w *os.File) { w.WriteString(strings.Repeat(line, 5)) })
	if got != strings.Repeat(line, 5) || slices.ContainsFunc(files, func(f string) bool { return f != line }) {
		t.Errorf("%d bytes in %d files", len(got), len(files))
	}
}

// TestMatchLongAndSplitLines: onLine gets each line once and as a whole, however it
// came, or the beginning of a very long one.
func TestMatchLongAndSplitLines(t *testing.T) {
	var got []string
	m := matcher{call: func(line []byte) { got = append(got, string(line)) }}
	m.on.Store(true)
	long := strings.Repeat("l", maxLine+5)
	for _, piece := range []string{"a", "b\r", "\nc\n\nd\n" + long, "more\n", long + "\n", "end"} {
		m.pass([]byte(piece))
	}
	m.end()
	want := []string{"ab", "c", "", "d", long[:maxLine], long[:maxLine], "end"}
	if !slices.Equal(got, want) {
		t.Errorf("%d lines, want %d: %.100q", len(got), len(want), got)
	}
}

// TestPromptIsMatchedWithItsEnd: a line that was written in two pieces, because its
// end came late, is matched as one.
func TestPromptIsMatchedWithItsEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path, Options{})
	lines := make(chan string, 10)
	c, w := start(t, l, func(line []byte) { lines <- string(line) })
	w.WriteString("getting re")
	eventually(t, "the beginning is in the log", func() bool { got, _ := read(t, path); return got == "getting re" })
	w.WriteString("ady\n")
	w.Close()
	wait(t, c)
	if got := <-lines; got != "getting ready" || len(lines) > 0 {
		t.Errorf("line %q, and %d more", got, len(lines))
	}
}

// TestFinishWhileFlooded: the escaped descendant never stops writing.
func TestFinishWhileFlooded(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "log"), Options{MaxSize: 1 << 20, Keep: 1})
	c, w := start(t, l, nil)
	stop := flood(t, w)
	eventually(t, "it is being captured", func() bool { written, _ := l.Stats(); return written > 8<<20 })
	c.Finish()
	wait(t, c)
	stop()
}

// TestCloseWhileFlooded: nothing hangs, nothing is written to a descriptor of
// somebody else, and every byte is counted.
func TestCloseWhileFlooded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path, Options{MaxSize: 1 << 20, Keep: 1})
	c, w := start(t, l, nil)
	stop := flood(t, w)
	eventually(t, "it is being captured", func() bool { written, _ := l.Stats(); return written > 4<<20 })
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "output is dropped", func() bool { _, dropped := l.Stats(); return dropped > 4<<20 })
	if err := l.Reopen(); err == nil {
		t.Error("a closed log is reopened")
	}
	c.Finish()
	wait(t, c)
	stop()
}
