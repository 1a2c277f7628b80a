package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"supd/supervisor/api"
	"supd/supervisor/output"
)

// numbered gives the lines from first to last.
func numbered(first, last int) string {
	var b strings.Builder
	for i := first; i <= last; i++ {
		fmt.Fprintln(&b, i)
	}
	return b.String()
}

func TestLastLines(t *testing.T) {
	long := strings.Repeat("x", 100<<10) // more than one block
	tests := []struct {
		name            string
		rotated, log    string
		lines           int
		want            string
		noLog, noBefore bool
	}{
		{name: "some", log: numbered(1, 9), lines: 3, want: numbered(7, 9), noBefore: true},
		{name: "none", log: numbered(1, 9), lines: 0, want: ""},
		{name: "all", log: numbered(1, 9), lines: 9, want: numbered(1, 9), noBefore: true},
		{name: "more than all", log: numbered(1, 9), lines: 10, want: numbered(1, 9), noBefore: true},
		{name: "unfinished", log: "a\nb\nc", lines: 2, want: "b\nc"},
		{name: "unfinished alone", log: "c", lines: 1, want: "c"},
		{name: "empty lines", log: "a\n\n\n", lines: 2, want: "\n\n"},
		{name: "empty", log: "", lines: 5, want: "", noBefore: true},
		{name: "no file", noLog: true, noBefore: true, lines: 5, want: ""},
		{name: "long lines", log: long + "\n" + long + "\n" + long + "\n", lines: 2, want: long + "\n" + long + "\n"},
		{name: "many lines", log: numbered(1, 50000), lines: 40000, want: numbered(10001, 50000)},
		{name: "rotated", rotated: numbered(1, 9), log: numbered(10, 12), lines: 5, want: numbered(8, 12)},
		{name: "rotated, enough", rotated: numbered(1, 9), log: numbered(10, 12), lines: 3, want: numbered(10, 12)},
		{name: "rotated just now", rotated: numbered(1, 9), log: "", lines: 2, want: numbered(8, 9)},
		{name: "any bytes", log: "\xff\x00\x1b\n\x80", lines: 2, want: "\xff\x00\x1b\n\x80"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "web.log")
			if !test.noLog {
				must(t, os.WriteFile(path, []byte(test.log), 0o600))
			}
			if !test.noBefore {
				must(t, os.WriteFile(path+".1", []byte(test.rotated), 0o600))
			}
			_, c := serve(t, newFake(dir))
			log, err := c.Logs(testContext(t), "whois/web.1", test.lines, false)
			must(t, err)
			defer log.Close()
			got, err := io.ReadAll(log)
			must(t, err)
			if string(got) != test.want {
				t.Errorf("got %.200q, want %.200q", got, test.want)
			}
		})
	}
}

// A rotated file that is a link to the current one is not shown twice.
func TestRotatedIsTheSameFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.log")
	must(t, os.WriteFile(path, []byte("one\n"), 0o600))
	must(t, os.Link(path, path+".1"))
	l := &logFile{path: path, open: output.NewFiles(slog.New(slog.DiscardHandler)).View}
	defer l.close()
	must(t, l.openAt(&search{t.Context(), mostSought}, 10, time.Time{}))
	var b strings.Builder
	must(t, l.writeLast(&b))
	if b.String() != "one\n" {
		t.Errorf("got %q", b.String())
	}
}

func TestLogsThatAreNotFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "web.log")
	_, c := serve(t, newFake(dir))
	tests := []struct {
		name string
		make func() error
		want string
	}{
		{"link", func() error { return os.Symlink("/etc/passwd", path) }, "is a symbolic link"},
		{"fifo", func() error { return unix.Mkfifo(path, 0o600) }, "is not a regular file"},
		{"directory", func() error { return os.Mkdir(path, 0o700) }, "is not a regular file"},
	}
	for _, test := range tests {
		must(t, test.make())
		_, err := c.Logs(testContext(t), "whois/web", 5, true)
		wantCode(t, err, api.CodeFailed, test.want)
		must(t, os.Remove(path))
	}
}

func TestLogsInTheJournal(t *testing.T) {
	f := newFake(t.TempDir())
	f.status.Apps[2].Processes[0].Log = "journal:whois/web"
	_, c := serve(t, f)
	for target, match := range map[string]string{
		"whois/web":   "SUPD_APP=whois SUPD_PROCESS=web",
		"whois/web.*": "SUPD_APP=whois SUPD_PROCESS=web",
		"whois/web.2": "SUPD_WORKER=whois/web.2",
	} {
		_, err := c.Logs(testContext(t), target, 5, true)
		wantCode(t, err, api.CodeFailed, "the output of whois/web goes to the journal; read it with `journalctl "+match+"`")
	}
}

func TestLogsThatAreThrownAway(t *testing.T) {
	f := newFake(t.TempDir())
	f.status.Apps[2].Processes[0].Log = "none:whois/web"
	_, c := serve(t, f)
	_, err := c.Logs(testContext(t), "whois/web", 5, true)
	wantCode(t, err, api.CodeFailed, "the output of whois/web is thrown away (log.to), and supd has nothing of it")
}

