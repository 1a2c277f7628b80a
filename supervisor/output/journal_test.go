package output

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func journalIn(dir string) string { return filepath.Join(dir, "journal") }

// journald is a socket that entries are sent to.
type journald struct {
	conn *net.UnixConn

	mu      sync.Mutex
	entries []map[string]string
}

// startJournald takes the place of a journald that was there. It reads nothing
// until it is told to.
func startJournald(t *testing.T, socket string) *journald {
	t.Helper()
	_ = os.Remove(socket)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	return &journald{conn: conn}
}

func (j *journald) read() *journald {
	go func() {
		buffer := make([]byte, 1<<20)
		for {
			n, err := j.conn.Read(buffer)
			if err != nil {
				return
			}
			e := parseEntry(buffer[:n])
			j.mu.Lock()
			j.entries = append(j.entries, e)
			j.mu.Unlock()
		}
	}()
	return j
}

// parseEntry reads what systemd.io/JOURNAL_NATIVE_PROTOCOL describes. An invalid
// entry has the field "wrong".
func parseEntry(p []byte) map[string]string {
	e := map[string]string{}
	for len(p) > 0 {
		text, rest, ended := bytes.Cut(p, newline)
		name, value, simple := strings.Cut(string(text), "=")
		if !simple && len(rest) >= 8 {
			n := binary.LittleEndian.Uint64(rest)
			if ended = uint64(len(rest)) >= 8+n+1 && rest[8+n] == '\n'; ended {
				value, rest = string(rest[8:8+n]), rest[8+n+1:]
			}
		}
		if !ended || name == "" {
			e["wrong"] = string(p)
			return e
		}
		e[name], p = value, rest
	}
	return e
}

func (j *journald) all() []map[string]string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]map[string]string{}, j.entries...)
}

func (j *journald) messages() (all []string) {
	for _, e := range j.all() {
		all = append(all, e["MESSAGE"])
	}
	return all
}

// has waits until there are so many entries.
func (j *journald) has(t *testing.T, n int) []map[string]string {
	t.Helper()
	eventually(t, fmt.Sprintf("%d entries", n), func() bool { return len(j.all()) >= n })
	return j.all()
}

