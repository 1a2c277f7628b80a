package supervisor

import (
	"runtime/debug"
	"sync/atomic"
	"time"
)

// The collector goes by what supd does. Beside idle workers there is hardly any garbage,
// and the heap is kept small. In a storm of launches all wait for the processors, and
// each collection marks what belongs to all workers: then there are fewer, and the memory
// is given back afterwards. The start is like a storm.
const (
	idlePercent  = 50 // debug.SetGCPercent
	stormPercent = 100

	stormBegins = 8               // launches at a time
	stormEnds   = 2 * time.Second // after the last launch
)

type collector struct {
	launches atomic.Int32 // under way
	storm    atomic.Bool
	end      *time.Timer
}

func newCollector() *collector {
	c := &collector{}
	c.end = time.AfterFunc(stormEnds, c.calm)
	c.hurry()
	return c
}

// begin tells of a launch, and done of its end. It may wait for a collection.
func (c *collector) begin() {
	if c.launches.Add(1) >= stormBegins && !c.storm.Load() {
		c.hurry()
	}
	if c.storm.Load() {
		c.end.Reset(stormEnds)
	}
}

func (c *collector) done() { c.launches.Add(-1) }

func (c *collector) hurry() {
	c.storm.Store(true)
	debug.SetGCPercent(stormPercent)
}

func (c *collector) calm() {
	c.storm.Store(false)
	debug.SetGCPercent(idlePercent)
	debug.FreeOSMemory()
}
