package output

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// standardOutput gives a set whose standard output is a pipe, and what it says.
func standardOutput(t *testing.T) (set *Files, read *os.File, said *safeBuffer) {
	t.Helper()
	said = new(safeBuffer)
	set = NewFiles(slog.New(slog.NewTextHandler(said, nil)))
	read, write, err := os.Pipe()
	must(t, err)
	set.outlets.stdout, set.outlets.patience = write, patience
	t.Cleanup(func() {
		read.Close()
		set.Close()
		write.Close()
	})
	return set, read, said
}

// safeBuffer is written by one goroutine and read by another.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func webFields(slot int) []Field {
	return []Field{{"SUPD_APP", "whois"}, {"SUPD_PID", "4711"}, {"SUPD_PROCESS", "web"}, {"SUPD_SLOT", fmt.Sprint(slot)}, {"SUPD_WORKER", fmt.Sprint("whois/web.", slot)}}
}

func stdoutLog(t *testing.T, set *Files, process string, prefix Prefix) *Log {
	t.Helper()
	l, err := set.Open(Stdout+process, Options{Prefix: prefix})
	must(t, err)
	return l
}

// lineOf reads a line of standard output.
func lineOf(t *testing.T, from *bufio.Reader) string {
	t.Helper()
	line, err := from.ReadString('\n')
	must(t, err)
	return strings.TrimSuffix(line, "\n")
}

func TestStdoutPrefixes(t *testing.T) {
	set, out, _ := standardOutput(t)
	from := bufio.NewReader(out)
	l := stdoutLog(t, set, "whois/web", NoPrefix)
	r, w, err := Pipe(-1, -1)
	must(t, err)
	before := time.Now().Add(-time.Second)
	l.CaptureAs("", r, nil, webFields(2)...)
	defer w.Close()
	w.WriteString("plain \x1b[1mtext\x1b[0m\xff\r\n\n")
	if got := lineOf(t, from); got != "plain \x1b[1mtext\x1b[0m\xff" {
		t.Errorf("%q", got)
	}
	if got := lineOf(t, from); got != "" {
		t.Errorf("%q", got)
	}
	set.Change(l, Options{Prefix: NamePrefix}) // while it runs
	w.WriteString("text\n")
	at, rest, _ := strings.Cut(lineOf(t, from), " ")
	if when, err := time.Parse(time.RFC3339, at); err != nil || when.Before(before) || rest != "whois/web.2 | text" {
		t.Errorf("%q %q, %v", at, rest, err)
	}
	set.Change(l, Options{Prefix: JSONPrefix})
	w.WriteString("<\"\x1b\xff\u2028\n")
	got := lineOf(t, from)
	var object map[string]any
	must(t, json.Unmarshal([]byte(got), &object))
	when, err := time.Parse(time.RFC3339, object["time"].(string))
	if err != nil || when.Before(before) {
		t.Errorf("%v, %v", object["time"], err)
	}
	delete(object, "time")
	want := map[string]any{"app": "whois", "process": "web", "slot": 2.0, "message": "<\"\x1b\ufffd\u2028"}
	if fmt.Sprint(object) != fmt.Sprint(want) || strings.Contains(got, "\x1b") {
		t.Errorf("%v, want %v; %q", object, want, got)
	}
	w.WriteString("not ended") // as a prompt
	if got := lineOf(t, from); !strings.Contains(got, `"message":"not ended"`) {
		t.Errorf("%q", got)
	}
	eventually(t, "all is counted", func() bool { written, dropped := l.Stats(); return written == 44 && dropped == 0 })
}

