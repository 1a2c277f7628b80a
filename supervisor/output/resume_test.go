package output

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// taken waits until the pipe is empty and its content is held or written.
func taken(t *testing.T, w *os.File) {
	t.Helper()
	eventually(t, "the pipe is empty", func() bool { return inPipe(int(w.Fd())) == 0 })
}

// leave leaves a capture and returns its pipe.
func leave(t *testing.T, c *Capture) *os.File {
	t.Helper()
	c.Leave()
	wait(t, c)
	pipe := c.Left()
	if pipe == nil {
		t.Fatal("the capture has no pipe")
	}
	return pipe
}

// TestLeaveAndResume: half a line is held, not written, and ended by the next
// supd; what is written meanwhile waits in the pipe.
func TestLeaveAndResume(t *testing.T) {
	dir := t.TempDir()
	l := keptLog(t, kept(t, dir), dir+"/log")
	c, w := startAs(t, l, "app.web.1.1")
	w.WriteString("whole\nha")
	taken(t, w)
	pipe := leave(t, c)
	w.WriteString("lf\nnext\n")
	if got, _ := read(t, dir+"/log"); got != "whole\n" {
		t.Errorf("log %q", got)
	}
	for range 2 { // the second time in the supd that has left it, since its exec failed
		files := kept(t, dir)
		next := keptLog(t, files, dir+"/log")
		c = next.CaptureAs("app.web.1.1", pipe, nil)
		must(t, files.WriteRest(asNoted))
		w.WriteString("more\n")
		taken(t, w)
		pipe = leave(t, c)
	}
	c = l.CaptureAs("app.web.1.1", pipe, nil)
	w.Close()
	wait(t, c)
	if c.Left() != nil {
		t.Error("a pipe of a capture that ended")
	}
	if got, _ := read(t, dir+"/log"); got != "whole\nhalf\nnext\nmore\nmore\n" {
		t.Errorf("log %q", got)
	}
}

// TestLeaveWithoutFile: without a file nothing can be held for the next supd, so
// all is written.
func TestLeaveWithoutFile(t *testing.T) {
	path := t.TempDir() + "/log"
	c, w := start(t, open(t, path, Options{}), nil)
	defer w.Close()
	w.WriteString("whole\nha")
	taken(t, w)
	defer leave(t, c).Close()
	if got, _ := read(t, path); got != "whole\nha" {
		t.Errorf("log %q", got)
	}
}

// TestLeaveWhileFlooded: Leave does not wait for an end of the output.
func TestLeaveWhileFlooded(t *testing.T) {
	dir := t.TempDir()
	l := keptLog(t, kept(t, dir), dir+"/log")
	c, w := startAs(t, l, "app.web.1.1")
	stop := flood(t, w)
	eventually(t, "it is being captured", func() bool { n, _ := l.Stats(); return n > 4<<20 })
	pipe := leave(t, c)
	stop()
	c = l.CaptureAs("app.web.1.1", pipe, nil)
	wait(t, c)
	got, _ := read(t, dir+"/log")
	if want := strings.Repeat("x", 99) + "\n"; strings.ReplaceAll(got, want, "") != want[:len(got)%100] {
		t.Error("a line was torn")
	}
}

// TestPromptIsEndedByTheNext: an unfinished line that was written is continued,
// unless another worker has written since.
func TestPromptIsEndedByTheNext(t *testing.T) {
	for name, c := range map[string]struct{ other, want string }{
		"alone":   {"", "password? ok\n"},
		"between": {"hello\n", "password? \nhello\nok\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := keptLog(t, kept(t, dir), dir+"/log")
			one, w := startAs(t, l, "app.web.1.1")
			w.WriteString("password? ")
			eventually(t, "the prompt is in the log", func() bool { got, _ := read(t, dir+"/log"); return got == "password? " })
			pipe := leave(t, one)
			next := keptLog(t, kept(t, dir), dir+"/log")
			if c.other != "" {
				two, v := startAs(t, next, "app.web.2.1")
				v.WriteString(c.other)
				v.Close()
				wait(t, two)
			}
			one = next.CaptureAs("app.web.1.1", pipe, nil)
			w.WriteString("ok\n")
			w.Close()
			wait(t, one)
			if got, _ := read(t, dir+"/log"); got != c.want {
				t.Errorf("log %q, want %q", got, c.want)
			}
		})
	}
}

