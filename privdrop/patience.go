package privdrop

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// launchTime is how long a child may take to execute the command. It is far above
// what a busy machine takes, and bounds what a stranger can make Start wait.
//
// For the moment between setresuid and execve is no secret of the child's. Whoever
// has its real or saved uid may signal it (kill_ok_by_cred in kernel/signal.c), and
// the real one has to be the worker's: execve(2) makes the saved uid like the
// effective one, and leaves the real one as it is. So each order of the calls has
// such a moment, as short as it may be: a signal is acted upon between any two calls.
// PR_SET_DUMPABLE forbids to trace, not to signal. A child that is stopped in it
// keeps the thread in vfork(2), until somebody kills it.
const launchTime = 10 * time.Second

// patience kills the child that has not executed the command by then. It has the
// pidfd: the kernel writes it before the child runs (CLONE_PIDFD in clone(2)).
type patience struct {
	pidfd  *int32
	time   time.Duration
	timer  *time.Timer
	lock   sync.Mutex
	ended  bool  // the pidfd may be another file's
	killed error // why
}

func newPatience(b *birth, d time.Duration) *patience {
	p := &patience{pidfd: &b.pidfd, time: d}
	p.timer = time.AfterFunc(d, p.lose)
	return p
}

func (p *patience) lose() {
	p.lock.Lock()
	defer p.lock.Unlock()
	fd := int(atomic.LoadInt32(p.pidfd))
	if p.ended || fd < 0 {
		return
	}
	why := "not executed within " + p.time.String() + whyLate(fd)
	if unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil { // a stopped process dies of it, too
		p.killed = fmt.Errorf("%s; the child was killed", why)
	}
}

// end is called when the child has executed the command, or is gone. The error says
// that it was killed.
func (p *patience) end() error {
	p.timer.Stop()
	p.lock.Lock()
	defer p.lock.Unlock()
	p.ended = true
	return p.killed
}

// whyLate says what a child waits for, as far as its state tells (proc_pid_stat(5)).
func whyLate(pidfd int) string {
	info, err := files.Read(fmt.Sprintf("/proc/self/fdinfo/%d", pidfd))
	_, rest, found := bytes.Cut(info, []byte("\nPid:"))
	pid, _, _ := bytes.Cut(rest, []byte("\n"))
	if err != nil || !found {
		return ""
	}
	stat, err := files.Read("/proc/" + string(bytes.TrimSpace(pid)) + "/stat")
	state := bytes.TrimSpace(stat[bytes.LastIndexByte(stat, ')')+1:])
	switch {
	case err != nil || len(state) == 0:
	case state[0] == 'T':
		return ", for some process of its user has stopped it with a signal (look for who sends SIGSTOP)"
	case state[0] == 'D':
		return ", for it waits for a file system (look at where the command, its directory and its mounts are)"
	}
	return ""
}
