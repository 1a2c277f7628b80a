package metrics

import (
	"os"
	"time"

	"supd/supervisor/api"
	"supd/supervisor/engine"
	"supd/supervisor/measure"
	"supd/supervisor/tree"
)

// figures are those of a slot: of its workers and all their descendants.
type figures struct {
	used      measure.Usage // since the first launch of the slot
	resident  int64         // bytes
	processes int
	threads   int
	open      int     // descriptors
	most      uint64  // that may be open
	fullest   float64 // the process that is nearest to its own limit
	peak      int64   // bytes of memory, of the cgroups; 0: nobody says so
	limit     int64   // likewise
	members   []int   // pids
}

// tick is what /proc counts CPU time in: USER_HZ is 100 on amd64 and arm64.
const tick = time.Second / 100

var pageSize = int64(os.Getpagesize())

// measure reads the figures of all slots, by name, and what is to be noted: it is more
// than the supervisor knows.
func (c *collector) measure(status *api.Status) (slots map[string]*figures, news map[engine.RunID]measure.Usage, err error) {
	all, err := c.proc.processes()
	if err != nil {
		return nil, nil, err
	}
	members := c.families(status, all).byWorker()
	slots, news = make(map[string]*figures, len(c.seen.slots)), map[engine.RunID]measure.Usage{}
	now, deaths := newSeen(c.seen), c.seen.deaths(all)
	storages := c.proc.storages(living(members))
	for w := range status.Workers() {
		f := &figures{used: w.Tally.Past}
		for _, run := range w.Runs {
			id := engine.RunID{Pid: run.Pid, Start: run.Start}
			used := c.add(f, members[run.Pid], storages)
			if run.Cgroup != "" {
				used = used.Plus(c.stalled(f, run.Cgroup))
			} else {
				used.QueueWait = c.queued(run, members[run.Pid], &now)
			}
			for _, p := range members[run.Pid] {
				if p.Pid != run.Pid && !p.Zombie {
					now.children[engine.RunID{Pid: p.Pid, Start: p.Start}] = id
				}
			}
			used.Deaths = max(run.Used.Deaths, c.seen.runs[id].deaths) + deaths[id]
			used = used.Most(run.Used)
			f.used = f.used.Plus(used)
			now.saw(id, used)
			if used != run.Used {
				news[id] = used
			}
		}
		f.used = f.used.Most(c.seen.slots[w.Name])
		slots[w.Name], now.slots[w.Name] = f, f.used
	}
	c.seen = now
	return slots, news, nil
}

// living are the processes of all workers that have not ended.
func living(members map[int][]tree.Process) (pids []int) {
	for _, all := range members {
		for _, p := range all {
			if !p.Zombie {
				pids = append(pids, p.Pid)
			}
		}
	}
	return pids
}

// add adds the processes of one worker, and gives what they have used. What a child has
// used is its parent's as soon as that has waited for it, and until then its own.
func (c *collector) add(f *figures, members []tree.Process, storages map[int]storage) (used measure.Usage) {
	for _, p := range members {
		used.CPU += time.Duration(p.Ticks) * tick
		if p.Zombie {
			continue
		}
		used.Read += storages[p.Pid].read
		used.Written += storages[p.Pid].written
		f.processes++
		f.threads += p.Threads
		f.resident += p.Pages * pageSize
		open := c.proc.descriptors(p.Pid)
		f.open += open
		if most := c.proc.most(p.Pid); most > 0 { // else it is gone by now
			f.most += most
			f.fullest = max(f.fullest, float64(open)/float64(most))
		}
		f.members = append(f.members, p.Pid)
	}
	return used
}
