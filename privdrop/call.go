package privdrop

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// call is one system call of a plan. The assembly reads its fields by the
// offsets of go_asm.h.
type call struct {
	nr   uintptr
	args [6]uintptr
	// want is the error number that the call must fail with; 0: it must succeed.
	want uintptr
	// mayFail above 0 goes on after a failure, whatever the error number.
	mayFail uintptr
	// feeds is how many calls further on the result becomes the first argument;
	// 0: it is not used. That of a failure is no descriptor: the other call fails
	// with EBADF.
	feeds uintptr

	name   string // in errors: "setrlimit nofile"
	text   string // in Explain: "prlimit64(0, RLIMIT_NOFILE, 1024:4096)"
	series string // in Explain, one line for all calls in a row that share it
}

// calls is the list of a plan, with the memory that its arguments point to.
type calls struct {
	list []call
	keep []any
	room []byte // for texts
}

// textRoom is enough for the texts of most plans; most of it is the environment.
const textRoom = 2 << 10

// add appends a call and returns its index.
func (c *calls) add(name, text string, nr uintptr, args ...uintptr) int {
	next := call{nr: nr, name: name, text: text}
	copy(next.args[:], args)
	c.list = append(c.list, next)
	return len(c.list) - 1
}

// feed makes the result of call from the first argument of call to.
func (c *calls) feed(from, to int) { c.list[from].feeds = uintptr(to - from) }

// mustFail makes EPERM the one outcome of the last call that is right.
func (c *calls) mustFail() { c.list[len(c.list)-1].want = uintptr(unix.EPERM) }

// optional lets the plan go on where a call fails.
func (c *calls) optional(i int) { c.list[i].mayFail = 1 }

// text returns the address of s with a NUL behind it.
func (c *calls) text(s string) uintptr {
	if size := len(s) + 1; cap(c.room)-len(c.room) < size {
		c.keep = append(c.keep, c.room) // calls point into it, also where a forgotten plan has left it
		c.room = make([]byte, 0, max(size, textRoom))
	}
	begin := len(c.room)
	c.room = append(append(c.room, s...), 0)
	return uintptr(unsafe.Pointer(&c.room[begin]))
}

// texts returns the address of a NULL-terminated array, as execve(2) wants it.
func (c *calls) texts(all []string) uintptr {
	array := make([]uintptr, len(all)+1)
	for i, s := range all {
		array[i] = c.text(s)
	}
	return address(c, array)
}

// address keeps the elements of s, at least one, alive as long as the plan, and
// returns where they are: Go does not move what is on the heap.
func address[T any](c *calls, s []T) uintptr {
	c.keep = append(c.keep, s)
	return uintptr(unsafe.Pointer(&s[0]))
}

// judge says what is wrong with a call's raw result r; nil is as it should be.
func (c *call) judge(r uintptr) error {
	errno := unix.Errno(0)
	if r > ^uintptr(4095) {
		errno = unix.Errno(-r)
	}
	switch {
	case uintptr(errno) == c.want:
		return nil
	case c.want == 0:
		return &Error{Call: c.name, Err: errno}
	case errno == 0:
		return &Error{Call: c.name, Err: errSucceeded}
	}
	return &Error{Call: c.name, Err: fmt.Errorf("failed with %w, not with %w", errno, unix.Errno(c.want))}
}
