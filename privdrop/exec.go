package privdrop

import (
	"fmt"
	"os"
	"runtime"
	"slices"
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
	if err := p.sparePoller(); err != nil {
		return err
	}
	p.list = slices.DeleteFunc(p.list, func(c call) bool { return c.nr == unix.SYS_SETSID && leadsSession() })
	out := new(outcome)
	beforeExec() // no thread may be born during an execve
	vfork(0, 0, 0, 0, &p.list[0], out)
	afterExec()
	runtime.LockOSThread() // for good: no other goroutine may run with what is left here
	return p.wrong(out)
}

// leadsSession tells whether this process has a session of its own already, which
// setsid(2) refuses.
func leadsSession() bool {
	sid, err := unix.Getsid(0)
	return err == nil && sid == unix.Getpid()
}

// sparePoller keeps the plan from putting a descriptor in the place of one that
// the Go runtime polls, which would be fatal to it: this thread gets a
// descriptor table of its own then, which it must stay on.
func (p *Plan) sparePoller() error {
	for fd := 3; fd < p.files; fd++ {
		target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil || target != "anon_inode:[eventpoll]" && target != "anon_inode:[eventfd]" {
			continue
		}
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_FILES); err != nil {
			return &Error{Call: "unshare descriptors", Err: err}
		}
		return nil
	}
	return nil
}

//go:linkname beforeExec syscall.runtime_BeforeExec
func beforeExec()

//go:linkname afterExec syscall.runtime_AfterExec
func afterExec()
