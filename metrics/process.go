package metrics

import (
	"bytes"
	"errors"
	"math"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
	"supd/supervisor/tree"
)

// proc reads what /proc says of processes: by hand, since there may be thousands of
// them. It is used by one goroutine at a time.
type proc struct {
	root   string
	buffer []byte
}

func openProc() *proc { return &proc{root: "/proc", buffer: make([]byte, 8<<10)} }

// processes are all of the machine, by pid. A process's orphans may be anybody's
// children, so that there is no other way to find all descendants.
func (p *proc) processes() (map[int]tree.Process, error) {
	pids, err := tree.Numbers(p.root)
	if err != nil {
		return nil, err
	}
	all := make(map[int]tree.Process, len(pids))
	for _, pid := range pids {
		if one, err := p.stat(pid); err == nil { // else it is gone by now
			all[pid] = one
		}
	}
	return all, nil
}

func (p *proc) stat(pid int) (tree.Process, error) {
	text, err := p.read(pid, "stat")
	if err != nil {
		return tree.Process{}, err
	}
	return tree.ParseStat(pid, text)
}

// mostRead is more than any file of a process has that is read here.
const mostRead = 1 << 20

// read gives a file of a process, up to mostRead; it is valid until the next one is
// read. The kernel makes such a file in one piece (single_open in fs/proc/base.c), so
// that what does not fill the buffer is all of it: nobody has to read once more to see
// the end.
func (p *proc) read(pid int, name string) ([]byte, error) {
	fd, err := unix.Open(p.path(pid, name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	for n := 0; ; {
		more, err := unix.Read(fd, p.buffer[n:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n += more; n < len(p.buffer) || n >= mostRead {
			return p.buffer[:min(n, mostRead)], nil
		}
		p.buffer = append(p.buffer, make([]byte, n)...)
	}
}

func (p *proc) path(pid int, name string) string {
	return p.root + "/" + strconv.Itoa(pid) + "/" + name
}

// storage is how many bytes a process and the children that it has waited for have read
// and written (proc_pid_io(5)).
type storage struct{ read, written int64 }

// storages are those of processes, by pid. What is gone, or not to be looked at
// (ptrace(2)), has 0. The kernel lets who reads it wait for an execve of the process.
func (p *proc) storages(pids []int) map[int]storage {
	return tree.Each(pids, func() func(pid int) storage {
		own := &proc{root: p.root, buffer: make([]byte, 1<<10)}
		return func(pid int) storage {
			text, err := own.read(pid, "io")
			if err != nil {
				return storage{}
			}
			return storage{numberAfter(text, "\nread_bytes: "), numberAfter(text, "\nwrite_bytes: ")}
		}
	})
}

// proportional is a process's share of the memory that it maps, in bytes
// (/proc/PID/smaps_rollup, Linux 4.14). The kernel walks all of its pages for that, and
// lets who reads it wait for an execve of the process, and for its memory.
func (p *proc) proportional(pid int) (int64, error) {
	return tree.Within(pid, func() (int64, error) {
		own := &proc{root: p.root, buffer: make([]byte, 4<<10)}
		text, err := own.read(pid, "smaps_rollup")
		return numberAfter(text, "\nPss:") << 10, err
	})
}

// numberAfter finds a number; 0 where there is none.
func numberAfter(text []byte, name string) (n int64) {
	_, rest, _ := bytes.Cut(text, []byte(name))
	rest = bytes.TrimLeft(rest, " ")
	for _, c := range rest {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// descriptors is how many a process has open. From Linux 6.2 on the size of its fd
// directory says it; before that, and anywhere else, the entries are counted.
func (p *proc) descriptors(pid int) int {
	path := p.path(pid, "fd")
	var st unix.Stat_t
	if p.root == "/proc" && unix.Stat(path, &st) == nil && st.Size > 0 {
		return int(st.Size)
	}
	dir, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer dir.Close()
	count := 0
	_ = files.EachName(dir, math.MaxInt, func(string) bool { count++; return true })
	return count
}

// threads are those of a process.
func (p *proc) threads(of tree.Process) []int {
	if of.Threads == 1 {
		return []int{of.Pid}
	}
	tids, _ := tree.Numbers(p.path(of.Pid, "task")) // else it is gone by now
	return tids
}

// queued is how long a thread could run, and has waited for a processor: the second
// number of its schedstat, in nanoseconds (sched-stats.rst). That of a process is that
// of its main thread alone.
func (p *proc) queued(pid, tid int) (time.Duration, error) {
	name := "schedstat"
	if tid != pid {
		name = "task/" + strconv.Itoa(tid) + "/schedstat"
	}
	text, err := p.read(pid, name)
	return time.Duration(numberAfter(text, " ")), err
}

// most is how many descriptors a process may have open. prlimit(2) is quick, and
// refuses a process of another user without CAP_SYS_RESOURCE; /proc/PID/limits does
// not.
func (p *proc) most(pid int) uint64 {
	var limit unix.Rlimit
	if p.root == "/proc" && unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &limit) == nil {
		return limit.Cur
	}
	text, _ := p.read(pid, "limits")
	return uint64(numberAfter(text, "\nMax open files"))
}

// sameUser reports whether two processes belong to one user (proc(5), /proc/PID). Of one
// that is gone it says no.
func (p *proc) sameUser(a, b int) bool {
	var one, other unix.Stat_t
	return unix.Stat(p.path(a, ""), &one) == nil && unix.Stat(p.path(b, ""), &other) == nil && one.Uid == other.Uid
}
