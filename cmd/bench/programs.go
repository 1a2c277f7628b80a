package main

import (
	"context"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

//go:embed c/*.c
var sources embed.FS

// compile makes the C programs, which are static, so that no time of the dynamic
// linker counts.
func (b *bench) compile() error {
	for _, name := range []string{"child", "limit", "sender", "server", "writer"} {
		source, err := sources.ReadFile("c/" + name + ".c")
		if err != nil {
			return err
		}
		cmd := exec.Command("gcc", "-static", "-O2", "-Wall", "-x", "c", "-", "-o", b.program(name))
		cmd.Stdin = strings.NewReader(string(source))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", cmd, err, out)
		}
	}
	return nil
}

func (b *bench) program(name string) string { return filepath.Join(b.dir, name) }

// now is CLOCK_MONOTONIC, the clock that the C programs read.
func now() time.Duration {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return time.Duration(t.Nano())
}

// record is what a C program writes into a fifo: two numbers.
type record struct {
	pid int
	at  time.Duration
}

// fifo is what the C programs report to.
type fifo struct {
	path string
	file *os.File
}

func (b *bench) newFifo(name string) (*fifo, error) {
	path := filepath.Join(b.dir, name)
	if err := unix.Mkfifo(path, 0o666); err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o666); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0) // for reading and writing, so that there is never an end
	return &fifo{path, f}, err
}

// read waits for n records.
func (f *fifo) read(ctx context.Context, n int) ([]record, error) {
	stop := context.AfterFunc(ctx, func() { f.file.SetReadDeadline(time.Now()) })
	defer stop()
	if err := f.file.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		return nil, err
	}
	var records []record
	for len(records) < n {
		var pair [2]int64
		if err := binary.Read(f.file, binary.NativeEndian, &pair); err != nil {
			return records, fmt.Errorf("%d of %d have reported: %w", len(records), n, errors.Join(err, ctx.Err()))
		}
		records = append(records, record{int(pair[0]), time.Duration(pair[1])})
	}
	return records, nil
}

func (f *fifo) close() { f.file.Close(); os.Remove(f.path) }

// last is the latest of the times.
func last(records []record) (at time.Duration) {
	for _, r := range records {
		at = max(at, r.at)
	}
	return at
}

// process is a supervisor under test.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	log    string
	began  time.Duration
}

func (b *bench) start(name string, args ...string) (*process, error) {
	log, err := os.CreateTemp(b.dir, "*.log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p := &process{cmd: exec.Command(name, args...), exited: make(chan struct{}), log: log.Name()}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that a Ctrl-C reaches only bench
	p.began = now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { defer close(p.exited); p.cmd.Wait() }()
	return p, nil
}

// stop ends a supervisor, which stops its children.
func (p *process) stop() error {
	p.cmd.Process.Signal(unix.SIGTERM)
	select {
	case <-p.exited:
		return nil
	case <-time.After(2 * time.Minute):
		p.cmd.Process.Kill()
		return fmt.Errorf("%s has not ended after TERM", p.cmd)
	}
}
