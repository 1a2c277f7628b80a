package control

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"supd/supervisor/api"
)

// rotate moves the files of a log on by one.
func rotate(t *testing.T, path string) {
	t.Helper()
	for n := 5; n > 0; n-- {
		if err := os.Rename(fmt.Sprintf("%s.%d", path, n), fmt.Sprintf("%s.%d", path, n+1)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	must(t, os.Rename(path, path+".1"))
	add(t, path, "")
}

// TestResume: who has read a part goes on behind it, however often the log was rotated
// meanwhile, and loses or doubles nothing.
func TestResume(t *testing.T) {
	for rotations := range 4 {
		for read := range 7 {
			t.Run(fmt.Sprintf("%d rotations, %d read", rotations, read), func(t *testing.T) {
				dir := t.TempDir()
				path := filepath.Join(dir, "web.log")
				_, c := serve(t, newFake(dir))
				add(t, path, "one\ntw")
				log, err := c.Log(testContext(t), LogQuery{Target: "whois/web", Lines: 10, Follow: true})
				must(t, err)
				defer log.Close()
				_, err = io.ReadFull(log, make([]byte, read))
				must(t, err)
				want := "one\ntw"[read:]
				for i := range rotations {
					text := fmt.Sprintf("o %d\n", i)
					add(t, path, text)
					want += text
					rotate(t, path)
				}
				add(t, path, "last\n")
				want += "last\n"
				again, err := c.Log(testContext(t), LogQuery{Target: "whois/web", From: log.Position()})
				must(t, err)
				defer again.Close()
				if got, err := io.ReadAll(again); err != nil || string(got) != want {
					t.Errorf("%q, %v, want %q", got, err, want)
				}
			})
		}
	}
}

// A log that was not there, is gone or was truncated is read from its beginning.
func TestResumeElsewhere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "web.log")
	_, c := serve(t, newFake(dir))
	from := func(position string) string {
		t.Helper()
		log, err := c.Log(testContext(t), LogQuery{Target: "whois/web", From: position})
		must(t, err)
		defer log.Close()
		text, err := io.ReadAll(log)
		must(t, err)
		return string(text)
	}
	log, err := c.Log(testContext(t), LogQuery{Target: "whois/web", Lines: 5})
	must(t, err)
	log.Close()
	nowhere := log.Position()
	add(t, path, "one\n")
	rotate(t, path)
	add(t, path, "two\n")
	for position, want := range map[string]string{nowhere: "one\ntwo\n", "1:0": "two\n", "1:100": "two\n"} {
		if got := from(position); got != want {
			t.Errorf("from %s: %q, want %q", position, got, want)
		}
	}
	log, err = c.Log(testContext(t), LogQuery{Target: "whois/web", Lines: 1})
	must(t, err)
	_, err = io.ReadAll(log)
	must(t, err)
	log.Close()
	must(t, os.Truncate(path, 0))
	add(t, path, "x\n")
	if got := from(log.Position()); got != "x\n" {
		t.Errorf("truncated: %q", got)
	}
	for _, wrong := range []string{"x", "1:-1", "1", strings.Repeat("9", 30) + ":1"} {
		_, err := c.Log(testContext(t), LogQuery{Target: "whois/web", From: wrong})
		wantCode(t, err, api.CodeUsage, "want what an answer has had")
	}
}
