package output

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The test binary is also the program that writes output.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "write":
			total, _ := strconv.Atoi(os.Args[2])
			chunk, _ := strconv.Atoi(os.Args[3])
			writeLines(os.Stdout, total, chunk)
			return
		case "number":
			number(os.Args[2], os.Args[3])
			return
		case "supd":
			captureUntilKilled(os.Args[2])
			return
		}
	}
	os.Exit(m.Run())
}

// writeLines writes lines of 100 bytes, in writes of chunk bytes.
func writeLines(w io.Writer, total, chunk int) {
	line := append(bytes.Repeat([]byte("x"), 99), '\n')
	block := bytes.Repeat(line, 42) // longer than 4 KiB by more than a line
	for sent := 0; sent < total; {
		at := sent % len(line)
		n, err := w.Write(block[at : at+chunk])
		if err != nil {
			panic(err)
		}
		sent += n
	}
}

// captured runs write with a captured pipe and returns the log's files joined,
// the oldest first.
func captured(t *testing.T, o Options, write func(*os.File)) (string, []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app", "web.log")
	l := open(t, path, o)
	c, w := start(t, l, nil)
	write(w)
	w.Close()
	wait(t, c)
	return read(t, path)
}

func open(t *testing.T, path string, o Options) *Log {
	t.Helper()
	if o.Mode == 0 {
		o.Mode, o.UID, o.GID = 0o640, -1, -1
	}
	l, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func start(t testing.TB, l *Log, onLine func([]byte)) (*Capture, *os.File) {
	t.Helper()
	r, w, err := Pipe(-1, -1)
	if err != nil {
		t.Fatal(err)
	}
	return l.Capture(r, onLine), w
}

// patience bounds what takes no time when all is well; files are compressed by a thread that
// waits for all others, on a busy machine for long.
const patience = 3 * time.Minute

func wait(t testing.TB, c *Capture) {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(patience):
		t.Fatal("the capture does not end")
	}
}

func read(t *testing.T, path string) (joined string, files []string) {
	t.Helper()
	for n := 1000; n >= 0; n-- {
		name := path
		if n > 0 {
			name = fmt.Sprintf("%s.%d", path, n)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			text, err = readGzip(name + packedEnd)
		}
		if err != nil {
			continue
		}
		joined += string(text)
		files = append(files, string(text))
	}
	return joined, files
}

// readGzip reads a compressed file as other programs do.
func readGzip(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// eventually waits until ok, for at most the patience.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so in time: %s", what)
		}
	}
}

// randomLines are numbered lines of 1 to 20,000 bytes.
func randomLines(random *rand.Rand, n int) string {
	var all strings.Builder
	for i := range n {
		length := random.IntN(300)
		if random.IntN(50) == 0 {
			length = random.IntN(20_000)
		}
		fmt.Fprintf(&all, "%d %s\n", i, strings.Repeat("z", length))
	}
	return all.String()
}

// benchmark measures from the first write of a process of its own to the last
// byte in a file, in memory if possible.
func benchmark(b *testing.B, chunk int, begin func(b *testing.B, dir string) (w *os.File, end func())) {
	total := min(256<<20, chunk<<20)
	dir := b.TempDir()
	if shared, err := os.MkdirTemp("/dev/shm", "supd-bench-"); err == nil {
		dir = shared
		b.Cleanup(func() { os.RemoveAll(dir) })
	}
	b.SetBytes(int64(total))
	for b.Loop() {
		w, end := begin(b, dir)
		cmd := exec.Command(os.Args[0], "write", strconv.Itoa(total), strconv.Itoa(chunk))
		cmd.Stdout, cmd.Stderr = w, os.Stderr
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		w.Close()
		if err := cmd.Wait(); err != nil {
			b.Fatal(err)
		}
		end()
	}
}

func capture(b *testing.B, dir string) (*os.File, func()) {
	l, err := Open(filepath.Join(dir, "log"), Options{MaxSize: 16 << 20, Keep: 3, UID: -1, GID: -1, Mode: 0o600})
	if err != nil {
		b.Fatal(err)
	}
	c, w := start(b, l, nil)
	return w, func() { wait(b, c); l.Close() }
}

// captureKept is capture with the output held in a file, as supd does it.
func captureKept(b *testing.B, dir string) (*os.File, func()) {
	files := NewFiles(slog.New(slog.DiscardHandler))
	if err := files.KeepIn(filepath.Join(dir, "kept")); err != nil {
		b.Fatal(err)
	}
	l, err := files.Open(filepath.Join(dir, "log"), Options{MaxSize: 16 << 20, Keep: 3, UID: -1, GID: -1, Mode: 0o600})
	if err != nil {
		b.Fatal(err)
	}
	r, w, err := Pipe(-1, -1)
	if err != nil {
		b.Fatal(err)
	}
	c := l.CaptureAs("app.web.1.1", r, nil)
	return w, func() { wait(b, c); l.Close() }
}

// cat is the least that a reader of a pipe can do: it neither rotates nor looks
// for lines.
func cat(b *testing.B, dir string) (*os.File, func()) {
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := os.Create(filepath.Join(dir, "cat"))
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command("cat")
	cmd.Stdin, cmd.Stdout = r, out
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	r.Close()
	return w, func() {
		if err := cmd.Wait(); err != nil {
			b.Fatal(err)
		}
		out.Close()
	}
}

func BenchmarkCapture4K(b *testing.B)  { benchmark(b, 4096, capture) }
func BenchmarkKept4K(b *testing.B)     { benchmark(b, 4096, captureKept) }
func BenchmarkCat4K(b *testing.B)      { benchmark(b, 4096, cat) }
func BenchmarkCapture100(b *testing.B) { benchmark(b, 100, capture) }
func BenchmarkKept100(b *testing.B)    { benchmark(b, 100, captureKept) }
func BenchmarkCat100(b *testing.B)     { benchmark(b, 100, cat) }

// flood writes to the pipe until it is told to stop.
func flood(t *testing.T, w *os.File) (stop func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "write", strconv.Itoa(1<<40), "4096")
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cmd.Process.Kill()
			cmd.Wait()
		}
	}
	t.Cleanup(stop)
	return stop
}

func needRoot(t *testing.T) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("SUPD_TEST_REQUIRE") == "1":
		t.Fatal("needs root, and SUPD_TEST_REQUIRE=1 forbids to skip")
	default:
		t.Skip("needs root")
	}
}

// asNoted leaves output where it was to go.
func asNoted(_, log string) string { return log }