// TestStdoutIsShared: lines of many workers, also long ones, are whole, and so are those
// that others write there.
func TestStdoutIsShared(t *testing.T) {
	set, out, _ := standardOutput(t)
	const workers, lines = 8, 500
	line := func(worker, i int) string { return strings.Repeat(string(rune('a'+worker)), 1+i*worker%3000) }
	var all sync.WaitGroup
	for worker := range workers {
		c, w := start(t, stdoutLog(t, set, fmt.Sprintf("app/%d", worker%3), NoPrefix), nil)
		all.Go(func() {
			for i := range lines {
				text := line(worker, i) + "\n"
				w.WriteString(text[:len(text)/2])
				w.WriteString(text[len(text)/2:])
			}
			w.Close()
			<-c.Done()
		})
	}
	all.Go(func() {
		for range lines {
			fmt.Fprintln(set.outlets.stdout, "supd's own")
		}
	})
	total := 0
	for worker := range workers {
		for i := range lines {
			total += len(line(worker, i))
		}
	}
	from := bufio.NewReader(out)
	for own := 0; total > 0 || own < lines; {
		got := lineOf(t, from)
		if got == "supd's own" {
			own++
			continue
		}
		if got == "" || strings.Trim(got, got[:1]) != "" {
			t.Fatalf("line %.50q", got)
		}
		total -= len(got)
	}
	all.Wait()
}

// TestNobodyReadsStdout: the workers do not wait. What is dropped is counted, and said
// once; once somebody reads, so is that, and all lines are whole.
func TestNobodyReadsStdout(t *testing.T) {
	set, out, said := standardOutput(t)
	set.outlets.patience = outletPatience
	l := stdoutLog(t, set, "app/web", NoPrefix)
	const size = 50 * 4096 * 100
	for range 2 {
		c, w := start(t, l, nil)
		writeLines(w, size, 4096)
		w.Close()
		wait(t, c)
	}
	if _, dropped := l.Stats(); dropped < size {
		t.Errorf("only %d bytes dropped", dropped)
	}
	if n := strings.Count(said.String(), "\n"); n != 1 || !strings.Contains(said.String(), "standard output cannot be written") {
		t.Errorf("said %d times:\n%s", n, said)
	}
	read := make(chan int64, 1)
	go func() {
		n, lines := int64(0), bufio.NewScanner(out)
		for lines.Scan() && lines.Text() != "the end" {
			if len(lines.Text()) != 99 {
				t.Errorf("line %q", lines.Text())
			}
			n += 100
		}
		read <- n
	}()
	eventually(t, "it is written again", func() bool { return strings.Contains(said.String(), "written again") })
	set.Flush()
	c, w := start(t, l, nil)
	w.WriteString("the end\n")
	w.Close()
	wait(t, c)
	written, dropped := l.Stats()
	if n := <-read; written != n+8 || written+dropped != 2*size+8 {
		t.Errorf("%d bytes written, %d dropped, %d read, of %d", written, dropped, n, 2*size)
	}
}

// TestStdoutFails: what cannot be written is dropped and counted whatever the reason is.
func TestStdoutFails(t *testing.T) {
	for name, at := range map[string]func(t *testing.T, set *Files, out *os.File){
		"nobody has it open": func(t *testing.T, set *Files, out *os.File) { must(t, out.Close()) },
		"disk full": func(t *testing.T, set *Files, _ *os.File) {
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			must(t, err)
			t.Cleanup(func() { full.Close() })
			set.outlets.stdout = full
		},
		"closed": func(t *testing.T, set *Files, _ *os.File) {
			gone, err := os.Open("/dev/null")
			must(t, err)
			must(t, gone.Close())
			set.outlets.stdout = gone
		},
	} {
		t.Run(name, func(t *testing.T) {
			set, out, said := standardOutput(t)
			at(t, set, out)
			l := stdoutLog(t, set, "app/web", NamePrefix)
			for range 3 {
				c, w := start(t, l, nil)
				w.WriteString("one\ntwo\n")
				w.Close()
				wait(t, c)
			}
			set.Flush()
			if written, dropped := l.Stats(); written != 0 || dropped != 24 {
				t.Errorf("%d bytes written, %d dropped", written, dropped)
			}
			if n := strings.Count(said.String(), "\n"); n != 1 {
				t.Errorf("said %d times:\n%s", n, said)
			}
		})
	}
}

// TestStdoutThatDoesNotBlock: whoever has started supd may have set O_NONBLOCK, on what
// is his as well. That a pipe is full is no failure then, either.
func TestStdoutThatDoesNotBlock(t *testing.T) {
	var fds [2]int
	must(t, unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC))
	out, write := os.NewFile(uintptr(fds[0]), "out"), os.NewFile(uintptr(fds[1]), "in")
	defer out.Close()
	defer write.Close()
	set := silentFiles()
	set.outlets.stdout = write
	c, w := start(t, stdoutLog(t, set, "app/web", NoPrefix), nil)
	go func() {
		writeLines(w, 1<<20, 4096)
		w.Close()
	}()
	n, err := io.CopyN(io.Discard, out, 1<<20)
	if n != 1<<20 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	wait(t, c)
}

