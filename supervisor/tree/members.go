package tree

import (
	"errors"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

// Members gives the living processes of a worker but for its main process, which may
// live or not: those that Sweep would kill if it were dead. alive knows other workers by
// their pids.
func Members(self int, w Worker, alive func(pid int) bool) (all []Process, err error) {
	if w.Cgroup != "" {
		return cgroupMembers(w)
	}
	w.lives = true
	other := func(pid int) bool { return pid != w.Pid && alive(pid) }
	var found []leftover
	for look := 0; ; look++ {
		sure := false
		if found, sure, err = w.members(self, other); err != nil || sure || look == looks {
			break
		}
		time.Sleep(execTime)
	}
	for _, p := range found {
		if p.Pid != w.Pid || p.Start != w.Start {
			all = append(all, p.Process)
		}
	}
	return all, err
}

// members are those found now, and whether that is certainly all.
func (w Worker) members(self int, other func(pid int) bool) (found []leftover, sure bool, err error) {
	var f family
	if w.Adopted {
		f, err = processes()
	} else {
		f, err = newChildren(self, other)
	}
	if err != nil {
		return nil, false, err
	}
	if w.Adopted {
		found, sure = f.left(self, nil, []Worker{w}, other)
	} else {
		found, sure = f.left(self, []Worker{w}, nil, other)
	}
	return found, sure, nil
}

func cgroupMembers(w Worker) (all []Process, err error) {
	pids, err := cgroupPids(w.Cgroup)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, pid := range pids {
		if p, err := readStat(pid); err == nil && !p.Zombie && pid != w.Pid {
			all = append(all, p)
		}
	}
	return all, err
}

// Signal sends signals to each member of a worker, once; also to one that is born while
// it looks for them. It ends when it has found nobody new twice: while the main process
// ends, what it has started passes from its list of children to self's, and may be missed
// in both.
func Signal(self int, w Worker, alive func(pid int) bool, signals []unix.Signal) error {
	told := map[int]uint64{} // by pid, when it was started
	quiet := 0
	for range rounds {
		members, err := Members(self, w, alive)
		if err != nil {
			return err
		}
		quiet++
		for _, p := range members {
			if start, is := told[p.Pid]; !is || start != p.Start {
				told[p.Pid], quiet = p.Start, 0
				p.send(signals...)
			}
		}
		if quiet == 2 {
			return nil
		}
	}
	return nil // it forks all the time: KILL comes in the end
}
