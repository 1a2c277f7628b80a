package privdrop

import (
	"sync/atomic"
	"time"
)

// database is where names are looked up.
type database struct {
	passwd, group string
	getent        []string // where the program may be
	hung          *hang
}

// A getent(1) that waits for a directory server that does not answer does so for each
// name. So who asks soon after one that has hung waits for hungTimeout alone, and many
// names cost little more than one.
const (
	getentTimeout = 10 * time.Second // far above what a directory server takes, and below what an operator waits for
	hungTimeout   = 250 * time.Millisecond
	hungFor       = 30 * time.Second
)

// hang is when getent has hung last, until it answers again; by nanoseconds of Unix
// time, zero: it has not.
type hang struct{ at atomic.Int64 }

// limit is how long getent is waited for now.
func (h *hang) limit(now time.Time) time.Duration {
	if at := h.at.Load(); at != 0 && now.Sub(time.Unix(0, at)) < hungFor {
		return hungTimeout
	}
	return getentTimeout
}

// note takes down whether it has answered. One that is given up early says nothing new.
func (h *hang) note(answered bool, limit time.Duration, now time.Time) {
	switch {
	case answered:
		h.at.Store(0)
	case limit == getentTimeout:
		h.at.Store(now.UnixNano())
	}
}
