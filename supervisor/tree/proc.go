package tree

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// family is all processes at one moment, by pid.
type family map[int]process

// process is what /proc/PID/stat says of a process (proc_pid_stat(5)).
type process struct {
	pid, parent, group, session int
	start                       uint64 // clock ticks since boot: tells apart two uses of a pid
	zombie                      bool
}

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

func readStat(pid int) (process, error) {
	stat, err := files.Read("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return process{}, err
	}
	return parseStat(pid, string(stat))
}

// parseStat begins behind the last ")": the name before it may hold any byte.
func parseStat(pid int, stat string) (process, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return process{}, fmt.Errorf("/proc/%d/stat: %d fields", pid, len(fields))
	}
	p := process{pid: pid}
	var errs [5]error
	p.parent, errs[0] = strconv.Atoi(fields[1])
	p.group, errs[1] = strconv.Atoi(fields[2])
	p.session, errs[2] = strconv.Atoi(fields[3])
	p.start, errs[3] = strconv.ParseUint(fields[19], 10, 64)
	threads, err := strconv.Atoi(fields[17])
	errs[4] = err
	// The main thread may end before the others: the process lives, in state Z.
	p.zombie = fields[0] == "X" || fields[0] == "Z" && threads <= 1
	return p, errors.Join(errs[:]...)
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
func (p process) origin() (origin, error) {
	env, err := files.Read("/proc/" + strconv.Itoa(p.pid) + "/environ")
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
