package tree

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Named is a process as people are told of it.
type Named struct {
	Pid  int
	Name string // comm (proc_pid_comm(5)), which the process sets itself to whatever it likes
}

// String quotes the name, which may be anything.
func (p Named) String() string {
	if p.Name == "" {
		return "pid " + strconv.Itoa(p.Pid)
	}
	return strconv.Quote(p.Name) + " (pid " + strconv.Itoa(p.Pid) + ")"
}

// named asks for the name of a process that lives.
func named(pid int) Named {
	name, _ := readOf(pid, "comm") // else it has ended by now
	return Named{pid, strings.TrimSuffix(string(name), "\n")}
}

// Strays are children of supd that it has not launched, of one user: a worker has put
// them into the background, with a session of their own and another environment than
// it had itself, so that it cannot be told which worker that was.
type Strays struct {
	UID   int // the real one
	Count int
	Some  []Named // the first of them
}

// some is how many processes are told one by one: one user can have very many.
const some = 64

// strays gives those of each user. known knows the pids of those that supd itself has
// launched. A process in supd's own session is a command of supd's, since each worker
// has one of its own (setsid(2)), and one in session 0 was put into this pid namespace
// from outside.
//
// Those of root are left out where supd is root: until its user is changed, each worker
// is one of root's, too.
func (f family) strays(self int, known func(pid int) bool) (all []Strays) {
	byUser := map[int]int{}
	for _, p := range f {
		uid, is := f.stray(p, self, known)
		if !is {
			continue
		}
		i, there := byUser[uid]
		if !there {
			i = len(all)
			byUser[uid] = i
			all = append(all, Strays{UID: uid})
		}
		all[i].Count++
		if len(all[i].Some) < some {
			all[i].Some = append(all[i].Some, named(p.Pid))
		}
	}
	return all
}

// stray reports whether p is one, and whose.
func (f family) stray(p Process, self int, known func(pid int) bool) (uid int, is bool) {
	if p.Parent != self || p.Zombie || p.Session == 0 || known(p.Pid) {
		return 0, false
	}
	if own, err := unix.Getsid(self); err != nil || p.Session == own {
		return 0, false
	}
	uid, err := RealUID(p.Pid)
	return uid, err == nil && (uid != 0 || os.Geteuid() != 0)
}

// KillStrays kills the strays of a user with all that is beneath them, and waits until
// they are dead. Nobody may launch a process as that user meanwhile. It is called when
// the user has no worker any more: whoever has left them is dead.
func KillStrays(self, uid int, known func(pid int) bool) (killed []Named, err error) {
	all, nobody := map[string][]Named{}, new(Worker)
	err = chase(all, func() (family, error) { return newChildren(self, known) }, func(f family) ([]leftover, bool) {
		return f.beneath(self, known, func(p Process) *Worker {
			if of, is := f.stray(p, self, known); is && of == uid {
				return nobody
			}
			return nil
		}), true
	})
	return all[""], err
}
