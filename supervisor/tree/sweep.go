package tree

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Worker is a worker whose main process is dead.
type Worker struct {
	Pid        int
	Name       string // SUPD_WORKER
	Generation int    // SUPD_GENERATION
	UID        int
	Cgroup     string // its directory; "" is none
}

// BecomeSubreaper makes orphans among the descendants children of this process.
func BecomeSubreaper() error {
	return os.NewSyscallError("prctl PR_SET_CHILD_SUBREAPER", unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
}

const (
	// rounds bounds the searches: something that forks faster than it is killed
	// is reported, not chased for ever.
	rounds = 20
	// deathTime is how long a killed process may take to vanish in one round.
	deathTime = 5 * time.Second
)

// Sweep kills what the dead workers have left behind among the descendants of
// the process self, and waits until it is dead: processes of their session or
// process group, those that still have the environment of that launch, and what
// is beneath these. A living worker, as alive tells by its pid, and what is
// beneath it are left alone. The map has what was killed, by the worker's name.
func Sweep(self int, dead []Worker, alive func(pid int) bool) (killed map[string][]int, err error) {
	killed = map[string][]int{}
	err = chase(func() (targets []process, err error) {
		all, err := processes()
		if err != nil {
			return nil, err
		}
		t := family{all, childrenOf(all), alive}
		for _, orphan := range t.orphans(self) {
			w := owner(orphan, dead)
			if w == nil {
				continue
			}
			for _, p := range t.beneath(orphan) {
				killed[w.Name] = append(killed[w.Name], p.pid)
				targets = append(targets, p)
			}
		}
		return targets, nil
	})
	return killed, err
}

// KillAll kills every descendant of self that except does not name.
func KillAll(self int, except func(pid int) bool) (killed []int, err error) {
	err = chase(func() (targets []process, err error) {
		all, err := processes()
		if err != nil {
			return nil, err
		}
		t := family{all, childrenOf(all), except}
		for _, orphan := range t.orphans(self) {
			for _, p := range t.beneath(orphan) {
				killed = append(killed, p.pid)
				targets = append(targets, p)
			}
		}
		return targets, nil
	})
	return killed, err
}

// chase kills what find finds until it finds nothing.
func chase(find func() ([]process, error)) error {
	for range rounds {
		targets, err := find()
		if err != nil || len(targets) == 0 {
			return err
		}
		killProcesses(targets)
	}
	targets, err := find()
	if err == nil && len(targets) > 0 {
		err = fmt.Errorf("%d processes are left after %d rounds of SIGKILL", len(targets), rounds)
	}
	return err
}

// family is all processes at one moment.
type family struct {
	all      map[int]process
	children map[int][]int
	alive    func(pid int) bool
}

func childrenOf(all map[int]process) map[int][]int {
	children := map[int][]int{}
	for _, p := range all {
		children[p.parent] = append(children[p.parent], p.pid)
	}
	return children
}

// orphans are the children of self that are no living worker.
func (f family) orphans(self int) (orphans []process) {
	for _, pid := range f.children[self] {
		if !f.alive(pid) {
			orphans = append(orphans, f.all[pid])
		}
	}
	return orphans
}

// beneath is p and all its descendants that are not dead already.
func (f family) beneath(p process) (all []process) {
	if !p.zombie {
		all = append(all, p)
	}
	for _, pid := range f.children[p.pid] {
		all = append(all, f.beneath(f.all[pid])...)
	}
	return all
}

// owner is the dead worker that has left p behind, or nil.
func owner(p process, dead []Worker) *Worker {
	for i, w := range dead {
		if p.session == w.Pid || p.group == w.Pid {
			return &dead[i]
		}
	}
	if p.zombie {
		return nil
	}
	for i, w := range dead {
		if p.launchedAs(w.Name, w.Generation) {
			return &dead[i]
		}
	}
	return nil
}

// killProcesses sends SIGKILL to each that is still the same, and waits for their end.
func killProcesses(targets []process) {
	var dying []unix.PollFd
	for _, p := range targets {
		fd, err := unix.PidfdOpen(p.pid, 0)
		if err != nil {
			continue // gone
		}
		defer unix.Close(fd)
		if now, err := readStat(p.pid); err != nil || now.start != p.start {
			continue // the pid is somebody else's by now
		}
		if unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil {
			dying = append(dying, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		}
	}
	awaitEnd(dying)
}

func awaitEnd(dying []unix.PollFd) {
	deadline := time.Now().Add(deathTime)
	for len(dying) > 0 && time.Now().Before(deadline) {
		_, err := unix.Poll(dying, int(time.Until(deadline).Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		left := dying[:0]
		for _, fd := range dying {
			if fd.Revents == 0 {
				left = append(left, fd)
			}
		}
		dying = left
	}
}
