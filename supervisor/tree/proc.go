package tree

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// process is what /proc/PID/stat says of a process (proc_pid_stat(5)).
type process struct {
	pid, parent, group, session int
	start                       uint64 // clock ticks since boot: tells apart two uses of a pid
	zombie                      bool
}

// processes reads all of /proc. By hand: with a thousand workers that die at
// once it is read while they wait to be started again.
func processes() (map[int]process, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	all := make(map[int]process, len(names))
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
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
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
	p := process{pid: pid, zombie: fields[0] == "Z" || fields[0] == "X"}
	var errs [4]error
	p.parent, errs[0] = strconv.Atoi(fields[1])
	p.group, errs[1] = strconv.Atoi(fields[2])
	p.session, errs[2] = strconv.Atoi(fields[3])
	p.start, errs[3] = strconv.ParseUint(fields[19], 10, 64)
	return p, errors.Join(errs[:]...)
}

// launchedAs tells whether the process was started with the environment of this
// launch, and has not overwritten it.
func (p process) launchedAs(name string, generation int) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/environ")
	if err != nil {
		return false
	}
	env = append([]byte{0}, env...)
	return bytes.Contains(env, []byte("\x00SUPD_WORKER="+name+"\x00")) &&
		bytes.Contains(env, []byte("\x00SUPD_GENERATION="+strconv.Itoa(generation)+"\x00"))
}
