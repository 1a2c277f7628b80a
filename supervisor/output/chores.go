package output

import (
	"cmp"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// chores are the logs with something to be done for which nothing waits. One goroutine
// does it, one after the other, while there is any. One that takes long does not keep the
// others waiting: its disk may not answer, and be its app's own.
type chores struct {
	patience time.Duration // 0: choreTime

	mu   sync.Mutex // whoever writes adds
	due  []*Log
	runs bool
}

// choreTime is how long the others wait for one.
const choreTime = time.Minute

func (c *chores) add(l *Log) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.due {
		return
	}
	l.due = true
	if !l.tidying { // else it follows
		c.enqueue(l)
	}
}

func (c *chores) enqueue(l *Log) {
	c.due = append(c.due, l)
	if !c.runs {
		c.runs = true
		go c.run()
	}
}

func (c *chores) run() {
	for l := c.next(); l != nil; l = c.next() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.tidy(l)
		}()
		late := time.NewTimer(cmp.Or(c.patience, choreTime))
		select {
		case <-done:
		case <-late.C:
		}
		late.Stop()
	}
}

// tidy has a thread of its own, of the lowest priority.
func (c *chores) tidy(l *Log) {
	_ = files.OnThreadOfItsOwn(func() error {
		yieldToAll()
		l.tidy()
		return nil
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	l.tidying = false
	if l.due {
		c.enqueue(l)
	}
}

// next is nil at the end.
func (c *chores) next() *Log {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.due) == 0 {
		c.due, c.runs = nil, false
		return nil
	}
	l := c.due[0]
	l.due, l.tidying, c.due = false, true, c.due[1:]
	return l
}

const (
	lowestPriority = 19
	ioIdle         = 3 << 13 // IOPRIO_CLASS_IDLE (ioprio_set(2))
	ioOfThread     = 1       // IOPRIO_WHO_PROCESS
)

// yieldToAll gives this thread the lowest priority; on Linux both are the thread's alone.
// A thread that keeps its own does the same, at a worse time.
func yieldToAll() {
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, lowestPriority)
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, ioOfThread, 0, ioIdle)
}

// tidyLater is called when there may be something to be done with rotated files.
func (l *Log) tidyLater() {
	if l.files != nil && l.isFile() && (l.options.Compress || l.options.MaxTotal > 0) {
		l.files.chores.add(l)
	}
}

// tidy compresses what a log was rotated to, and removes what is too much. There are
// more logs than one, so it ends whatever others do in the directory.
func (l *Log) tidy() {
	for range l.keeps() {
		if !l.pack() {
			break
		}
	}
	l.trimAll()
}

// trimAll removes what is too much of the rotated files, now that it is compressed.
func (l *Log) trimAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	_ = l.inDirectory(func(dir files.Place, name string) error { // where it fails, there is nothing to be removed
		trim(dir, name, l.options)
		return nil
	})
}
