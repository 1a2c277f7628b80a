package tree

import (
	"os"
	"strconv"
	"strings"

	"supd/privdrop/files"
)

// family is all processes at one moment, by pid.
type family map[int]Process

// processes reads all of /proc. By hand: with a thousand workers that die at
// once it is read while they wait to be started again.
func processes() (family, error) {
	pids, err := Numbers("/proc")
	if err != nil {
		return nil, err
	}
	all := make(family, len(pids))
	for _, pid := range pids {
		if p, err := readStat(pid); err == nil { // else it is gone by now
			all[pid] = p
		}
	}
	return all, nil
}

// Numbers are the entries of a directory of /proc that are numbers: pids, or tids.
func Numbers(path string) ([]int, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	all := make([]int, 0, len(names))
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil {
			all = append(all, n)
		}
	}
	return all, nil
}

func readStat(pid int) (Process, error) {
	stat, err := readOf(pid, "stat")
	if err != nil {
		return Process{}, err
	}
	return ParseStat(pid, stat)
}

// readOf reads a file of a process in /proc.
func readOf(pid int, name string) ([]byte, error) {
	return Within(pid, func() ([]byte, error) { return files.Read("/proc/" + strconv.Itoa(pid) + "/" + name) })
}

// RealUID is the real user id of a process (proc_pid_status(5)).
func RealUID(pid int) (int, error) {
	status, err := readOf(pid, "status")
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(status), "\nUid:\t")
	uid, _, _ := strings.Cut(after, "\t")
	return strconv.Atoi(uid)
}

// KeepsItsUser reports whether a process, with all that descends from it, can become no other
// user: it has no capability and can get none, and no set-id program counts (capabilities(7),
// no_new_privs in proc_pid_status(5)).
func KeepsItsUser(pid int) bool {
	status, err := readOf(pid, "status")
	has := func(line string) bool { return strings.Contains(string(status), "\n"+line+"\n") }
	return err == nil && has("CapPrm:\t0000000000000000") && has("CapBnd:\t0000000000000000") && has("NoNewPrivs:\t1")
}
