package output

import (
	"testing"
)

// TestNowhere: what goes nowhere is read, matched and not counted.
func TestNowhere(t *testing.T) {
	set := silentFiles()
	defer set.Close()
	l, err := set.Open(None+"app/web", Options{})
	must(t, err)
	heard := make(chan string, 1)
	c, w := start(t, l, func(line []byte) {
		select {
		case heard <- string(line):
		default:
		}
	})
	writeLines(w, 1<<20, 4096) // more than a pipe holds
	w.Close()
	wait(t, c)
	if line := <-heard; len(line) != 99 {
		t.Errorf("heard %q", line)
	}
	if written, dropped := l.Stats(); written != 0 || dropped != 0 {
		t.Errorf("%d bytes written and %d dropped", written, dropped)
	}
	if _, err := set.Rotate(None + "app/web"); err == nil {
		t.Error("rotated")
	}
	if err := set.Clear(None + "app/web"); err == nil {
		t.Error("cleared")
	}
	must(t, set.Reopen())
}

func TestFateOf(t *testing.T) {
	for path, want := range map[string]string{
		"/var/log/journal:x": "", "journal:a/b": "goes to the journal", "none:a/b": "is thrown away", "stdout:a/b": "goes to supd's standard output", "syslog:a/b": "goes to syslog", "other:a/b": "", "": "",
	} {
		if got := FateOf(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}