// TestPartOfALine: after a line that was written in part the next one begins anew.
func TestPartOfALine(t *testing.T) {
	to := &failing{room: 7}
	w := &plainWriter{to: to}
	one, two := portion{text: []byte("first\nsecond\n")}, portion{text: []byte("third\n")}
	if n, err := w.write([]portion{one, two}); n != 0 || err == nil {
		t.Errorf("%d, %v", n, err)
	}
	to.room = 100
	if n, err := w.write([]portion{two}); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if got := to.String(); got != "first\ns\nthird\n" {
		t.Errorf("%q", got)
	}
}

// failing has room for so many bytes.
type failing struct {
	bytes.Buffer
	room int
}

func (f *failing) Write(p []byte) (int, error) {
	n := min(f.room, len(p))
	f.Buffer.Write(p[:n])
	if f.room -= n; n < len(p) {
		return n, unix.ENOSPC
	}
	return n, nil
}

// TestFlush: what is left at the end is dropped, counted once, and not waited for.
func TestFlush(t *testing.T) {
	set, out, said := standardOutput(t)
	set.outlets.patience = outletPatience
	l := stdoutLog(t, set, "app/web", NoPrefix)
	c, w := start(t, l, nil)
	writeLines(w, 1<<20, 4096)
	w.Close()
	wait(t, c)
	set.Flush()
	if written, dropped := l.Stats(); written+dropped != 1<<20 || dropped == 0 {
		t.Errorf("%d bytes written, %d dropped", written, dropped)
	}
	go io.Copy(io.Discard, out) // what was being written is, all the same
	eventually(t, "it is written again", func() bool { return strings.Contains(said.String(), "written again") })
	c, w = start(t, l, nil)
	w.WriteString("more\n")
	w.Close()
	wait(t, c)
	set.Flush()
	if written, dropped := l.Stats(); written+dropped != 1<<20+5 || written == 0 {
		t.Errorf("%d bytes written, %d dropped", written, dropped)
	}
}

// TestStdoutMoves: a worker that runs goes from a file to standard output and back.
func TestStdoutMoves(t *testing.T) {
	set, out, _ := standardOutput(t)
	from := bufio.NewReader(out)
	path := t.TempDir() + "/log"
	file, err := set.Open(path, Options{UID: -1, GID: -1, Mode: 0o600})
	must(t, err)
	c, w := start(t, file, nil)
	w.WriteString("one\n")
	eventually(t, "it is in the file", func() bool { got, _ := read(t, path); return got == "one\n" })
	c.MoveTo(stdoutLog(t, set, "app/web", NoPrefix))
	eventually(t, "it has moved", func() bool { return c.next.Load() == nil })
	w.WriteString("two\n")
	if got := lineOf(t, from); got != "two" {
		t.Errorf("%q", got)
	}
	c.MoveTo(file)
	eventually(t, "it is back", func() bool { return c.next.Load() == nil })
	w.WriteString("three\n")
	w.Close()
	wait(t, c)
	if got, _ := read(t, path); got != "one\nthree\n" {
		t.Errorf("%q", got)
	}
}

// TestMoveToChanged: a worker's output that comes to a log is written as was wanted last,
// also where that waits for the log's lock.
func TestMoveToChanged(t *testing.T) {
	set, out, _ := standardOutput(t)
	from := bufio.NewReader(out)
	l := stdoutLog(t, set, "app/web", JSONPrefix)
	none, err := set.Open(None+"app/web", Options{})
	must(t, err)
	c, w := start(t, none, nil)
	l.wanted.Store(&Options{Prefix: NoPrefix}) // as Change does while the lock is held
	c.MoveTo(l)
	eventually(t, "it has moved", func() bool { return c.next.Load() == nil })
	w.WriteString("text\n")
	if got := lineOf(t, from); got != "text" {
		t.Errorf("%q", got)
	}
	w.Close()
	wait(t, c)
}

