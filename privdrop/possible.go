package privdrop

import (
	"fmt"
	"strconv"
	"strings"

	"supd/privdrop/files"
)

// CheckCPUs says why this machine lets no process run on these CPUs alone: none of them is
// online (sched_setaffinity(2), EINVAL).
func CheckCPUs(wanted []int) error {
	text, err := files.Read("/sys/devices/system/cpu/online")
	online := strings.TrimSpace(string(text))
	if err != nil || len(wanted) == 0 {
		return nil
	}
	for _, part := range strings.Split(online, ",") { // "0-3,6"
		first, last, isRange := strings.Cut(part, "-")
		low, err := strconv.Atoi(first)
		high, err2 := low, error(nil)
		if isRange {
			high, err2 = strconv.Atoi(last)
		}
		if err != nil || err2 != nil {
			return nil
		}
		for _, cpu := range wanted {
			if low <= cpu && cpu <= high {
				return nil
			}
		}
	}
	return fmt.Errorf("none of these CPUs is online on this machine, which has %s; name some of those", online)
}

// leastMemory is what execve alone takes of the address space: a stack of 128 KiB
// (setup_arg_pages in fs/exec.c).
const leastMemory = 128 << 10

// Impossible says of each limit by its name why no program can be run with it here. other
// says that this process becomes another user than root for it.
func (l Limits) Impossible(other bool) map[string]string {
	why := map[string]string{}
	if open, is := l["nofile"]; is {
		if most, known := mostOpen(); known && open.Hard > most {
			why["nofile"] = fmt.Sprintf("is above fs.nr_open, which is %d on this machine: no process can have more (setrlimit(2)); lower it, or raise that", most)
		}
	}
	if processes, is := l["nproc"]; is && processes.Soft == 0 && other {
		why["nproc"] = "lets the user have no process, and execve(2) refuses the first one; raise it"
	}
	stack, bounded := l["stack"]
	if space, is := l["as"]; is && space.Soft < leastMemory && !(bounded && stack.Soft < leastMemory) {
		why["as"] = fmt.Sprintf("is less than the %d bytes that execve(2) takes for the stack: no program can be run; raise it", leastMemory)
	}
	return why
}

// mostOpen is the highest limit of open files.
func mostOpen() (most uint64, known bool) {
	text, err := files.Read("/proc/sys/fs/nr_open")
	if err != nil {
		return 0, false
	}
	most, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return most, err == nil
}
