package privdrop

import (
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"supd/privdrop/nofile"
)

// raisedTo is the hard RLIMIT_NOFILE that RaiseNofile has set; 0: none.
var raisedTo atomic.Uint64

// RaiseNofile lets this process have n descriptors, also where it was started with fewer:
// that takes CAP_SYS_RESOURCE (setrlimit(2)). Whom it launches gets what it was started
// with all the same; a program that takes its place is started with this.
func RaiseNofile(n uint64) error {
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &now); err != nil || now.Cur >= n {
		return os.NewSyscallError("getrlimit", err)
	}
	if now.Max > n { // the Go runtime raises the soft one at its start: somebody has lowered it since
		return os.NewSyscallError("setrlimit", unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: now.Max}, nil))
	}
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n + 1}, nil); err != nil { // as the runtime would
		return os.NewSyscallError("setrlimit", err)
	}
	raisedTo.Store(n + 1)
	return nil
}

// firstNofile is the limit that was raised for this process, to one below the hard
// limit: by the Go runtime or by RaiseNofile.
func firstNofile() *Limit {
	var now unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &now) != nil || now.Cur != now.Max-1 {
		return nil
	}
	soft, hard := nofile.AtStart()
	if hard != now.Max && raisedTo.Load() != now.Max {
		return nil // somebody has set it since
	}
	return &Limit{Soft: soft, Hard: hard}
}
