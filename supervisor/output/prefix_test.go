package output

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// prefixed captures what is written to a log with a prefix, as the first slot of whois/web.
func prefixed(t *testing.T, l *Log, stream, text string) {
	t.Helper()
	r, w, err := Pipe(-1, -1)
	must(t, err)
	fields := webFields(1)
	if stream != "" {
		fields = append(fields, Field{StreamField, stream})
	}
	c := l.CaptureAs("", r, nil, fields...)
	_, err = w.WriteString(text)
	must(t, err)
	w.Close()
	wait(t, c)
}

const someTime = `20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d)`

func TestFileWithPrefix(t *testing.T) {
	for prefix, want := range map[Prefix]string{
		NamePrefix:       `^` + someTime + ` whois/web\.1 \| out\n` + someTime + ` whois/web\.1 \| error\n` + someTime + ` whois/web\.1 \| both\n$`,
		StreamPrefix:     `^` + someTime + ` whois/web\.1 stdout \| out\n` + someTime + ` whois/web\.1 stderr \| error\n` + someTime + ` whois/web\.1 \| both\n$`,
		JSONPrefix:       `^({"time":"` + someTime + `","app":"whois","process":"web","slot":1,"message":"\w+"}\n){3}$`,
		JSONStreamPrefix: `^{[^}]*,"slot":1,"stream":"stdout","message":"out"}\n{[^}]*,"stream":"stderr","message":"error"}\n{[^}]*,"slot":1,"message":"both"}\n$`,
	} {
		l := open(t, filepath.Join(t.TempDir(), "web.log"), Options{Prefix: prefix})
		prefixed(t, l, "stdout", "out\n")
		prefixed(t, l, "stderr", "error\n")
		prefixed(t, l, "", "both\n") // of a worker with one pipe
		if text, _ := read(t, l.path); !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("%s: %q", prefix, text)
		}
	}
}

// What is no whole line becomes one, and a line that was begun without a prefix ends before
// the first one.
func TestPrefixOfUnendedLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.log")
	must(t, os.WriteFile(path, []byte("begun"), 0o600))
	l := open(t, path, Options{Prefix: NamePrefix})
	prefixed(t, l, "", "one\r\n\nunended")
	prefixed(t, l, "", strings.Repeat("x", maxLine)+"yz\nnext")
	l.wanted.Store(&Options{})
	prefixed(t, l, "", "plain\n")
	text, _ := read(t, path)
	got := regexp.MustCompile(someTime+` whois/web\.1 \| `).ReplaceAllString(text, "> ")
	want := "begun\n> one\n> \n> unended\n> " + strings.Repeat("x", maxLine) + "\n> yz\n> next\nplain\n"
	if got != want {
		t.Errorf("%.100q, want %.100q", got, want)
	}
}

// No line is cut by a rotation, and none is lost.
func TestRotationWithPrefix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.log")
	l := open(t, path, Options{Prefix: StreamPrefix, MaxSize: 10 << 10, Keep: 1000})
	const lines = 2000
	text := new(strings.Builder)
	for i := range lines {
		fmt.Fprintf(text, "%d %s\n", i, strings.Repeat("x", i%90))
	}
	prefixed(t, l, "stderr", text.String())
	joined, files := read(t, path)
	if len(files) < 2 {
		t.Fatalf("%d files", len(files))
	}
	whole := regexp.MustCompile(`^(` + someTime + ` whois/web\.1 stderr \| \d+ x*\n)+$`)
	for i, file := range files {
		if !whole.MatchString(file) || len(file) > 10<<10 {
			t.Errorf("file %d has %d bytes: %.100q", i, len(file), file)
		}
	}
	if got := regexp.MustCompile(`(?m)^.* \| `).ReplaceAllString(joined, ""); got != text.String() {
		t.Errorf("%.100q is not what was written", got)
	}
}

// A supd that was killed has read lines and not written them: the next one knows whose
// they are, also if the worker has ended since.
func TestKilledWithPrefix(t *testing.T) {
	for _, goesOn := range []bool{true, false} {
		dir := t.TempDir()
		path := filepath.Join(dir, "web.log")
		o := Options{UID: -1, GID: -1, Mode: 0o600, Prefix: StreamPrefix}
		files := kept(t, dir)
		l, err := files.Open(path, o)
		must(t, err)
		r, w, err := Pipe(-1, -1)
		must(t, err)
		c := l.CaptureAs("a.stderr", r, nil, append(webFields(1), Field{StreamField, "stderr"})...)
		_, err = w.WriteString("held")
		must(t, err)
		taken(t, w)
		pipe := leave(t, c)
		files = kept(t, dir)
		l, err = files.Open(path, o)
		must(t, err)
		if goesOn {
			c = l.CaptureAs("a.stderr", pipe, nil, append(webFields(1), Field{StreamField, "stderr"})...)
			w.Close()
			wait(t, c)
		} else {
			w.Close()
			pipe.Close()
		}
		must(t, files.WriteRest(asNoted))
		if text, _ := read(t, path); !regexp.MustCompile(`^` + someTime + ` whois/web\.1 stderr \| held\n$`).MatchString(text) {
			t.Errorf("goes on %t: %q", goesOn, text)
		}
	}
}

// A worker of an earlier supd, which has not written down who it is, is no other's.
func TestPrefixOfAStranger(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "a:web.log"), Options{Prefix: NamePrefix})
	c, w := start(t, l, nil)
	w.WriteString("text\n")
	w.Close()
	wait(t, c)
	if text, _ := read(t, l.path); !strings.HasSuffix(text, " unknown | text\n") {
		t.Errorf("%q", text)
	}
}

// Empty lines become a hundred times as long: they are written in portions, and counted as
// what the worker has written.
func TestPrefixOfManyEmptyLines(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "web.log"), Options{Prefix: JSONStreamPrefix})
	c := &Capture{log: l, in: newIntake(), fields: encode(webFields(1)), room: usualPipe}
	held := strings.Repeat("\n", 500_000)
	copy(c.in.data, held)
	c.in.touch(len(held))
	c.in.set(state{end: uint32(len(held))})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.flush()
	runtime.ReadMemStats(&after)
	if grown := after.HeapSys - min(before.HeapSys, after.HeapSys); grown > 32<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	if written, dropped := l.Stats(); written != int64(len(held)) || dropped != 0 || len(c.in.held()) > 0 {
		t.Errorf("%d bytes written, %d dropped, %d held", written, dropped, len(c.in.held()))
	}
}
