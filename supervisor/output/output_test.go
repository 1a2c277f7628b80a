package output

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRotation: over many rotations every line is there once, in order, and no
// file begins or ends within a line.
func TestRotation(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	want := randomLines(random, 5000)
	got, files := captured(t, Options{MaxSize: 32 << 10, Keep: 1000}, func(w *os.File) {
		for rest := want; rest != ""; {
			n := min(len(rest), 1+random.IntN(9000))
			if _, err := w.WriteString(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
	})
	if got != want {
		t.Errorf("%d bytes of %d, or in another order", len(got), len(want))
	}
	if len(files) < 20 {
		t.Errorf("only %d files", len(files))
	}
	for i, f := range files {
		if !strings.HasSuffix(f, "\n") || len(f) > 32<<10 {
			t.Errorf("file %d of %d bytes ends with %q", i, len(f), f[len(f)-1:])
		}
	}
}

func TestKeep(t *testing.T) {
	_, files := captured(t, Options{MaxSize: 1000, Keep: 2}, func(w *os.File) { writeLines(w, 100_000, 100) })
	if len(files) != 3 {
		t.Errorf("%d files, want the current one and two more", len(files))
	}
	_, files = captured(t, Options{MaxSize: 1000, Keep: 0}, func(w *os.File) { writeLines(w, 100_000, 100) })
	if len(files) != 1 {
		t.Errorf("%d files, want one", len(files))
	}
}

// TestSharedLog: lines of several workers are never mixed.
func TestSharedLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path, Options{MaxSize: 64 << 10, Keep: 1000})
	var all sync.WaitGroup
	const workers, lines = 8, 2000
	for i := range workers {
		c, w := start(t, l, nil)
		all.Go(func() {
			line := strings.Repeat(string(rune('a'+i)), 30+i*40) + "\n"
			for range lines {
				fmt.Fprint(w, line[:10])
				fmt.Fprint(w, line[10:])
			}
			w.Close()
			<-c.Done()
		})
	}
	all.Wait()
	text, _ := read(t, path)
	counts := map[byte]int{}
	for line := range strings.Lines(text) {
		first := line[0]
		if want := strings.Repeat(string(rune(first)), 30+int(first-'a')*40) + "\n"; line != want {
			t.Fatalf("mixed line %q", line)
		}
		counts[first]++
	}
	for i := range workers {
		if n := counts['a'+byte(i)]; n != lines {
			t.Errorf("%d lines of worker %d, want %d", n, i, lines)
		}
	}
}

func TestOddOutput(t *testing.T) {
	for name, want := range map[string]string{
		"no newline":        "the end",
		"invalid UTF-8":     "a\xff\xfe\x00b\n\x80\n",
		"empty lines":       "\n\n\n",
		"long lines":        strings.Repeat(strings.Repeat("w", 10_000)+"\n", 50),
		"beyond all bounds": strings.Repeat("v", 3<<20) + "\nshort\n",
		"nothing":           "",
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := captured(t, Options{MaxSize: 50 << 20, Keep: 1}, func(w *os.File) { w.WriteString(want) })
			if got != want {
				t.Errorf("%d bytes, want %d", len(got), len(want))
			}
		})
	}
}

// TestPrompt: a line without a newline appears all the same.
func TestPrompt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path, Options{})
	c, w := start(t, l, nil)
	w.WriteString("password? ")
	eventually(t, "the prompt is in the log", func() bool { got, _ := read(t, path); return got == "password? " })
	w.WriteString("ok\n")
	w.Close()
	wait(t, c)
	if got, _ := read(t, path); got != "password? ok\n" {
		t.Errorf("log %q", got)
	}
}

func TestOnLine(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "log"), Options{})
	lines := make(chan string, 10)
	var c *Capture
	c, w := start(t, l, func(line []byte) { lines <- string(line) })
	w.WriteString("one\r\ntw")
	w.WriteString("o\nthree")
	for _, want := range []string{"one", "two"} {
		if got := <-lines; got != want {
			t.Errorf("line %q, want %q", got, want)
		}
	}
	c.StopMatching()
	w.WriteString("\nfour\n")
	w.Close()
	wait(t, c)
	if len(lines) > 0 {
		t.Errorf("line %q after StopMatching", <-lines)
	}
}

// TestCopyTruncate: logrotate's copytruncate leaves no hole.
func TestCopyTruncate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path, Options{MaxSize: 1 << 20, Keep: 1})
	l.write(nil, []byte("before\n"))
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	l.write(nil, []byte("after\n"))
	if got, _ := read(t, path); got != "after\n" {
		t.Errorf("log %q", got)
	}
}

// TestMoved: a moved log is noticed by Reopen at once, and otherwise within a
// second or so.
func TestMoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path, Options{})
	move := func() {
		if err := os.Rename(path, path+".1"); err != nil {
			t.Fatal(err)
		}
	}
	move()
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	l.write(nil, []byte("told\n"))
	if got, err := os.ReadFile(path); err != nil || string(got) != "told\n" {
		t.Errorf("log %q, %v", got, err)
	}
	move()
	eventually(t, "the file is there again", func() bool {
		l.write(nil, []byte("untold\n"))
		_, err := os.Stat(path)
		return err == nil
	})
}

