package files

import (
	"context"
	"time"
)

const (
	// Patient is how long is waited for a disk, far above what a busy one takes.
	Patient = 5 * time.Second
	// Impatient is how long for each other file once one has not come.
	Impatient = 200 * time.Millisecond
	// mostLost is how many are waited for: each keeps a thread.
	mostLost = 32
)

// Patience bounds the wait of who looks at many files, which may be on a disk that does
// not answer. It is for one goroutine. That of nil has no end.
type Patience struct {
	First time.Duration // 0 is Patient
	lost  int
}

// Answers does what may wait for ever, and reports whether it has ended soon; see Soon.
func (p *Patience) Answers(do func()) bool {
	if p == nil {
		do()
		return true
	}
	if p.lost >= mostLost {
		p.lost++
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.limit())
	defer cancel()
	if _, err := Soon(ctx, do); err == nil {
		return true
	}
	p.lost++
	return false
}

// Why says what became of the last one that has not answered.
func (p *Patience) Why() string {
	if p.lost > mostLost {
		return "not looked at, for too many files are on disks that do not answer"
	}
	return "its disk does not answer; look at what is mounted there"
}

func (p *Patience) limit() time.Duration {
	switch {
	case p.lost > 0:
		return Impatient
	case p.First > 0:
		return p.First
	}
	return Patient
}