func add(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	_, err = f.WriteString(text)
	must(t, err)
	must(t, f.Close())
}

func TestFollow(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "web.log")
	_, c := serve(t, newFake(dir))
	ctx, cancel := context.WithCancel(testContext(t))
	log, err := c.Logs(ctx, "whois/web", 1, true)
	must(t, err)
	defer log.Close()
	lines := bufio.NewReader(log)
	want := func(text string) {
		t.Helper()
		got, err := lines.ReadString('\n')
		if err != nil || got != text+"\n" {
			t.Fatalf("got %q, %v; want %q", got, err, text)
		}
	}
	add(t, path, "the first of a file that was not there\n")
	want("the first of a file that was not there")
	add(t, path, "ha")
	add(t, path, "lf\n")
	want("half")

	// A rotation: what is left of the old file comes first, whenever it is read.
	add(t, path, "last of the old\n")
	must(t, os.Rename(path, path+".1"))
	add(t, path+".1", "written to it still\n")
	add(t, path, "first of the new\n")
	want("last of the old")
	want("written to it still")
	want("first of the new")

	// copytruncate: the file is shorter than what was read of it.
	must(t, os.Truncate(path, 0))
	add(t, path, "short\n")
	want("short")

	cancel()
	if _, err := lines.ReadByte(); err == nil {
		t.Error("it goes on")
	}
}

// TestCompressedLogs: last lines, times and places are found in files that were compressed,
// also between one look and the next.
func TestCompressedLogs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.log")
	set := output.NewFiles(slog.New(slog.DiscardHandler))
	defer set.Close()
	_, err := set.Open(path, output.Options{Keep: 9, Compress: true, UID: -1, GID: -1, Mode: 0o600})
	must(t, err)
	rotate := func() {
		t.Helper()
		_, err := set.Rotate(path)
		must(t, err)
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
			if plain, _ := filepath.Glob(path + ".[0-9]"); len(plain) == 0 {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("not compressed")
			}
		}
	}
	dated := func(first, last int) string {
		var b strings.Builder
		for i := first; i <= last; i++ {
			fmt.Fprintf(&b, "2026-01-01 %02d:%02d:%02d %s\n", i/3600, i/60%60, i%60, strings.Repeat("x", 200))
		}
		return b.String()
	}
	add(t, path, dated(0, 4999))
	var there position // where a reader is, who then loses the connection
	l := &logFile{path: path, open: set.View}
	must(t, l.openAt(&search{t.Context(), mostSought}, 0, time.Time{}))
	there, err = l.begin()
	must(t, err)
	l.close()
	add(t, path, dated(5000, 9999))
	rotate()
	add(t, path, dated(10000, 10004))
	rotate()
	add(t, path, dated(10005, 10009))
	for name, test := range map[string]struct {
		open func(*logFile) error
		want string
	}{
		"last lines": {func(l *logFile) error { return l.openAt(&search{t.Context(), mostSought}, 6000, time.Time{}) }, dated(4010, 10009)},
		"since": {func(l *logFile) error {
			return l.openAt(&search{t.Context(), mostSought}, maxLines, time.Date(2026, 1, 1, 1, 0, 0, 0, time.Local))
		}, dated(3600, 10009)},
		"resumed": {func(l *logFile) error { return l.resume(there) }, dated(5000, 10009)},
	} {
		l := &logFile{path: path, open: set.View}
		must(t, test.open(l))
		var b strings.Builder
		must(t, l.writeLast(&b))
		l.close()
		if b.String() != test.want {
			t.Errorf("%s: %d bytes, want %d", name, b.Len(), len(test.want))
		}
	}

	// looked at, and compressed before it is written
	must(t, os.WriteFile(path+".3", []byte("the oldest\n"), 0o600))
	l = &logFile{path: path, open: set.View}
	defer l.close()
	must(t, l.openAt(&search{t.Context(), mostSought}, 10011, time.Time{}))
	rotate()
	var b strings.Builder
	must(t, l.writeLast(&b))
	if want := "the oldest\n" + dated(0, 10009); b.String() != want {
		t.Errorf("%d bytes, want %d", b.Len(), len(want))
	}
}

// A log that its owner has made long without a line in it is given up, and so is a search
// that nobody waits for any more.
func TestLongLogIsGivenUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.log")
	must(t, os.WriteFile(path, []byte("one\ntwo\n"), 0o600))
	open := func(ctx context.Context, lines int, since time.Time) error {
		l := &logFile{path: path, open: output.NewFiles(slog.New(slog.DiscardHandler)).View}
		defer l.close()
		return l.openAt(&search{ctx, 4 << 20}, lines, since)
	}
	must(t, os.Truncate(path, 900<<30))
	for _, since := range []time.Time{{}, time.Now()} {
		if err := open(t.Context(), 5, since); !errors.Is(err, errLong) {
			t.Errorf("%v", err)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := open(gone, 5, time.Time{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	_, err = f.WriteString("\nlast\n")
	must(t, errors.Join(err, f.Close()))
	must(t, open(t.Context(), 5, time.Time{})) // what there is has to do
}
