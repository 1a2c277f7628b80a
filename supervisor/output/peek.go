package output

import (
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// peeks is a pipe that a few bytes are copied to, to look at them before they are
// taken.
type peeks struct {
	mu   sync.Mutex // captures peek in goroutines of their own, one after the other
	r, w int
}

var thePeeks = sync.OnceValues(func() (*peeks, error) {
	var fds [2]int
	err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK)
	return &peeks{r: fds[0], w: fds[1]}, os.NewSyscallError("pipe2", err)
})

// peek reads the first bytes of a pipe without taking them.
func peek(fd int, p []byte) error {
	via, err := thePeeks()
	if err != nil {
		return err
	}
	via.mu.Lock()
	defer via.mu.Unlock()
	if _, err := unix.Tee(fd, via.w, len(p), unix.SPLICE_F_NONBLOCK); err != nil {
		return os.NewSyscallError("tee", err)
	}
	n, err := unix.Read(via.r, p)
	if err == nil && n < len(p) {
		err = io.ErrUnexpectedEOF
	}
	return err
}
