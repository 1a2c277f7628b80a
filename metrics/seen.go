package metrics

import (
	"time"

	"supd/supervisor/api"
	"supd/supervisor/engine"
	"supd/supervisor/launch"
	"supd/supervisor/measure"
	"supd/supervisor/tree"
)

// seen is what the last scrape has seen, for what the kernel does not add up when a
// process or a thread ends.
type seen struct {
	slots    map[string]measure.Usage      // as it was shown, by name
	runs     map[engine.RunID]run          // of workers
	threads  map[int]wait                  // by tid
	children map[engine.RunID]engine.RunID // descendants, and whose
}

// run is what the kernel does not add up, of one worker.
type run struct {
	queued time.Duration
	deaths int64
}

// wait is how long a thread has waited for a processor.
type wait struct {
	start uint64 // of its process: tids are used again
	took  time.Duration
}

func newSeen(before seen) seen {
	return seen{make(map[string]measure.Usage, len(before.slots)), make(map[engine.RunID]run, len(before.runs)),
		make(map[int]wait, len(before.threads)), make(map[engine.RunID]engine.RunID, len(before.children))}
}

func (s *seen) saw(id engine.RunID, used measure.Usage) {
	s.runs[id] = run{used.QueueWait, used.Deaths}
}

// deaths are the descendants that were seen the last time, and have ended while their
// worker lives, by worker.
func (s *seen) deaths(all map[int]tree.Process) map[engine.RunID]int64 {
	deaths := map[engine.RunID]int64{}
	for child, worker := range s.children {
		if lives(all, worker) && !lives(all, child) {
			deaths[worker]++
		}
	}
	return deaths
}

func lives(all map[int]tree.Process, id engine.RunID) bool {
	p, is := all[id.Pid]
	return is && p.Start == id.Start && !p.Zombie
}

// queued is how long the threads of a worker have waited for a processor. Of those that
// have ended it is what was seen of them.
func (c *collector) queued(r api.Run, members []tree.Process, now *seen) time.Duration {
	last, known := c.seen.runs[engine.RunID{Pid: r.Pid, Start: r.Start}]
	before := max(r.Used.QueueWait, last.queued)
	more := time.Duration(0)
	for _, p := range members {
		if p.Zombie {
			continue
		}
		for _, tid := range c.proc.threads(p) {
			took, err := c.proc.queued(p.Pid, tid)
			if err != nil { // it is gone by now, or the kernel lacks CONFIG_SCHED_INFO
				continue
			}
			c.told[workerQueueWait] = true
			now.threads[tid] = wait{p.Start, took}
			if w := c.seen.threads[tid]; w.start == p.Start {
				took = max(0, took-w.took)
			}
			more += took
		}
	}
	if !known { // an earlier supd has seen some of it
		return max(before, more)
	}
	return before + more
}

// stalled is what a worker's cgroup says, and adds what is of the moment to f.
func (c *collector) stalled(f *figures, cgroup string) measure.Usage {
	s := tree.ReadSpent(cgroup)
	for series, n := range map[*series]int64{workerCPUWaiting: int64(s.CPUWaiting), workerMemoryWaiting: int64(s.MemoryWaiting),
		workerIOWaiting: int64(s.IOWaiting), workerThrottled: int64(s.Throttled), workerOOMKills: s.OOMKills} {
		c.told[series] = c.told[series] || n >= 0
	}
	f.peak, f.limit = f.peak+max(0, s.Peak), f.limit+max(0, s.Limit)
	return launch.Spent(s)
}
