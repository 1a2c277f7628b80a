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

	// Adopted is a worker that an earlier supd has launched: neither it nor what
	// it leaves behind descends from this one.
	Adopted bool
	Runtime string // XDG_RUNTIME_DIR; "" is not known
	Start   uint64 // of the main process, in clock ticks since the boot
	// Seen is a moment, as Now gives it, at which the main process was alive for
	// certain; the later, the better. 0 is none.
	Seen uint64
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
//
// What an Adopted worker has left is searched for among all processes but self
// and its descendants, by the same signs; but a process that may be another's,
// since the numbers were given out again, is left alone.
func Sweep(self int, dead []Worker, alive func(pid int) bool) (killed map[string][]int, err error) {
	killed = map[string][]int{}
	var errs []error
	var own, adopted []Worker
	for _, w := range dead {
		switch {
		case w.Cgroup != "":
			pids, err := emptyCgroup(w.Cgroup)
			if !errors.Is(err, os.ErrNotExist) { // else it is removed already
				errs = append(errs, err)
			}
			if len(pids) > 0 {
				killed[w.Name] = append(killed[w.Name], pids...)
			}
		case w.Adopted:
			adopted = append(adopted, w)
		default:
			own = append(own, w)
		}
	}
	if len(own)+len(adopted) > 0 {
		errs = append(errs, chase(killed, func(f family) ([]leftover, bool) { return f.left(self, own, adopted, alive) }))
	}
	return killed, errors.Join(errs...)
}

// left is what the dead workers have left behind, and whether that is all.
func (f family) left(self int, own, adopted []Worker, alive func(pid int) bool) (left []leftover, sure bool) {
	sure = true
	if len(own) > 0 {
		left = f.beneath(self, alive, func(p process) *Worker {
			w, known := f.owner(p, own)
			sure = sure && known
			return w
		})
	}
	if len(adopted) > 0 {
		claims := f.claims(adopted)
		left = append(left, f.elsewhere(self, alive, func(p process) *Worker {
			w, known := claims.owner(p)
			sure = sure && known
			return w
		})...)
	}
	return left, sure
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