// TestAnotherLogAfterwards: the configuration was changed while no supd was there.
func TestAnotherLogAfterwards(t *testing.T) {
	dir := t.TempDir()
	c, w := startAs(t, keptLog(t, kept(t, dir), dir+"/old"), "app.web.1.1")
	w.WriteString("old\nha")
	taken(t, w)
	pipe := leave(t, c)
	l := keptLog(t, kept(t, dir), dir+"/new")
	c = l.CaptureAs("app.web.1.1", pipe, nil)
	w.WriteString("lf\nun")
	taken(t, w)
	leave(t, c).Close()
	w.Close()
	must(t, kept(t, dir).WriteRest(asNoted)) // the worker is gone now: its file names the log
	old, _ := read(t, dir+"/old")
	got, _ := read(t, dir+"/new")
	if old != "old\n" || got != "half\nun" {
		t.Errorf("logs %q and %q", old, got)
	}
}

// TestNameOfAnother: what was held of an earlier worker of that name is written,
// and is not taken for the new one's.
func TestNameOfAnother(t *testing.T) {
	dir := t.TempDir()
	l := keptLog(t, kept(t, dir), dir+"/log")
	c, w := startAs(t, l, "app.web.1.1")
	w.WriteString("of the first")
	taken(t, w)
	leave(t, c).Close()
	w.Close()
	c, w = startAs(t, l, "app.web.1.1")
	w.WriteString("of the second\n")
	w.Close()
	wait(t, c)
	if got, _ := read(t, dir+"/log"); got != "of the first\nof the second\n" {
		t.Errorf("log %q", got)
	}
}

func TestKeepInRefuses(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(dir+"/open", 0o755))
	must(t, os.Symlink(dir, dir+"/link"))
	must(t, os.WriteFile(dir+"/file", nil, 0o600))
	for _, name := range []string{"/open", "/link", "/file"} {
		if err := NewFiles(nil).KeepIn(dir + name); err == nil {
			t.Errorf("%s is used", name)
		}
	}
}

// TestReopen: it is this very pipe, or none.
func TestReopen(t *testing.T) {
	r, w, err := Pipe(-1, -1)
	must(t, err)
	defer r.Close()
	inode, err := PipeInode(r)
	must(t, err)
	cmd := exec.Command("cat")
	cmd.Stdout = w
	stdin, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	w.Close()
	again, err := Reopen(cmd.Process.Pid, 1, inode)
	must(t, err)
	defer again.Close()
	fmt.Fprint(stdin, "x")
	eventually(t, "it is read", func() bool {
		n, err := again.Read(make([]byte, 1))
		return n == 1 && err == nil
	})
	if _, err := Reopen(cmd.Process.Pid, 0, inode); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another pipe: %v", err)
	}
	if _, err := Reopen(cmd.Process.Pid, 77, inode); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a descriptor that is not there: %v", err)
	}
	stdin.Close()
	must(t, cmd.Wait())
	if _, err := Reopen(cmd.Process.Pid, 1, inode); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a process that is gone: %v", err)
	}
}

// TestReopenedIsCaptured: the worker goes on writing as if nothing had happened.
func TestReopenedIsCaptured(t *testing.T) {
	r, w, err := Pipe(-1, -1)
	must(t, err)
	inode, err := PipeInode(w)
	must(t, err)
	cmd := exec.Command("cat")
	cmd.Stdout = w
	stdin, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	w.Close()
	r.Close()
	fmt.Fprintln(stdin, "while nobody was there")
	again, err := Reopen(cmd.Process.Pid, 1, inode)
	must(t, err)
	path := t.TempDir() + "/log"
	c := open(t, path, Options{}).Capture(again, nil)
	fmt.Fprintln(stdin, "afterwards")
	stdin.Close()
	must(t, cmd.Wait())
	wait(t, c)
	if got, _ := read(t, path); got != "while nobody was there\nafterwards\n" {
		t.Errorf("log %q", got)
	}
}

func TestInherited(t *testing.T) {
	r, w, err := Pipe(-1, -1)
	must(t, err)
	fd, err := unix.Dup(int(r.Fd())) // one that is kept open over execve
	must(t, err)
	r.Close()
	again, err := Inherited(fd)
	must(t, err)
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("it would be passed to workers, %v", err)
	}
	path := t.TempDir() + "/log"
	c := open(t, path, Options{}).Capture(again, nil)
	w.WriteString("line\n")
	w.Close()
	wait(t, c)
	if got, _ := read(t, path); got != "line\n" {
		t.Errorf("log %q", got)
	}
	file, err := os.Open(path)
	must(t, err)
	defer file.Close()
	other, err := unix.Dup(int(file.Fd()))
	must(t, err)
	if _, err := Inherited(other); err == nil {
		t.Error("a file is taken for a pipe")
	}
}
