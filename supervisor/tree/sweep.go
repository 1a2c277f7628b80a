package tree

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Worker is a worker whose main process is dead.
type Worker struct {
	Pid        int
	Name       string // SUPD_WORKER
	Generation int    // SUPD_GENERATION
	Cgroup     string // its directory, if it was born in one of its own
}

// BecomeSubreaper makes orphans among the descendants children of this process.
func BecomeSubreaper() error {
	return os.NewSyscallError("prctl PR_SET_CHILD_SUBREAPER", unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
}

const (
	// rounds and deathTime bound a search: what forks faster than it is killed,
	// or is stuck in the kernel, is reported and not chased for ever.
	rounds    = 50
	deathTime = 5 * time.Second
	// looks and execTime are how often and when a process without an environment
	// is looked at again: it may be within an execve.
	looks    = 5
	execTime = 4 * time.Millisecond
)

// Sweep kills what the dead workers have left behind, and waits until it is dead.
// The map has what was killed, by the worker's name.
//
// Everything in a worker's cgroup is its own. Without one, these of the
// descendants of the process self are: those of its session or process group,
// those that still have the environment of that launch, and what is beneath
// these. A living worker, as alive tells by its pid, and what is beneath it are
// left alone. Killed one by one, somebody who forks all the time and leaves his
// process group each time may not be caught; a cgroup catches all.
func Sweep(self int, dead []Worker, alive func(pid int) bool) (killed map[string][]int, err error) {
	killed = map[string][]int{}
	var errs []error
	var search []Worker
	for _, w := range dead {
		if w.Cgroup == "" {
			search = append(search, w)
			continue
		}
		pids, err := emptyCgroup(w.Cgroup)
		if !errors.Is(err, os.ErrNotExist) { // else it is removed already
			errs = append(errs, err)
		}
		if len(pids) > 0 {
			killed[w.Name] = append(killed[w.Name], pids...)
		}
	}
	if len(search) > 0 {
		errs = append(errs, chase(killed, func(f family) (left []leftover, sure bool) {
			sure = true
			left = f.beneath(self, alive, func(p process) *Worker {
				w, known := f.owner(p, search)
				sure = sure && known
				return w
			})
			return left, sure
		}))
	}
	return killed, errors.Join(errs...)
}

// KillAll kills every descendant of self, but for those that except names and
// what is beneath them.
func KillAll(self int, except func(pid int) bool) (killed []int, err error) {
	all, nobody := map[string][]int{}, new(Worker)
	err = chase(all, func(f family) ([]leftover, bool) {
		return f.beneath(self, except, func(process) *Worker { return nobody }), true
	})
	return all[""], err
}

// chase kills what find finds among the processes of the moment until it is sure
// that there are none, and notes whom it has killed.
func chase(killed map[string][]int, find func(family) (left []leftover, sure bool)) error {
	deadline := time.Now().Add(deathTime)
	looked := 0
	for round := 0; ; round++ {
		f, err := processes()
		if err != nil {
			return err
		}
		left, sure := find(f)
		switch {
		case len(left) == 0 && (sure || looked == looks):
			return nil
		case len(left) == 0:
			looked++
			time.Sleep(execTime)
		case round >= rounds || time.Now().After(deadline):
			return fmt.Errorf("%d processes are left after SIGKILL, such as %d", len(left), left[0].pid)
		}
		for _, p := range left {
			if p.kill() && !slices.Contains(killed[p.of.Name], p.pid) {
				killed[p.of.Name] = append(killed[p.of.Name], p.pid)
			}
		}
		awaitEnd(left, deadline)
	}
}
