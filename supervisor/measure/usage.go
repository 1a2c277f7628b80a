package measure

import "time"

// Usage is what processes have used, and what has become of them, since they began. It
// only grows.
type Usage struct {
	CPU     time.Duration `json:"cpu,omitempty"`
	Read    int64         `json:"read,omitempty"`    // bytes from storage
	Written int64         `json:"written,omitempty"` // bytes towards storage
	Deaths  int64         `json:"deaths,omitempty"`  // of descendants, as far as somebody has seen them
	// QueueWait is the time that threads have waited for a processor. It is counted
	// where there is no cgroup v2, which counts all else.
	QueueWait time.Duration `json:"queue_wait,omitempty"`

	CPUWaiting    time.Duration `json:"cpu_waiting,omitempty"` // some process has waited for it
	MemoryWaiting time.Duration `json:"memory_waiting,omitempty"`
	IOWaiting     time.Duration `json:"io_waiting,omitempty"`
	Throttled     time.Duration `json:"throttled,omitempty"` // by the limit of CPU time
	OOMKills      int64         `json:"oom_kills,omitempty"`
}

// Plus is what both have used together.
func (u Usage) Plus(v Usage) Usage { return u.with(v, func(a, b int64) int64 { return a + b }) }

// Less is what is left of u without v, in nothing below zero.
func (u Usage) Less(v Usage) Usage {
	return u.with(v, func(a, b int64) int64 { return max(0, a-b) })
}

// Most is the higher of each figure.
func (u Usage) Most(v Usage) Usage {
	return u.with(v, func(a, b int64) int64 { return max(a, b) })
}

// with computes each figure from both.
func (u Usage) with(v Usage, of func(a, b int64) int64) Usage {
	took := func(a, b time.Duration) time.Duration { return time.Duration(of(int64(a), int64(b))) }
	return Usage{
		CPU: took(u.CPU, v.CPU), Read: of(u.Read, v.Read), Written: of(u.Written, v.Written), Deaths: of(u.Deaths, v.Deaths),
		QueueWait: took(u.QueueWait, v.QueueWait), CPUWaiting: took(u.CPUWaiting, v.CPUWaiting),
		MemoryWaiting: took(u.MemoryWaiting, v.MemoryWaiting), IOWaiting: took(u.IOWaiting, v.IOWaiting),
		Throttled: took(u.Throttled, v.Throttled), OOMKills: of(u.OOMKills, v.OOMKills),
	}
}
