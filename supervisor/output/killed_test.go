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
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A numbered worker writes numbered lines until its standard input ends, and then
// their number to descriptor 3.
type numbered struct {
	Name string
	How  string // see number
	Log  string
	PID  int
	Pipe uint64 // inode

	stop  io.Closer
	count io.Reader
}

// line is the n-th of a worker, of one to several hundred bytes.
func line(worker string, n int) string {
	return fmt.Sprintf("%s %d %s\n", worker, n, strings.Repeat("n", n*n%(100+n%500)))
}

// number is the worker. One that writes in pieces has an unfinished line most of
// the time.
func number(name, how string) {
	stopped := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(stopped)
	}()
	stop := func() bool { return isClosed(stopped) }
	random := rand.New(rand.NewPCG(1, uint64(len(how))))
	n := 0
	for ; !stop(); n++ {
		switch text := line(name, n); how {
		case "portions": // of many lines each, cut within a line
			var b bytes.Buffer
			for size := random.IntN(256 << 10); b.Len() < size; {
				b.WriteString(line(name, n))
				n++
			}
			b.WriteString(line(name, n))
			for p := b.Bytes(); len(p) > 0; {
				size := min(len(p), 1+random.IntN(70_000))
				os.Stdout.Write(p[:size])
				p = p[size:]
			}
			time.Sleep(10 * time.Millisecond)
		case "halves":
			half := random.IntN(len(text))
			os.Stdout.WriteString(text[:half])
			time.Sleep(time.Duration(random.IntN(200)) * time.Microsecond)
			os.Stdout.WriteString(text[half:])
		case "bytes": // the pipe may never have more than one byte
			for i := range len(text) {
				os.Stdout.WriteString(text[i : i+1])
			}
		}
	}
	fmt.Fprintln(os.NewFile(3, "count"), n)
}

func startNumbered(t *testing.T, name, how, log string) *numbered {
	t.Helper()
	r, w, err := Pipe(-1, -1)
	must(t, err)
	defer w.Close()
	r.Close() // each supd opens the pipe anew
	inode, err := PipeInode(w)
	must(t, err)
	countR, countW, err := os.Pipe()
	must(t, err)
	defer countW.Close()
	cmd := exec.Command(os.Args[0], "number", name, how)
	cmd.Stdout, cmd.ExtraFiles = w, []*os.File{countW}
	stop, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		countR.Close()
	})
	return &numbered{Name: name, How: how, Log: log, PID: cmd.Process.Pid, Pipe: inode, stop: stop, count: countR}
}

// captureUntilKilled is a supd: it takes over the workers in dir/workers.
func captureUntilKilled(dir string) {
	check := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "supd:", err)
			os.Exit(1)
		}
	}
	text, err := os.ReadFile(dir + "/workers")
	check(err)
	var workers []numbered
	check(json.Unmarshal(text, &workers))
	files := NewFiles(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if shared, err := os.OpenFile(dir+"/stdout", os.O_WRONLY, 0); err == nil {
		files.outlets.stdout, files.outlets.patience = shared, patience
	}
	check(files.KeepIn(dir + "/kept"))
	var captures []*Capture
	for _, w := range workers {
		path := filepath.Join(dir, w.Log)
		if !isFile(w.Log) {
			path, files.journal = w.Log, journalIn(dir)
		}
		l, err := files.Open(path, Options{MaxSize: 300 << 10, Keep: 1 << 20, Compress: w.Log == "portions", UID: -1, GID: -1, Mode: 0o600})
		check(err)
		r, err := Reopen(w.PID, 1, w.Pipe)
		check(err)
		captures = append(captures, l.CaptureAs(w.Name, r, nil, Field{"SUPD_WORKER", w.Name}))
	}
	check(files.WriteRest(asNoted))
	fmt.Println("captures")
	for _, c := range captures {
		<-c.Done()
	}
	check(files.Close())
}

// TestKilledAtAnyMoment: supd is killed again and again. Each worker's lines are
// in the log once and in order, whether they have a log of their own or share
// one, and through all rotations, whose files are compressed or not.
func TestKilledAtAnyMoment(t *testing.T) {
	dir := t.TempDir()
	workers := []*numbered{
		startNumbered(t, "a", "portions", "portions"),
		startNumbered(t, "b", "bytes", "bytes"),
		startNumbered(t, "d", "halves", "shared"),
		startNumbered(t, "e", "halves", "shared"),
		startNumbered(t, "f", "portions", "shared"),
	}
	text, err := json.Marshal(workers)
	must(t, err)
	must(t, os.WriteFile(dir+"/workers", text, 0o600))
	kills := 200
	if testing.Short() {
		kills = 20
	}
	for range kills {
		supd, captures, _ := startCapturing(t, dir)
		if rand.IntN(4) > 0 { // else it is killed in the middle of its start
			<-captures
		}
		time.Sleep(rand.N(8 * time.Millisecond))
		supd.Process.Kill()
		supd.Wait()
	}
	counts := captureToEnd(t, dir, workers)
	for _, log := range []string{"portions", "bytes", "shared"} {
		checkNumbers(t, filepath.Join(dir, log), log, workers, counts)
	}
	if left, err := os.ReadDir(dir + "/kept"); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// captureToEnd starts a supd that is not killed, ends the workers, and returns how
// many lines each has written, by name.
func captureToEnd(t *testing.T, dir string, workers []*numbered) map[string]int {
	t.Helper()
	supd, captures, said := startCapturing(t, dir)
	<-captures
	counts := map[string]int{}
	for _, w := range workers {
		w.stop.Close()
		var n int
		if _, err := fmt.Fscan(w.count, &n); err != nil {
			t.Fatal(err)
		}
		counts[w.Name] = n
	}
	if err := supd.Wait(); err != nil || said.Len() > 0 {
		t.Errorf("supd: %v, says %s", err, said)
	}
	return counts
}

// startCapturing starts a supd. captures is closed when supd has taken over all
// workers, or has ended.
func startCapturing(t *testing.T, dir string) (supd *exec.Cmd, captures chan struct{}, said *bytes.Buffer) {
	t.Helper()
	said = new(bytes.Buffer)
	supd = exec.Command(os.Args[0], "supd", dir)
	supd.Stderr = said
	out, in, err := os.Pipe()
	must(t, err)
	supd.Stdout = in
	must(t, supd.Start())
	in.Close()
	t.Cleanup(func() {
		supd.Process.Kill()
		supd.Wait()
	})
	captures = make(chan struct{})
	go func() {
		bufio.NewReader(out).ReadString('\n')
		out.Close()
		close(captures)
	}()
	return supd, captures, said
}

// checkNumbers checks the lines of each worker of a log.
func checkNumbers(t *testing.T, path, log string, workers []*numbered, counts map[string]int) {
	t.Helper()
	text, files := read(t, path)
	next := map[string]int{}
	for got := range strings.Lines(text) {
		name, _, _ := strings.Cut(got, " ")
		if want := line(name, next[name]); got != want {
			t.Fatalf("%s: line %.80q, want %.80q", log, got, want)
		}
		next[name]++
	}
	for _, w := range workers {
		if w.Log == log && (next[w.Name] != counts[w.Name] || counts[w.Name] == 0) {
			t.Errorf("%s: %d lines of %s, want %d", log, next[w.Name], w.Name, counts[w.Name])
		}
	}
	t.Logf("%s: %d bytes in %d files", log, len(text), len(files))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
