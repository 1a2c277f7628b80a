package launch

import (
	"slices"
	"sync"
	"sync/atomic"
)

// What is remembered of a worker's output while somebody waits for what comes of it.
const (
	tailLines = 20
	tailWidth = 400 // bytes of a line
)

// tail is the last lines of a worker's output. Any goroutine may read.
type tail struct {
	lines  atomic.Pointer[[]string]
	adding sync.Mutex // what reads one stream does, or the other
}

func (t *tail) add(line []byte) {
	t.adding.Lock()
	defer t.adding.Unlock()
	text := string(line[:min(len(line), tailWidth)])
	var lines []string
	if have := t.lines.Load(); have != nil {
		lines = slices.Clone((*have)[max(0, len(*have)-tailLines+1):])
	}
	lines = append(lines, text)
	t.lines.Store(&lines)
}

func (t *tail) all() []string {
	if have := t.lines.Load(); have != nil {
		return *have
	}
	return nil
}
