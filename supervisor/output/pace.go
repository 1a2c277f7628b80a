package output

import "time"

// pace is for a worker that writes without pause: its pipe is not waited for, but
// read after short pauses, in large portions. So no side is woken for each line,
// nor held up while the other has the pipe: short lines are written at twice the
// speed.
type pace struct {
	on    bool
	pause time.Duration
}

const (
	// shortWait: a shorter wait for the pipe means a flood.
	shortWait = time.Millisecond
	// A pause is as long as it takes for a portion, in bytes, to come.
	longestPause  = time.Millisecond
	shortestPause = 60 * time.Microsecond // a timer cannot do less
	largePortion  = 512 << 10
	smallPortion  = 32 << 10
)

// waited notes how long the pipe has been empty.
func (p *pace) waited(d time.Duration) {
	p.on = d < shortWait
	p.pause = shortestPause
}

// goesOn reports whether to read again after n bytes were read, and pauses before
// that; false is to wait for the pipe.
func (p *pace) goesOn(n int) bool {
	switch {
	case !p.on || n == 0:
		return false
	case n > largePortion:
		p.pause = max(p.pause/2, shortestPause)
	case n < smallPortion:
		p.pause = min(p.pause*2, longestPause)
	}
	time.Sleep(p.pause)
	return true
}
