package launch

import (
	"time"

	"supd/supervisor/tree"
)

// A child process that dies before youth is over has hardly done anything, and so
// many of them within memory mean that none will.
const (
	youth  = 10 * time.Second
	memory = time.Minute
)

// children is the child processes of a worker's main process, as they were last seen.
// That a pre-forking server recycles old children is usual.
type children struct {
	pid    int
	looked bool
	alive  map[int]uint64 // by pid, when they started
	seen   time.Time
	young  []time.Time // deaths
}

func (c *children) has() bool { return len(c.alive) > 0 }

// look counts how many have died young within the last minute; none while one of
// the children has grown old, which shows that they can.
func (c *children) look(now time.Time) int {
	alive, err := tree.Children(c.pid)
	if err != nil { // it is gone, which is noticed elsewhere
		return 0
	}
	grown := false
	for pid, start := range c.alive {
		if alive[pid] != start && tree.Age(start)-now.Sub(c.seen) < youth {
			c.young = append(c.young, now)
		}
	}
	for _, start := range alive {
		grown = grown || tree.Age(start) >= youth
	}
	for len(c.young) > 0 && now.Sub(c.young[0]) > memory {
		c.young = c.young[1:]
	}
	c.alive, c.seen, c.looked = alive, now, true
	if grown {
		return 0
	}
	return len(c.young)
}
