package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"supd/socket"
)

// untakenError says that an address is taken by a worker of the socket's own.
type untakenError struct {
	error
	pid int
}

func (e untakenError) Error() string {
	return fmt.Sprintf("%s: its own worker, pid %d, listens there and goes on, and to take that over this supd lacks the right to trace it (CAP_SYS_PTRACE, or without root kernel.yama.ptrace_scope = 0); `supctl stop` and then `supctl start` bind it anew", e.error, e.pid)
}

func (e untakenError) Unwrap() error { return e.error }

// notTaken notes that a living worker's socket could not be had.
func (s *sockets) notTaken(key string, pid int, err error) {
	if _, denied := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); !errors.Is(err, fs.ErrPermission) && !errors.Is(denied, fs.ErrPermission) {
		return // it has closed it
	}
	if s.untaken == nil {
		s.untaken = map[string]int{}
	}
	s.untaken[key] = pid
}

// explain says of sockets that cannot be opened which are with their own workers.
func (s *sockets) explain(failed map[string]error) {
	for key, pid := range s.untaken {
		if s.set.Get(key) != nil {
			delete(s.untaken, key)
		} else if why := failed[key]; errors.Is(why, socket.ErrTaken) {
			failed[key] = untakenError{why, pid}
		}
	}
}
