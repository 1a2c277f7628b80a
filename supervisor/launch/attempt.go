package launch

import (
	"context"
	"errors"
	"sync/atomic"
)

// Attempt is a launch for those who wait for it: it comes back once, or is given up. Its
// methods may be called from any goroutine.
type Attempt struct {
	wanted context.Context
	cancel context.CancelFunc
	stage  atomic.Int32
}

// Stages of an Attempt.
const (
	preparing int32 = iota
	begun           // there may be a process
	over            // it has come back, or was given up
)

// NewAttempt is one that is wanted.
func NewAttempt() *Attempt {
	a := &Attempt{}
	a.wanted, a.cancel = context.WithCancel(context.Background())
	return a
}

// errCancelled is why a launch that nobody wants any more has come to nothing.
var errCancelled = errors.New("is not wanted any more")

// Cancel says that it is not wanted any more: no process is made if there is none yet, and
// the hook that it may wait for is killed.
func (a *Attempt) Cancel() { a.cancel() }

// begin is called before the process is made. Nil is one that is always wanted.
func (a *Attempt) begin() error {
	if a != nil && (a.wanted.Err() != nil || !a.stage.CompareAndSwap(preparing, begun)) {
		return errCancelled
	}
	return nil
}

// End reports whether this is its end, and not that it was given up, or has come back,
// before.
func (a *Attempt) End() bool { return a.stage.Swap(over) != over }

// EndUnbegun is End of one that has no process, and cannot get one then.
func (a *Attempt) EndUnbegun() bool { return a.stage.CompareAndSwap(preparing, over) }
