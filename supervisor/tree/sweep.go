package tree

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// BecomeSubreaper makes orphans among the descendants children of this process.
func BecomeSubreaper() error {
	return os.NewSyscallError("prctl PR_SET_CHILD_SUBREAPER", unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
}

const (
	// rounds and deathTime bound a search: a process that forks faster than it is
	// killed, or is stuck in the kernel, is reported and not chased for ever.
	rounds    = 50
	deathTime = 5 * time.Second
	// A process without an environment may be in the middle of an execve: it is
	// looked at again, looks times, after execTime each.
	looks    = 5
	execTime = 4 * time.Millisecond
)

// Swept is what a Sweep has found.
type Swept struct {
	Killed   map[string][]Named // by the worker's name
	Strays   []Strays           // that are left
	Searched bool               // for strays: else nothing is known of them
}

// Sweep kills the processes that the dead workers have left behind, and waits until
// they are dead.
//
// Everything in a worker's cgroup belongs to it. Without a cgroup, these
// descendants of the process self do: those of its session or process group, those
// that still have the environment of its launch, and all that is beneath these. A
// living worker, which alive knows by its pid, and what is beneath it are left
// alone. Processes are killed one by one, so one that forks all the time and leaves
// its process group each time may escape; none escapes from a cgroup.
//
// What an Adopted worker has left is searched for among all processes except self
// and its descendants, by the same signs. But a process is left alone if it may
// belong to somebody else, since the kernel gives numbers out again.
//
// isTask knows the pids of commands of supd's that are no workers: they are not strays.
func Sweep(self int, dead []Worker, alive, isTask func(pid int) bool) (found Swept, err error) {
	killed := map[string][]Named{}
	found.Killed = killed
	var errs []error
	var own, adopted []Worker
	for _, w := range dead {
		switch {
		case w.Cgroup != "":
			pids, err := emptyCgroup(w.Cgroup)
			if !errors.Is(err, os.ErrNotExist) { // else it is removed already
				errs = append(errs, err)
			}
			for _, pid := range pids {
				killed[w.Name] = append(killed[w.Name], Named{Pid: pid})
			}
		case w.Adopted:
			adopted = append(adopted, w)
		default:
			own = append(own, w)
		}
	}
	if len(own)+len(adopted) > 0 {
		read := processes
		if len(adopted) == 0 {
			read = func() (family, error) { return newChildren(self, alive) }
		}
		var last family
		err := chase(killed, read, func(f family) ([]leftover, bool) {
			last = f
			return f.left(self, own, adopted, alive)
		})
		errs = append(errs, err)
		if found.Searched = err == nil; found.Searched {
			found.Strays = last.strays(self, func(pid int) bool { return alive(pid) || isTask(pid) })
		}
	}
	return found, errors.Join(errs...)
}

// left gives what the dead workers have left behind, and whether that is certainly
// all.
func (f family) left(self int, own, adopted []Worker, alive func(pid int) bool) (left []leftover, sure bool) {
	sure = true
	if len(own) > 0 {
		left = f.beneath(self, alive, func(p Process) *Worker {
			w, known := f.owner(p, own)
			sure = sure && known
			return w
		})
	}
	if len(adopted) > 0 {
		claims := f.claims(adopted)
		left = append(left, f.elsewhere(self, alive, func(p Process) *Worker {
			w, known := claims.owner(p)
			sure = sure && known
			return w
		})...)
	}
	return left, sure
}

// KillAll kills every descendant of self; those that except names, and what is
// beneath them, are left alone.
func KillAll(self int, except func(pid int) bool) (killed []Named, err error) {
	all, nobody := map[string][]Named{}, new(Worker)
	err = chase(all, processes, func(f family) ([]leftover, bool) {
		return f.beneath(self, except, func(Process) *Worker { return nobody }), true
	})
	return all[""], err
}

// chase kills what find finds among the processes of the moment until find is sure
// that nothing is left, or has found nothing several times. It adds the pids to
// killed.
func chase(killed map[string][]Named, read func() (family, error), find func(family) (left []leftover, sure bool)) error {
	deadline := time.Now().Add(deathTime)
	looked := 0
	for round := 0; ; round++ {
		f, err := read()
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
			return fmt.Errorf("%d processes are left after SIGKILL, such as %d", len(left), left[0].Pid)
		}
		for _, p := range left {
			before := slices.ContainsFunc(killed[p.of.Name], func(other Named) bool { return other.Pid == p.Pid })
			one := named(p.Pid)
			if p.kill() && !before {
				killed[p.of.Name] = append(killed[p.of.Name], one)
			}
		}
		awaitEnd(left, deadline)
	}
}