// TestStdoutKilled: supd is killed again and again. Each line is there, and whole, in
// order if repeated ones are left out.
func TestStdoutKilled(t *testing.T) {
	dir := t.TempDir()
	must(t, unix.Mkfifo(dir+"/stdout", 0o600))
	out, err := os.OpenFile(dir+"/stdout", os.O_RDWR, 0)
	must(t, err)
	defer out.Close()
	workers := []*numbered{
		startNumbered(t, "a", "portions", Stdout+"whois/web"),
		startNumbered(t, "b", "halves", Stdout+"whois/web"),
	}
	text, err := json.Marshal(workers)
	must(t, err)
	must(t, os.WriteFile(dir+"/workers", text, 0o600))
	all := make(chan []string)
	go func() {
		var got []string
		for lines := bufio.NewReader(out); ; {
			line, err := lines.ReadString('\n')
			if err != nil || line == "the end\n" {
				all <- got
				return
			}
			got = append(got, line)
		}
	}()
	for range 40 {
		supd, captures, _ := startCapturing(t, dir)
		<-captures
		time.Sleep(rand.N(8 * time.Millisecond))
		supd.Process.Kill()
		supd.Wait()
	}
	counts := captureToEnd(t, dir, workers)
	must(t, errOf(out.WriteString("the end\n")))
	next := map[string]int{}
	for _, got := range <-all {
		name, rest, _ := strings.Cut(got, " ")
		var n int
		fmt.Sscan(rest, &n)
		if n > next[name] || got != line(name, n) {
			t.Fatalf("%s: line %.80q, want %.80q", name, got, line(name, next[name]))
		}
		next[name] = max(next[name], n+1)
	}
	for name, n := range counts {
		if next[name] != n {
			t.Errorf("%s: %d lines of %d", name, next[name], n)
		}
	}
}

func errOf(_ int, err error) error { return err }

// TestFloodOnStdout: a log whose workers print more than anybody reads takes no room from
// the others.
func TestFloodOnStdout(t *testing.T) {
	set, out, _ := standardOutput(t)
	flood, quiet := stdoutLog(t, set, "flood/web", NoPrefix), stdoutLog(t, set, "quiet/web", NoPrefix)
	outlet := flood.sink.(*outletLog).outlet
	outlet.patience = 0
	for range 2 * outletRoom / outletPortion {
		outlet.hand(portion{text: bytes.Repeat([]byte("flood\n"), outletPortion/6), log: flood, output: 1})
	}
	for range 100 {
		outlet.hand(portion{text: []byte("quiet\n"), log: quiet, output: 1})
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	eventually(t, "all is written", func() bool { written, _ := quiet.Stats(); return written == 100 })
	if _, dropped := flood.Stats(); dropped == 0 {
		t.Error("nothing is dropped")
	}
	outlet.mu.Lock()
	defer outlet.mu.Unlock()
	if outlet.bytes != 0 || len(outlet.shares) != 0 {
		t.Errorf("%d bytes wait, %v", outlet.bytes, outlet.shares)
	}
}

// A terminal gets what is printable of a worker's lines, and a pipe the lines as they are.
func TestStandardOutputThatIsATerminal(t *testing.T) {
	const line = "\x1b]0;title\a\x1b[31mred\x1b[0m\u009b2J\n"
	master, tty, err := pty.Open()
	must(t, err)
	defer master.Close()
	defer tty.Close()
	must(t, (&plainWriter{to: shown(tty)}).writeLines([]byte(line)))
	said := make([]byte, 100)
	n, err := master.Read(said)
	must(t, err)
	if got, want := string(said[:n]), "]0;titlered2J\r\n"; got != want {
		t.Errorf("a terminal: %q, want %q", got, want)
	}
	read, write, err := os.Pipe()
	must(t, err)
	defer read.Close()
	defer write.Close()
	must(t, (&plainWriter{to: shown(write)}).writeLines([]byte(line)))
	n, err = read.Read(said)
	must(t, err)
	if got := string(said[:n]); got != line {
		t.Errorf("a pipe: %q, want %q", got, line)
	}
}
