package privdrop

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	_ "unsafe" // for go:linkname

	"golang.org/x/sys/unix"
)

// Exec performs the plan in this process, which becomes the command. It returns
// only when that failed; the process is then changed in part, and must end.
//
// The calls are made by one thread. Credentials, capabilities and the signal mask
// belong to a thread, and execve(2) ends all others and keeps those of the thread
// that made it.
func (p *Plan) Exec() error {
	p.clearPIDs()
	if err := p.spareOthers(); err != nil {
		return err
	}
	p.list = slices.DeleteFunc(p.list, func(c call) bool {
		// The Go runtime goes on with its descriptors here, should execve fail.
		return c.name == ownTable || c.nr == unix.SYS_SETSID && leadsSession()
	})
	out := new(outcome)
	beforeExec() // no thread may be born during an execve
	vfork(0, 0, 0, 0, &p.list[0], out)
	afterExec()
	runtime.LockOSThread() // for good: no other goroutine may run with what is left here
	return p.failed(out).judge(out.result)
}

// leadsSession reports whether this process has a session of its own already, which
// setsid(2) refuses.
func leadsSession() bool {
	sid, err := unix.Getsid(0)
	return err == nil && sid == unix.Getpid()
}

// spareOthers keeps the plan from replacing a descriptor that another thread may
// be using, the Go runtime's poller above all: this thread gets a descriptor
// table of its own then, and keeps it. Where a container's filter refuses that,
// the poller alone is reason not to go on, since it would end the process.
func (p *Plan) spareOthers() error {
	for fd := 3; fd < len(p.files); fd++ {
		target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil || slices.Contains(p.files, fd) {
			continue
		}
		runtime.LockOSThread()
		err = unix.Unshare(unix.CLONE_FILES)
		if err != nil && strings.HasPrefix(target, "anon_inode:") {
			return &Error{Call: fmt.Sprintf("unshare descriptors, as %d is in use here", fd), Err: err}
		}
		return nil
	}
	return nil
}

//go:linkname beforeExec syscall.runtime_BeforeExec
func beforeExec()

//go:linkname afterExec syscall.runtime_AfterExec
func afterExec()
