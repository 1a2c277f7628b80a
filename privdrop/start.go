package privdrop

import (
	"cmp"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cloneArgs is struct clone_args of linux/sched.h, up to Linux 5.7.
type cloneArgs struct {
	flags, pidFD, childTID, parentTID, exitSignal uint64
	stack, stackSize, tls, setTID, setTIDSize     uint64
	cgroup                                        uint64
}

const cloneFlags = unix.CLONE_VM | unix.CLONE_VFORK | unix.CLONE_PIDFD

// birth is the memory that kernel and child write to during a launch.
type birth struct {
	args  cloneArgs
	pidfd int32
	outcome
}

// Start launches the command and returns as soon as it has been executed. When
// a call of the plan goes wrong, nothing was executed, the child is gone and
// reaped, and the error is an *Error that names the call.
//
// A child that has not executed the command after launchTime is killed: that is an
// error, too.
//
// The caller reaps the process. A caller that reaps every child it has may do so
// while Start runs; it then sees an unknown pid end with status 127.
//
// A Plan may be started again, but not while a Start of it runs. Different plans
// start at the same time from any number of goroutines.
//
// The kernel takes the thread for the parent that has launched the process. When that
// ends, or another thread of this process executes a program, which ends all others,
// a process that has asked for a parent-death signal gets it (PR_SET_PDEATHSIG in
// prctl(2)). One thread for all launches would spare it that, and make all wait for
// one that hangs.
//
// Once a launch has changed uid or gid, the kernel takes this process for not
// dumpable (PR_SET_DUMPABLE in prctl(2)), since the child shared its memory for
// a moment. Start leaves it so: were it undone while another child is on its
// way, that child's user could trace it, and read this process's memory.
func (p *Plan) Start() (*Process, error) {
	p.clearPIDs()
	b := &birth{pidfd: -1}
	limit := newPatience(b, cmp.Or(p.patience, launchTime))
	r := p.fork(b)
	late := limit.end()
	runtime.KeepAlive(p)
	if errno := unix.Errno(-r); r > ^uintptr(4095) {
		return nil, &Error{Call: p.cloneName(), Err: whyNotCloned(errno)}
	}
	process := &Process{Pid: int(r), fd: int(b.pidfd)}
	if b.at == 0 && late == nil {
		return process, nil
	}
	defer process.Close()
	process.reap()
	if b.at == 0 {
		return nil, &Error{Call: "launch", Err: late}
	}
	failed := p.failed(&b.outcome)
	return nil, p.cause(failed, failed.judge(b.result))
}

// fork blocks all signals of this thread, for the child begins with the same
// mask and must not run a Go handler; the last but one call of every plan clears
// it, when the handlers are gone.
func (p *Plan) fork(b *birth) uintptr {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before); err != nil {
		panic("privdrop: rt_sigprocmask: " + err.Error()) // cannot fail with these arguments
	}
	defer unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	return p.clone(b)
}

// clone falls back on plain clone(2) where a container's filter refuses clone3:
// with ENOSYS, older ones with EPERM. The child then enters its cgroup by the
// first calls of the list, which clone3 makes unnecessary; since they open a file, its
// descriptor table is a copy.
func (p *Plan) clone(b *birth) uintptr {
	b.args.flags = cloneFlags
	b.args.pidFD = uint64(uintptr(unsafe.Pointer(&b.pidfd)))
	b.args.exitSignal = uint64(unix.SIGCHLD)
	if p.shares {
		b.args.flags |= unix.CLONE_FILES
	}
	if p.cgroup > 0 {
		b.args.flags |= unix.CLONE_INTO_CGROUP
		b.args.cgroup = uint64(p.cgroup)
	}
	r := spawn(p.clone3, uintptr(unsafe.Pointer(&b.args)), unsafe.Sizeof(b.args), 0, &p.list[p.born], &b.outcome)
	if errno := unix.Errno(-r); errno == unix.ENOSYS || errno == unix.EPERM {
		flags := uintptr(cloneFlags) | uintptr(unix.SIGCHLD)
		r = spawn(unix.SYS_CLONE, flags, 0, uintptr(unsafe.Pointer(&b.pidfd)), &p.list[0], &b.outcome)
	}
	return r
}

// failed is the call that the child stopped at.
func (p *Plan) failed(o *outcome) *call {
	first := uintptr(unsafe.Pointer(&p.list[0]))
	return &p.list[(o.at-first)/unsafe.Sizeof(call{})]
}

func (p *Plan) cloneName() string {
	if p.cgroup > 0 {
		return "clone into cgroup"
	}
	return "clone"
}
