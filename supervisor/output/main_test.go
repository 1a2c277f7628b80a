package output

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The test binary is also the program that writes.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "write" {
		total, _ := strconv.Atoi(os.Args[2])
		chunk, _ := strconv.Atoi(os.Args[3])
		writeLines(os.Stdout, total, chunk)
		return
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

// patience is for what takes no time when all is well.
const patience = 30 * time.Second

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
			continue
		}
		joined += string(text)
		files = append(files, string(text))
	}
	return joined, files
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

// benchmark captures what a process of its own writes.
func benchmark(b *testing.B, chunk int) {
	const total = 256 << 20
	dir := b.TempDir()
	if shared, err := os.MkdirTemp("/dev/shm", "supd-bench-"); err == nil {
		dir = shared
		b.Cleanup(func() { os.RemoveAll(dir) })
	}
	l, err := Open(filepath.Join(dir, "log"), Options{MaxSize: 16 << 20, Keep: 3, UID: -1, GID: -1, Mode: 0o600})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(total)
	for b.Loop() {
		c, w := start(b, l, nil)
		cmd := exec.Command(os.Args[0], "write", strconv.Itoa(total), strconv.Itoa(chunk))
		cmd.Stdout, cmd.Stderr = w, os.Stderr
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		w.Close()
		if err := cmd.Wait(); err != nil {
			b.Fatal(err)
		}
		wait(b, c)
	}
}

func BenchmarkCapture4096(b *testing.B) { benchmark(b, 4096) }
func BenchmarkCapture100(b *testing.B)  { benchmark(b, 100) }
