package tree

import (
	"bytes"
	"fmt"
)

// Process is what /proc/PID/stat says of a process (proc_pid_stat(5)).
type Process struct {
	Pid, Parent, Group, Session int
	Start                       uint64 // clock ticks since boot: tells apart two uses of a pid
	Zombie                      bool
	Threads                     int
	Ticks                       uint64 // of CPU time: its own, and that of the children it has waited for
	Pages                       int64  // resident
}

// ParseStat reads the numbers behind the last ")": the name before it may hold any byte.
// It is fast, and makes no garbage: metrics read the file of each process.
func ParseStat(pid int, stat []byte) (Process, error) {
	const last = 24 // the first number is 4, as proc_pid_stat(5) counts them
	state, rest, n := byte(0), stat[bytes.LastIndexByte(stat, ')')+1:], [last + 1]int64{}
	if len(rest) > 2 && rest[0] == ' ' {
		state, rest = rest[1], rest[2:]
	}
	for field := 4; field <= last; field++ {
		var ok bool
		if n[field], rest, ok = number(rest); !ok {
			return Process{}, fmt.Errorf("/proc/%d/stat: no number in field %d", pid, field)
		}
	}
	p := Process{Pid: pid, Parent: int(n[4]), Group: int(n[5]), Session: int(n[6]), Threads: int(n[20]), Start: uint64(n[22]), Pages: n[24]}
	for _, ticks := range n[14:18] { // utime, stime, cutime, cstime
		p.Ticks += uint64(max(0, ticks))
	}
	// The main thread may end before the others: the process lives, in state Z.
	p.Zombie = state == 'X' || state == 'Z' && p.Threads <= 1
	return p, nil
}

// number reads one behind a space; what does not fit into it is cut.
func number(text []byte) (n int64, rest []byte, ok bool) {
	if len(text) < 2 || text[0] != ' ' {
		return 0, nil, false
	}
	negative := text[1] == '-'
	at := 1
	if negative {
		at++
	}
	begin := at
	for ; at < len(text) && text[at] >= '0' && text[at] <= '9'; at++ {
		n = n*10 + int64(text[at]-'0')
	}
	if negative {
		n = -n
	}
	return n, text[at:], at > begin
}
