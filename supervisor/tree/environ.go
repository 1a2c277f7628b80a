package tree

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// origin is what a worker's environment tells of its launch.
type origin struct {
	worker     string // SUPD_WORKER; "" is no launch's
	generation int    // SUPD_GENERATION
	token      string // SUPD_TOKEN
	hook       string // SUPD_HOOK; "" is the worker itself, or what it has started
	command    string // SUPD_COMMAND; "" is no command
	runtime    string // XDG_RUNTIME_DIR
	main       int    // LISTEN_PID or WATCHDOG_PID: the main process; 0 where neither is set
}

// errHidden is an environment that is not to be seen, which is so for the time of
// an execve too.
var errHidden = errors.New("no environment is to be seen")

// origin tells which launch's environment the process was started with, unless
// it has overwritten that. One that is gone by now is of none.
func (p Process) origin() (origin, error) {
	return Within(p.Pid, func() (origin, error) {
		l, _, err := p.readOrigin(mostEnvironment)
		return l, err
	})
}

// readOrigin reads no more than most bytes, and tells how many it has read.
func (p Process) readOrigin(most int) (l origin, n int, err error) {
	n, err = eachVariable("/proc/"+strconv.Itoa(p.Pid)+"/environ", most, func(name, value []byte) {
		switch string(name) {
		case "SUPD_WORKER":
			l.worker = string(value)
		case "SUPD_GENERATION":
			l.generation, _ = strconv.Atoi(string(value)) // 0 is no launch's
		case "SUPD_HOOK":
			l.hook = string(value)
		case "SUPD_COMMAND":
			l.command = string(value)
		case "SUPD_TOKEN":
			l.token = string(value)
		case "XDG_RUNTIME_DIR":
			l.runtime = string(value)
		case "LISTEN_PID", "WATCHDOG_PID":
			l.main, _ = strconv.Atoi(string(value))
		}
	})
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH):
		return origin{}, n, nil
	case err != nil:
		return origin{}, n, err
	case n == 0:
		return origin{}, n, errHidden
	}
	return l, n, nil
}

// A process can let its environment be any memory of its own, of any size (prctl(2),
// PR_SET_MM_MAP). An execve takes 2 MiB where the limit of the stack is 8 MiB, as it
// is by default; a variable that supd looks for is a path at most.
const (
	mostEnvironment = 2 << 20
	mostVariable    = 8 << 10
)

// EachVariable calls a function with each variable of the environment that a process
// was started with, of which path is the file in /proc (proc_pid_environ(5)), except for
// those longer than mostVariable, and returns how many bytes it has read. It holds
// little of it at a time, and reads no more than mostEnvironment.
func EachVariable(path string, each func(name, value []byte)) (size int, err error) {
	return eachVariable(path, mostEnvironment, each)
}

func eachVariable(path string, most int, each func(name, value []byte)) (size int, err error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	text, held, skips := make([]byte, mostVariable), 0, false
	for size < most {
		n, err := unix.Read(fd, text[held:])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return size, &os.PathError{Op: "read", Path: path, Err: err}
		case n == 0: // of the last variable the end may have been overwritten
			if name, value, ok := bytes.Cut(text[:held], []byte("=")); ok && !skips {
				each(name, value)
			}
			return size, nil
		}
		size, held = size+n, held+n
		rest := text[:held]
		for {
			entry, after, whole := bytes.Cut(rest, []byte{0})
			if !whole {
				break
			}
			if name, value, ok := bytes.Cut(entry, []byte("=")); ok && !skips {
				each(name, value)
			}
			rest, skips = after, false
		}
		if held = copy(text, rest); held == len(text) {
			held, skips = 0, true
		}
	}
	return size, nil
}
