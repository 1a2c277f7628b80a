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

// Spent is what the worker's cgroup has said last. Its counters go with it, so that they
// are read before it is removed: whoever calls this waits for Release.
func (w *Worker) Spent() measure.Usage { return w.spent }
