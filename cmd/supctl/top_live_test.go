package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"supd/supervisor/api"
)

// topTerminal is a terminal that top runs on.
type topTerminal struct {
	t       *testing.T
	master  *os.File
	tty     *os.File
	screen  *screen
	before  unix.Termios
	errors  bytes.Buffer
	ended   chan int
	unseize context.CancelFunc // as SIGINT does
}

// runTop starts top with these arguments on a terminal of its own.
func runTop(t *testing.T, width, height uint16, args ...string) *topTerminal {
	t.Helper()
	master, tty, err := pty.Open()
	must(t, err)
	x := &topTerminal{t: t, master: master, tty: tty, screen: newScreen(), ended: make(chan int, 1)}
	t.Cleanup(func() { master.Close(); tty.Close() })
	x.resize(width, height)
	x.before = x.termios()
	go io.Copy(x.screen, master)
	ctx, cancel := context.WithCancel(t.Context())
	x.unseize = cancel
	go func() {
		c := &call{in: tty, out: tty, err: &x.errors}
		root := c.root()
		root.SetArgs(append([]string{"top", "--interval", "100ms"}, args...))
		if _, err := root.ExecuteContextC(ctx); err != nil {
			c.report(ctx, err)
		}
		x.ended <- c.code
	}()
	return x
}

func (x *topTerminal) resize(width, height uint16) {
	x.t.Helper()
	must(x.t, pty.Setsize(x.master, &pty.Winsize{Cols: width, Rows: height}))
}

func (x *topTerminal) termios() unix.Termios {
	x.t.Helper()
	got, err := unix.IoctlGetTermios(int(x.master.Fd()), unix.TCGETS)
	must(x.t, err)
	return *got
}

func (x *topTerminal) press(keys string) {
	x.t.Helper()
	_, err := io.WriteString(x.master, keys)
	must(x.t, err)
}

// ends waits for the end, and checks that the terminal is as it was.
func (x *topTerminal) ends() {
	x.t.Helper()
	if code := <-x.ended; code != 0 || x.errors.Len() > 0 {
		x.t.Errorf("exited with %d, %s", code, &x.errors)
	}
	x.screen.await(x.t, "\x1b[?25h\x1b[?1049l")
	if diff := cmp.Diff(x.before, x.termios()); diff != "" {
		x.t.Errorf("the terminal is not as it was (-was +is):\n%s", diff)
	}
}

var escape = regexp.MustCompile("\x1b\\[[?0-9;]*[A-Za-z]")

// frames are the drawings that are complete, as lines.
func (x *topTerminal) frames() (all [][]string) {
	parts := strings.Split(x.screen.String(), "\x1b[H")[1:]
	for _, part := range parts[:max(0, len(parts)-1)] {
		all = append(all, strings.Split(escape.ReplaceAllString(part, ""), "\r\n"))
	}
	return all
}

func TestTopOnATerminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	seconds := new(atomic.Int64)
	d := newFake("/nonexistent")
	d.figures = func() *api.Figures { return busy(int(seconds.Add(1))) }
	path := socketPath(t)
	_, stop := serveOn(t, path, d)
	x := runTop(t, 80, 24)
	x.screen.await(t, "\x1b[?1049h", "NAME", "q quit", "REQ/S") // which comes with the second look
	if raw := x.termios(); raw.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) != 0 {
		t.Errorf("flags %o", raw.Lflag)
	}
	for _, f := range x.frames() {
		if len(f) != 24 {
			t.Errorf("%d lines", len(f))
		}
		for _, line := range f {
			if length(line) > 80 || strings.ContainsRune(line, 0x1b) {
				t.Errorf("%d columns: %q", length(line), line)
			}
		}
	}
	x.press("ac")
	x.screen.await(t, "READY", "CPU%↓")

	stop() // supd goes, and another one comes
	x.screen.await(t, "waiting for supd: ")
	before := len(x.frames())
	_, stop = serveOn(t, path, d)
	defer stop()
	x.awaitFrame(before, func(f []string) bool { return !strings.Contains(strings.Join(f, ""), "waiting") })

	x.resize(38, 9)
	must(t, unix.Kill(os.Getpid(), unix.SIGWINCH)) // the test has another terminal, or none
	x.awaitFrame(before, func(f []string) bool {
		for _, line := range f {
			if length(line) > 38 {
				return false
			}
		}
		return len(f) == 9
	})
	x.press("\x1b[Bq")
	x.ends()
}

// awaitFrame waits for a drawing after the first n that is as it should be.
func (x *topTerminal) awaitFrame(n int, is func([]string) bool) {
	x.t.Helper()
	for {
		for _, f := range x.frames()[n:] {
			if is(f) {
				return
			}
		}
		select {
		case <-x.screen.changed:
		case <-x.t.Context().Done():
			x.t.Fatal("it does not come")
		}
	}
}

func TestTopIsInterrupted(t *testing.T) {
	for name, end := range map[string]func(*topTerminal){
		"signal": func(x *topTerminal) { x.unseize() },
		"ctrl-c": func(x *topTerminal) { x.press(ctrlC) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TERM", "xterm")
			serve(t, newFake("/nonexistent"))
			x := runTop(t, 80, 24, "whois")
			x.screen.await(t, "whois/web.2")
			end(x)
			x.ends()
		})
	}
}

// Nothing is done to the terminal before it is known that there is something to show.
func TestTopFailsBeforeItDraws(t *testing.T) {
	t.Setenv("TERM", "xterm")
	serve(t, newFake("/nonexistent"))
	x := runTop(t, 80, 24, "nosuch")
	if code := <-x.ended; code != api.CodeNoTarget || !strings.Contains(x.errors.String(), "no such target") || x.screen.String() != "" {
		t.Errorf("exited with %d, %s, drew %q", code, &x.errors, x.screen)
	}
}

// A dumb terminal gets a table.
func TestTopOnADumbTerminal(t *testing.T) {
	serve(t, newFake("/nonexistent"))
	t.Setenv("TERM", "dumb")
	x := runTop(t, 30, 24, "whois")
	if code := <-x.ended; code != 0 {
		t.Errorf("exited with %d, %s", code, &x.errors)
	}
	x.screen.await(t, "NAME         STATE")
	if text := x.screen.String(); strings.Contains(text, "\x1b") {
		t.Errorf("%q", text)
	}
}
