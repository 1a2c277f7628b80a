package launch

import (
	"time"

	"supd/supervisor/measure"
	"supd/supervisor/tree"
)

// Spent is what the processes of a worker's cgroup have waited for by now, and what has
// become of them, as far as the cgroup tells.
func Spent(s tree.Spent) measure.Usage {
	took := func(d time.Duration) time.Duration { return max(0, d) } // Unknown is below 0
	return measure.Usage{CPUWaiting: took(s.CPUWaiting), MemoryWaiting: took(s.MemoryWaiting), IOWaiting: took(s.IOWaiting),
		Throttled: took(s.Throttled), OOMKills: max(0, s.OOMKills)}
}

// Spent is what the worker's cgroup has said last; nothing while Release goes on. Its
// counters go with it, so that they are read before it is removed.
func (w *Worker) Spent() measure.Usage {
	select {
	case <-w.released:
		return w.spent
	default:
		return measure.Usage{}
	}
}
