package tree

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// family is all processes at one moment, by pid.
type family map[int]Process

// processes reads all of /proc. By hand: with a thousand workers that die at
// once it is read while they wait to be started again.
func processes() (family, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	all := make(family, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, err := readStat(pid); err == nil { // else it is gone by now
			all[pid] = p
		}
	}
	return all, nil
}

func readStat(pid int) (Process, error) {
	stat, err := files.Read("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return Process{}, err
	}
	return ParseStat(pid, stat)
}

// origin is what a worker's environment tells of its launch.
type origin struct {
	worker     string // SUPD_WORKER; "" is no launch's
	generation int    // SUPD_GENERATION
	runtime    string // XDG_RUNTIME_DIR
	main       int    // LISTEN_PID or WATCHDOG_PID: the main process; 0 where neither is set
}

// errHidden is an environment that is not to be seen, which is so for the time of
// an execve too.
var errHidden = errors.New("no environment is to be seen")

// origin tells which launch's environment the process was started with, unless
// it has overwritten that. One that is gone by now is of none.
func (p Process) origin() (origin, error) {
	env, err := files.Read("/proc/" + strconv.Itoa(p.Pid) + "/environ")
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH):
		return origin{}, nil
	case err != nil:
		return origin{}, err
	case len(env) == 0:
		return origin{}, errHidden
	}
	var l origin
	for entry := range bytes.SplitSeq(env, []byte{0}) {
		name, value, _ := bytes.Cut(entry, []byte("="))
		switch string(name) {
		case "SUPD_WORKER":
			l.worker = string(value)
		case "SUPD_GENERATION":
			l.generation, _ = strconv.Atoi(string(value)) // 0 is no launch's
		case "XDG_RUNTIME_DIR":
			l.runtime = string(value)
		case "LISTEN_PID", "WATCHDOG_PID":
			l.main, _ = strconv.Atoi(string(value))
		}
	}
	return l, nil
}
