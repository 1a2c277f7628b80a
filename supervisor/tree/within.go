package tree

import (
	"errors"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A read of another process's files in /proc may last for as long as that process likes:
// it waits for an execve that does not come to its end, since a file that it closes is on
// a file system that does not answer, and for memory that is such a file's. Anybody can
// arrange that. So nobody waits for a read longer than readTime.

// readTime is far above what a busy machine takes.
const readTime = 2 * time.Second

// mostStuck bounds the threads that processes of one user can take from this one.
const mostStuck = 8

// ErrStuck is of a process that cannot be read.
var ErrStuck = errors.New("the process does not let itself be read")

// stuck are the reads that have not come back, by pid, each with the user of the process.
var stuck struct {
	sync.Mutex
	users map[int]uint32
}

// Within reads something of a process, or gives it up in time. The read goes on in a
// goroutine of its own then; until it comes back the process is not read again.
func Within[T any](pid int, read func() (T, error)) (T, error) {
	return within(pid, readTime, read, func(T) {})
}

// TakenWithin is Within for what has to be given back where it comes too late.
func TakenWithin[T any](pid int, take func() (T, error), giveBack func(T)) (T, error) {
	return within(pid, readTime, take, giveBack)
}

func within[T any](pid int, limit time.Duration, read func() (T, error), giveBack func(T)) (value T, err error) {
	if isStuck(pid) {
		return value, ErrStuck
	}
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		v, err := read()
		answers <- answer{v, err}
	}()
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-late.C:
	}
	hold(pid)
	go func() {
		if a := <-answers; a.err == nil {
			giveBack(a.value)
		}
		release(pid)
	}()
	return value, ErrStuck
}

// isStuck reports whether a read of the process has not come back, or too many of its
// user.
func isStuck(pid int) bool {
	stuck.Lock()
	defer stuck.Unlock()
	if len(stuck.users) == 0 {
		return false
	}
	if _, is := stuck.users[pid]; is {
		return true
	}
	uid, count := userOf(pid), 0
	for _, other := range stuck.users {
		if other == uid {
			count++
		}
	}
	return count >= mostStuck
}

func hold(pid int) {
	stuck.Lock()
	defer stuck.Unlock()
	if stuck.users == nil {
		stuck.users = map[int]uint32{}
	}
	stuck.users[pid] = userOf(pid)
}

func release(pid int) {
	stuck.Lock()
	defer stuck.Unlock()
	delete(stuck.users, pid)
}

// userOf asks the directory of a process, which waits for nobody.
func userOf(pid int) uint32 {
	var st unix.Stat_t
	if unix.Lstat("/proc/"+strconv.Itoa(pid), &st) != nil {
		return ^uint32(0)
	}
	return st.Uid
}
