package files

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// OnThreadOfItsOwn runs f on an operating system thread that ends with it, so
// that f may change what belongs to a thread.
func OnThreadOfItsOwn(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: that is what ends the thread
		if unix.Gettid() != unix.Getpid() {
			done <- f()
			return
		}
		// The main thread never ends, and its root is the one in /proc/self.
		// While it is held here, another one is taken.
		done <- OnThreadOfItsOwn(f)
		runtime.UnlockOSThread()
	}()
	return <-done
}