// TestFullDisk: what cannot be written is counted and logged once, no worker waits,
// and once there is room again, whole lines are written.
func TestFullDisk(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		if os.Getenv("SUPD_TEST_REQUIRE") != "" {
			t.Fatal(err)
		}
		t.Skip("mount: ", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	var said bytes.Buffer
	path := filepath.Join(dir, "log")
	l := open(t, path, Options{Log: slog.New(slog.NewTextHandler(&said, nil)), Mode: 0o600, UID: -1, GID: -1})
	c, w := start(t, l, nil)
	writeLines(w, 1<<20, 4096)
	w.Close()
	wait(t, c)
	if written, dropped := l.Stats(); written+dropped != 1<<20 || dropped < 900<<10 {
		t.Errorf("%d bytes written and %d dropped", written, dropped)
	}
	if n := strings.Count(said.String(), "no space left"); n != 1 {
		t.Errorf("said %d times: %s", n, said.String())
	}
	if err := os.Truncate(path, 150); err != nil {
		t.Fatal(err)
	}
	l.write(new(Capture), []byte("whole\n"))
	text, _ := os.ReadFile(path)
	if !strings.HasSuffix(string(text), "\nwhole\n") || !strings.Contains(said.String(), "written again") {
		t.Errorf("log ends with %q; said %s", text[max(0, len(text)-20):], said.String())
	}
}

func TestRotationFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var said bytes.Buffer
	l := open(t, path, Options{MaxSize: 1000, Keep: 1, Mode: 0o600, UID: -1, GID: -1, Log: slog.New(slog.NewTextHandler(&said, nil))})
	if err := os.MkdirAll(path+".1/full", 0o700); err != nil { // rename(2) of a file onto it fails
		t.Fatal(err)
	}
	for range 100 {
		l.write(nil, []byte(strings.Repeat("x", 99)+"\n"))
	}
	if text, _ := os.ReadFile(path); len(text) != 10_000 {
		t.Errorf("%d bytes in the log, want all 10000", len(text))
	}
	if n := strings.Count(said.String(), "rotated"); n < 1 || n > 20 {
		t.Errorf("said %d times", n)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, make := range map[string]func(string) error{
		"symbolic link": func(p string) error { return os.Symlink("/etc/hostname", p) },
		"directory":     func(p string) error { return os.Mkdir(p, 0o700) },
		"fifo":          func(p string) error { return syscall.Mkfifo(p, 0o600) },
	} {
		path := filepath.Join(dir, name)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		if l, err := Open(path, Options{Mode: 0o600, UID: -1, GID: -1}); err == nil {
			l.Close()
			t.Errorf("%s is opened as a log", name)
		}
	}
}

// TestFinish: an escaped descendant holds the pipe open.
func TestFinish(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path, Options{})
	c, w := start(t, l, nil)
	defer w.Close()
	w.WriteString("last words\nwithout end")
	c.Finish()
	wait(t, c)
	if got, _ := read(t, path); got != "last words\nwithout end" {
		t.Errorf("log %q", got)
	}
}

// TestNobodyReads: a worker gets no EPIPE and no SIGPIPE while supd is away.
func TestNobodyReads(t *testing.T) {
	r, w, err := Pipe(-1, -1)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	cmd := exec.Command(os.Args[0], "write", "1000", "100")
	cmd.Stdout = w
	if err := cmd.Run(); err != nil {
		t.Errorf("writer: %v", err)
	}
	w.Close()
}

// TestWorkerOpensItsOutput: /dev/stdout is what some programs log to.
func TestWorkerOpensItsOutput(t *testing.T) {
	needRoot(t)
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path, Options{})
	r, w, err := Pipe(65534, 65534)
	if err != nil {
		t.Fatal(err)
	}
	c := l.Capture(r, nil)
	cmd := exec.Command("/bin/sh", "-c", "echo hello >/dev/stdout")
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	err = cmd.Run()
	w.Close()
	wait(t, c)
	if got, _ := read(t, path); err != nil || got != "hello\n" {
		t.Errorf("log %q, %v", got, err)
	}
}

// TestSilentCaptureHasNoGoroutine: what wakes it is heard all the same.
func TestSilentCaptureHasNoGoroutine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path, Options{})
	silence := func(c *Capture) {
		t.Helper()
		eventually(t, "the capture has no goroutine", c.parked.Load)
	}
	said, w := start(t, l, nil)
	silence(said)
	w.WriteString("one\n")
	eventually(t, "it is read", func() bool { written, _ := l.Stats(); return written == 4 })
	silence(said)
	w.WriteString("two\n")
	w.Close()
	wait(t, said)
	finished, w := start(t, l, nil)
	defer w.Close()
	silence(finished)
	finished.Finish()
	wait(t, finished)
	left, w := start(t, l, nil)
	defer w.Close()
	silence(left)
	left.Leave()
	wait(t, left)
	if pipe := left.Left(); pipe == nil {
		t.Error("a capture that is left has no pipe")
	} else {
		pipe.Close()
	}
	if got, _ := read(t, path); got != "one\ntwo\n" {
		t.Errorf("log %q", got)
	}
}

// TestIdleCapturesHoldNoBuffer: many idle captures need little memory.
func TestIdleCapturesHoldNoBuffer(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "log"), Options{})
	memory := func() uint64 {
		runtime.GC()
		runtime.GC() // the second one empties each sync.Pool
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	before := memory()
	const n = 400 // two descriptors each
	var captures []*Capture
	var ends []*os.File
	for range n {
		c, w := start(t, l, nil)
		w.WriteString("hello\n")
		captures, ends = append(captures, c), append(ends, w)
	}
	eventually(t, "all are silent", func() bool {
		return !slices.ContainsFunc(captures, func(c *Capture) bool { return !c.parked.Load() })
	})
	if each := int64(memory()-before) / n; each > 8<<10 { // with the race detector it is half of that
		t.Errorf("%d bytes for each idle capture", each)
	}
	for i, w := range ends {
		w.Close()
		wait(t, captures[i])
	}
}
