package metrics

import (
	"slices"
	"time"

	"supd/supervisor/api"
)

// The kernel walks all pages of a process to tell its proportional memory. So it is
// asked for that again after memoryAge at the earliest, and for no more slots in one
// scrape than fit into memoryTime; at least for one.
const (
	memoryAge  = 30 * time.Second
	memoryTime = 100 * time.Millisecond
)

// memory is the proportional memory of slots as it was asked for last, by name.
type memory map[string]share

type share struct {
	bytes int64
	ok    bool      // false: it cannot be had
	at    time.Time // zero: it was not asked for yet
	pid   int       // of the slot's newest worker
}

// refresh asks again for what is oldest. Slots that are gone are forgotten.
func (m memory) refresh(p *proc, status *api.Status, slots map[string]*figures, now func() time.Time) {
	begin := now()
	var due []string
	for w := range status.Workers() {
		pid := 0
		if n := len(w.Runs); n > 0 {
			pid = w.Runs[n-1].Pid
		}
		last := m[w.Name]
		if last.pid != pid {
			last = share{pid: pid}
		}
		if m[w.Name] = last; begin.Sub(last.at) >= memoryAge {
			due = append(due, w.Name)
		}
	}
	slices.SortStableFunc(due, func(a, b string) int { return m[a].at.Compare(m[b].at) })
	for _, name := range due {
		m[name] = p.shareOf(slots[name].members, m[name].pid, now())
		if now().Sub(begin) >= memoryTime {
			break
		}
	}
	for name := range m {
		if slots[name] == nil {
			delete(m, name)
		}
	}
}

func (p *proc) shareOf(members []int, pid int, now time.Time) share {
	s := share{ok: true, at: now, pid: pid}
	for _, one := range members {
		bytes, err := p.proportional(one)
		if err != nil && one == pid { // of another: it is gone by now
			s.ok = false
		}
		s.bytes += bytes
	}
	return s
}
