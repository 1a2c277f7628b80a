package output

import (
	"log/slog"
	"path/filepath"
	"testing"
)

// TestMoveTo: what is read after the move is in the other log, with a file that holds it
// for the next supd, and what came before stays where it was.
func TestMoveTo(t *testing.T) {
	for name, keeps := range map[string]bool{"in memory": false, "in a file": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			files := NewFiles(slog.New(slog.DiscardHandler))
			if keeps {
				if err := files.KeepIn(filepath.Join(dir, "held")); err != nil {
					t.Fatal(err)
				}
			}
			paths := []string{filepath.Join(dir, "one.log"), filepath.Join(dir, "other.log")}
			var logs []*Log
			for _, path := range paths {
				l, err := files.Open(path, Options{Mode: 0o640, UID: -1, GID: -1})
				if err != nil {
					t.Fatal(err)
				}
				logs = append(logs, l)
			}
			has := func(path, want string) {
				t.Helper()
				eventually(t, path+" has "+want, func() bool { got, _ := read(t, path); return got == want })
			}
			r, w, err := Pipe(-1, -1)
			if err != nil {
				t.Fatal(err)
			}
			c := logs[0].CaptureAs("a.web.1.1", r, nil)
			w.WriteString("first\nbegun")
			has(paths[0], "first\n")
			c.MoveTo(logs[1])
			has(paths[0], "first\nbegun")
			w.WriteString(" ended\nsecond\nheld")
			has(paths[1], " ended\nsecond\n")
			eventually(t, "the log that nobody writes to rests", func() bool {
				logs[0].mu.Lock()
				defer logs[0].mu.Unlock()
				return logs[0].rests()
			})
			c.MoveTo(logs[1]) // where it is
			c.Leave()
			wait(t, c)
			c.Left().Close()
			w.Close()
			if !keeps {
				return
			}
			again := NewFiles(slog.New(slog.DiscardHandler))
			if err := again.KeepIn(filepath.Join(dir, "held")); err != nil {
				t.Fatal(err)
			}
			if err := again.WriteRest(func(_, log string) string { return log }); err != nil {
				t.Fatal(err)
			}
			has(paths[1], " ended\nsecond\nheld")
			has(paths[0], "first\nbegun")
		})
	}
}
