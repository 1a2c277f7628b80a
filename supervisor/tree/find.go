package tree

import (
	"cmp"
	"path/filepath"
	"slices"
)

// Launched is a worker's main process, as its environment describes it.
type Launched struct {
	Pid        int
	Start      uint64 // clock ticks since the boot
	Worker     string // SUPD_WORKER
	Generation int    // SUPD_GENERATION
	Runtime    string // XDG_RUNTIME_DIR
}

// Find gives the living workers whose XDG_RUNTIME_DIR is directly beneath the
// directory runtime, sorted by pid. It is for a supd that has no record of them.
//
// A main process leads its session. Of several session leaders with the environment
// of one launch it is the oldest, which has started the others. If it is dead, the
// oldest of the others is given in its place, unless LISTEN_PID or WATCHDOG_PID
// names another process. A process that has overwritten its environment, as some do
// to change their title, is not found.
func Find(runtime string) ([]Launched, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	first := map[string]Launched{}
	for _, p := range all {
		l, ok := p.launched(filepath.Clean(runtime))
		if !ok {
			continue
		}
		if other, is := first[l.Runtime]; !is || l.compare(other) < 0 {
			first[l.Runtime] = l
		}
	}
	found := make([]Launched, 0, len(first))
	for _, l := range first {
		found = append(found, l)
	}
	slices.SortFunc(found, func(a, b Launched) int { return cmp.Compare(a.Pid, b.Pid) })
	return found, nil
}

// compare orders by the start, the oldest first.
func (l Launched) compare(other Launched) int {
	return cmp.Or(cmp.Compare(l.Start, other.Start), cmp.Compare(l.Pid, other.Pid))
}

func (p Process) launched(runtime string) (Launched, bool) {
	if p.Pid != p.Session || p.Zombie {
		return Launched{}, false
	}
	l, err := p.origin()
	if err != nil || l.worker == "" || l.generation < 1 || !filepath.IsAbs(l.runtime) || filepath.Dir(l.runtime) != runtime {
		return Launched{}, false
	}
	if l.main != 0 && l.main != p.Pid {
		return Launched{}, false
	}
	if now, err := readStat(p.Pid); err != nil || now.Start != p.Start { // the environment is that of another process
		return Launched{}, false
	}
	return Launched{p.Pid, p.Start, l.worker, l.generation, l.runtime}, true
}
