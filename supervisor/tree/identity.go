package tree

import (
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// hertz is how many clock ticks /proc counts in a second: USER_HZ, which is 100
// on amd64 and arm64 whatever the kernel's own clock is.
const hertz = 100

// BootID is that of files: start times of another boot mean nothing.
func BootID() (string, error) { return files.BootID() }

// StartTime is when the process began, in clock ticks since the boot. With the
// pid it tells a process from all others, but for those that have used the same
// pid within the same hundredth of a second.
func StartTime(pid int) (uint64, error) {
	p, err := readStat(pid)
	return p.Start, err
}

// Now is the present moment in clock ticks since the boot, comparable with start
// times.
func Now() uint64 { return uint64(sinceBoot() / (time.Second / hertz)) }

// Age is how long ago start was, in clock ticks since the boot; to a hundredth of
// a second, and never negative.
func Age(start uint64) time.Duration {
	return max(0, sinceBoot()-time.Duration(start)*(time.Second/hertz))
}

// sinceBoot counts the time that the machine was suspended too, as start times do.
func sinceBoot() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		panic("tree: clock_gettime: " + err.Error()) // cannot fail with this clock
	}
	return time.Duration(now.Nano())
}