func openJournalLog(t *testing.T, files *Files, dir string) *Log {
	t.Helper()
	files.journal = journalIn(dir)
	l, err := files.Open(Journal+"whois/web", Options{})
	must(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

func silentFiles() *Files { return NewFiles(slog.New(slog.DiscardHandler)) }

func TestJournalEntries(t *testing.T) {
	dir := t.TempDir()
	j := startJournald(t, journalIn(dir)).read()
	l := openJournalLog(t, silentFiles(), dir)
	r, w, err := Pipe(-1, -1)
	must(t, err)
	var lines []string
	c := l.CaptureAs("", r, func(line []byte) { lines = append(lines, string(line)) },
		Field{"SUPD_WORKER", "whois/web.1"}, Field{"SUPD_RELEASE", "/opt/a\nb"}, Field{"SUPD_PID", "4711"})
	long := strings.Repeat("é", maxLine) // its characters must not be cut in two
	text := "one\n\nwith = and \xff\xfe\r\n" + "x" + long + "\n" + strings.Repeat("y", maxLine) + "\nMESSAGE=two\nlast words"
	_, err = io.WriteString(w, text)
	must(t, err)
	w.Close()
	wait(t, c)
	must(t, l.Close())

	eventually(t, "the last entry", func() bool { all := j.all(); return len(all) > 0 && all[len(all)-1]["MESSAGE"] == "last words" })
	var got []string
	for _, e := range j.all() {
		got = append(got, e["MESSAGE"])
		delete(e, "MESSAGE")
		want := map[string]string{"PRIORITY": "6", "SYSLOG_IDENTIFIER": "whois/web", "SUPD_WORKER": "whois/web.1", "SUPD_RELEASE": "/opt/a\nb", "SUPD_PID": "4711"}
		if diff := cmp.Diff(want, e); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	before, rest := got[:min(3, len(got))], got[min(3, len(got)):]
	parts := rest[:max(0, len(rest)-3)] // where it is cut depends on how it was read
	for _, part := range parts {
		if len(part) > maxLine || !utf8.ValidString(part) {
			t.Errorf("a part of %d bytes ends with %q", len(part), part[max(0, len(part)-4):])
		}
	}
	joined := slices.Concat(before, []string{strings.Join(parts, "")}, rest[len(parts):])
	want := []string{"one", "", "with = and \xff\xfe", "x" + long, strings.Repeat("y", maxLine), "MESSAGE=two", "last words"}
	if diff := cmp.Diff(want, joined); diff != "" || len(parts) < 2 {
		t.Errorf("%d parts, -want +got:\n%.2000s", len(parts), diff)
	}
	if written, dropped := l.Stats(); written < int64(len(text)-2) || dropped != 0 {
		t.Errorf("%d bytes written of %d, %d dropped", written, len(text), dropped)
	}
	if len(lines) != 7 || lines[6] != "last words" {
		t.Errorf("the lines %.300q", lines)
	}
}

func TestNoJournal(t *testing.T) {
	dir := t.TempDir()
	files := silentFiles()
	files.journal = journalIn(dir)
	l, err := files.Open(Journal+"whois/web", Options{})
	if l != nil || err == nil || !strings.HasPrefix(err.Error(), "no journal on this machine: ") || !strings.HasSuffix(err.Error(), `say log.to = "file"`) {
		t.Errorf("got %v, %v", l, err)
	}
}

// TestJournalAnew: a journald that was restarted has another socket.
func TestJournalAnew(t *testing.T) {
	dir := t.TempDir()
	j := startJournald(t, journalIn(dir)).read()
	l := openJournalLog(t, silentFiles(), dir)
	c, w := start(t, l, nil)
	w.WriteString("one\n")
	j.has(t, 1)
	j.conn.Close()
	j = startJournald(t, journalIn(dir)).read()
	w.WriteString("two\n")
	j.has(t, 1)
	must(t, l.Reopen())
	w.WriteString("three\n")
	w.Close()
	wait(t, c)
	if j.has(t, 2); !cmp.Equal(j.messages(), []string{"two", "three"}) {
		t.Errorf("got %q", j.messages())
	}
	must(t, l.Close())
	c, w = start(t, l, nil)
	w.WriteString("four\n")
	w.Close()
	wait(t, c)
	if _, dropped := l.Stats(); dropped != 5 {
		t.Errorf("%d bytes dropped after Close", dropped)
	}
}

// TestJournalTakesNothing: workers go on while the journal takes nothing. What is
// dropped is counted, and the log says once that it began and once that it is over.
func TestJournalTakesNothing(t *testing.T) {
	dir := t.TempDir()
	j := startJournald(t, journalIn(dir))
	var said strings.Builder
	l := openJournalLog(t, NewFiles(slog.New(slog.NewTextHandler(&said, nil))), dir)
	c, w := start(t, l, nil)
	const size = 8 << 20
	sent := make(chan error)
	go func() {
		_, err := w.WriteString(strings.Repeat(strings.Repeat("z", 1023)+"\n", size/1024))
		sent <- err
	}()
	select {
	case err := <-sent:
		must(t, err)
	case <-time.After(patience):
		t.Fatal("the worker waits for the journal")
	}
	taken(t, w)
	j.read()
	n := 0
	eventually(t, "the journal is written again", func() bool {
		if _, err := fmt.Fprintf(w, "again %d\n", n); err != nil {
			t.Fatal(err)
		}
		n++
		all := j.messages()
		return len(all) > 0 && strings.HasPrefix(all[len(all)-1], "again")
	})
	w.Close()
	wait(t, c)
	must(t, l.Close())
	written, dropped := l.Stats()
	if written+dropped < size || dropped < size/2 {
		t.Errorf("%d bytes written, %d dropped, of more than %d", written, dropped, size)
	}
	got := strings.Split(strings.TrimSpace(said.String()), "\n")
	if len(got) != 2 || !strings.Contains(got[0], "journal cannot be written, output is dropped") || !strings.Contains(got[1], "journal is written again") {
		t.Errorf("said:\n%s", said.String())
	}
}

// TestJournalResume: what a supd has left is sent by the next one, with the fields
// of its worker even if that is gone.
func TestJournalResume(t *testing.T) {
	dir := t.TempDir()
	j := startJournald(t, journalIn(dir)).read()
	field := Field{"SUPD_WORKER", "whois/web.1"}
	begin := func(l *Log, text string) (*os.File, *os.File) {
		r, w, err := Pipe(-1, -1)
		must(t, err)
		c := l.CaptureAs("whois.web.1.1", r, nil, field)
		w.WriteString(text)
		taken(t, w)
		return leave(t, c), w
	}
	pipe, w := begin(openJournalLog(t, kept(t, dir), dir), "whole\nha")
	files := kept(t, dir)
	l := openJournalLog(t, files, dir)
	c := l.CaptureAs("whois.web.1.1", pipe, nil, field)
	must(t, files.WriteRest(asNoted))
	w.WriteString("lf\n")
	w.Close()
	wait(t, c)

	pipe, w = begin(l, "last words")
	pipe.Close()
	w.Close()
	for _, open := range []bool{true, false} { // with the process in the configuration, or not
		files = kept(t, dir)
		files.journal = journalIn(dir)
		if open {
			openJournalLog(t, files, dir)
		}
		must(t, files.WriteRest(asNoted))
	}
	pipe, w = begin(l, "of a process that is gone")
	pipe.Close()
	w.Close()
	files = kept(t, dir)
	files.journal = journalIn(dir)
	must(t, files.WriteRest(asNoted))

	for _, e := range j.has(t, 4) {
		if e["SUPD_WORKER"] != "whois/web.1" || e["SYSLOG_IDENTIFIER"] != "whois/web" {
			t.Errorf("got %v", e)
		}
	}
	if want := []string{"whole", "half", "last words", "of a process that is gone"}; !cmp.Equal(j.messages(), want) {
		t.Errorf("got %q", j.messages())
	}
}

// TestJournalMoves: the next supd sends a worker's output elsewhere, from between
// two lines on or from within one.
func TestJournalMoves(t *testing.T) {
	dir := t.TempDir()
	j := startJournald(t, journalIn(dir)).read()
	files := kept(t, dir)
	c, w := startAs(t, keptLog(t, files, dir+"/log"), "whois.web.1.1")
	w.WriteString("one\ntw")
	taken(t, w)
	pipe := leave(t, c)
	c = openJournalLog(t, kept(t, dir), dir).CaptureAs("whois.web.1.1", pipe, nil)
	w.WriteString("o\nthr")
	taken(t, w)
	j.has(t, 1)
	pipe = leave(t, c)
	c = keptLog(t, kept(t, dir), dir+"/log").CaptureAs("whois.web.1.1", pipe, nil)
	w.WriteString("ee\n")
	w.Close()
	wait(t, c)
	if got, _ := read(t, dir+"/log"); got != "one\nthree\n" || !cmp.Equal(j.messages(), []string{"two"}) {
		t.Errorf("file %q, journal %q", got, j.messages())
	}
}

// TestJournalKilled: supd is killed again and again. Each line is an entry at least
// once, and the lines are in order if repeated ones are left out.
func TestJournalKilled(t *testing.T) {
	dir := t.TempDir()
	j := startJournald(t, journalIn(dir)).read()
	workers := []*numbered{
		startNumbered(t, "a", "portions", Journal+"whois/web"),
		startNumbered(t, "b", "halves", Journal+"whois/web"),
	}
	text, err := json.Marshal(workers)
	must(t, err)
	must(t, os.WriteFile(dir+"/workers", text, 0o600))
	for range 40 {
		supd, captures, _ := startCapturing(t, dir)
		<-captures
		time.Sleep(rand.N(8 * time.Millisecond))
		supd.Process.Kill()
		supd.Wait()
	}
	counts := captureToEnd(t, dir, workers)
	next := map[string]int{}
	again := 0
	eventually(t, "all entries have come", func() bool {
		clear(next)
		again = 0
		for _, e := range j.all() {
			name := e["SUPD_WORKER"]
			switch text := e["MESSAGE"] + "\n"; {
			case text == line(name, next[name]):
				next[name]++
			case next[name] > 0 && text == line(name, next[name]-1):
				again++
			default:
				t.Fatalf("%s: entry %.80q, want %.80q", name, text, line(name, next[name]))
			}
		}
		return cmp.Equal(next, counts)
	})
	if again > 41 {
		t.Errorf("%d entries came twice, of %d kills", again, 40)
	}
	t.Logf("%v entries, %d of them twice", counts, again)
}

// What is read of a long line may end within a character: its beginning waits for the rest.
func TestLongLineReadWithinACharacter(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "web.log"), Options{})
	c := &Capture{log: l, in: newIntake(), room: usualPipe}
	held := strings.Repeat("é", maxLine/2) + "\xc3"
	copy(c.in.data, held)
	c.in.touch(len(held))
	c.in.set(state{end: uint32(len(held))})
	c.write(0)
	if text, _ := read(t, l.path); text != held[:maxLine] || string(c.in.held()) != "\xc3" {
		t.Errorf("%d bytes are written, and %q is held", len(text), c.in.held())
	}
}
