package privdrop

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// errNoAnswer is of a program that has not come to its end in time.
var errNoAnswer = errors.New("no answer")

// ask runs getent(1) and returns what it prints: "" when no key is known, or there is no
// getent.
func (d database) ask(kind string, keys ...string) (string, error) {
	program := ""
	for _, path := range d.getent {
		if unix.Access(path, unix.X_OK) == nil {
			program = path
			break
		}
	}
	if program == "" {
		return "", nil
	}
	limit := d.hung.limit(time.Now())
	out, err := output(append([]string{program, kind}, keys...), limit)
	d.hung.note(!errors.Is(err, errNoAnswer), limit, time.Now())
	if err != nil {
		return "", fmt.Errorf("%s %s %s: %w", program, kind, keys[0], err)
	}
	return out, nil
}

// output runs a command, with the privileges of this process, and returns its
// standard output. How it exited is not told: whoever reaps all children may
// have been faster.
func output(argv []string, timeout time.Duration) (string, error) {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &fs.PathError{Op: "open", Path: "/dev/null", Err: err}
	}
	defer unix.Close(null)
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return "", fmt.Errorf("pipe: %w", err)
	}
	defer unix.Close(ends[0])
	process, err := launch(argv, []int{null, ends[1], null}, timeout+outlives)
	unix.Close(ends[1])
	if err != nil {
		return "", err
	}
	defer process.Close()
	text, err := readUntil(ends[0], timeout)
	if err != nil {
		process.Signal(unix.SIGKILL)
	}
	process.reap()
	return text, err
}

// outlives is how much longer the command lives than is waited for it, where nobody is
// left who kills it.
const outlives = time.Second

func launch(argv []string, files []int, lifetime time.Duration) (*Process, error) {
	plan, err := Spec{
		Argv: argv, Env: []string{"PATH=" + defaultPath, "LC_ALL=C"}, Files: files, KeepPrivs: true, Lifetime: lifetime,
	}.Plan()
	if err != nil {
		return nil, err
	}
	return plan.Start()
}

// readUntil reads to the end of a pipe.
func readUntil(fd int, timeout time.Duration) (string, error) {
	var text strings.Builder
	deadline := time.Now().Add(timeout)
	buf := make([]byte, 4096)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return "", fmt.Errorf("%w in %s", errNoAnswer, timeout)
		}
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, int(left.Milliseconds())+1); n == 0 || err == unix.EINTR {
			continue
		} else if err != nil {
			return "", fmt.Errorf("poll: %w", err)
		}
		n, err := unix.Read(fd, buf)
		if n <= 0 {
			return text.String(), err
		}
		text.Write(buf[:n])
	}
}
