package privdrop

import (
	_ "unsafe" // for go:linkname
)

// outcome is what a failure leaves behind. A child writes it while the parent
// sleeps.
type outcome struct {
	at     uintptr // address of the call that went wrong; 0 is none
	result uintptr // what the kernel returned for it
}

// vfork makes the system call nr, clone3 or clone with CLONE_VM and CLONE_VFORK,
// and returns its raw result. The child never returns: it performs the calls
// from list on, of which the last is an execve, and exits with 127 at the first
// that goes wrong. The child works in registers alone. It neither touches the
// stack, which is the parent's, nor runs any Go code.
//
// With nr 0 there is no child: this thread performs the calls, and vfork returns
// at the first that goes wrong. The goroutine cannot move to another thread
// meanwhile.
func vfork(nr, a1, a2, a3 uintptr, list *call, out *outcome) uintptr

// spawn is vfork as a blocking system call: while the child is at work, which a
// slow file system or a stop signal can make long, the collector and the other
// goroutines go on.
//
//go:nosplit
//go:norace
func spawn(nr, a1, a2, a3 uintptr, list *call, out *outcome) uintptr {
	entersyscall()
	r := vfork(nr, a1, a2, a3, list, out)
	exitsyscall()
	return r
}

//go:linkname entersyscall runtime.entersyscall
func entersyscall()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()
