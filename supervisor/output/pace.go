package output

import "time"

// pace is for a worker that writes without pause: its pipe is not waited for, but
// read after short pauses, in large portions. So no side is woken for each line,
// nor held up while the other has the pipe: short lines are written at twice the
// speed.
type pace struct {
	on    bool
	pause time.Duration
	empty int // so often in a row nothing had come
}

const (
	// shortWait: a shorter wait for the pipe means a flood.
	shortWait = time.Millisecond
	// A pause is as long as it takes for a portion, in bytes, to come, and no longer than
	// whoever follows a log would see.
	longestPause  = 5 * time.Millisecond
	shortestPause = 60 * time.Microsecond // a timer cannot do less
	smallPortion  = 32 << 10
	// A worker that shares its processor with others may not run for some pauses.
	mostEmpty = 4
)

// waited notes how long the pipe has been empty.
func (p *pace) waited(d time.Duration) {
	p.on = d < shortWait
	p.pause, p.empty = shortestPause, 0
}

// goesOn reports whether to read again after a pause, when n bytes were read of a pipe
// that has room for so many; false is to wait for the pipe. A pipe is not to be more than
// half full.
func (p *pace) goesOn(n, room int) bool {
	if n > 0 {
		p.empty = 0
	}
	switch {
	case !p.on || p.empty == mostEmpty:
		return false
	case n == 0:
		p.empty++
		p.pause = longestPause
	case n > room/2:
		p.pause = max(p.pause/2, shortestPause)
	case n < min(smallPortion, room/4):
		p.pause = min(p.pause*2, longestPause)
	}
	return true
}

func (p *pace) sleep() { time.Sleep(p.pause) }
