package files

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Lateness is what has not ended in time, by any key. Any goroutine may use it.
type Lateness struct {
	Back func() // is called whenever something that was late has ended; may be nil

	keys sync.Map
	n    atomic.Int32
}

// Has reports whether something of that key is late.
func (l *Lateness) Has(key any) bool {
	_, is := l.keys.Load(key)
	return is
}

// Any reports whether anything is late.
func (l *Lateness) Any() bool { return l.n.Load() > 0 }

// Answers does something that may wait for ever, and reports whether it has ended within
// patience; see Soon. Until it has ended, nothing is tried again under the same key.
func (l *Lateness) Answers(key any, patience time.Duration, do func()) bool {
	if l.Has(key) {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ended, err := Soon(ctx, do)
	if err == nil {
		return true
	}
	l.keys.Store(key, true)
	l.n.Add(1)
	go func() {
		<-ended
		l.keys.Delete(key)
		l.n.Add(-1)
		if l.Back != nil {
			l.Back()
		}
	}()
	return false
}
