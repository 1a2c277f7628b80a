package launch

import (
	"slices"
	"sync"
)

// What is remembered of a worker's output while somebody waits for what comes of it.
const (
	tailLines = 20
	tailWidth = 400 // bytes of a line
)

// tail is the last lines of a worker's output. Any goroutine may add and read.
type tail struct {
	mu    sync.Mutex
	lines []string // is never changed in place: whoever has read it keeps it
}

func (t *tail) add(line []byte) {
	text := string(line[:min(len(line), tailWidth)])
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(slices.Clone(t.lines[max(0, len(t.lines)-tailLines+1):]), text)
}

func (t *tail) all() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lines
}
