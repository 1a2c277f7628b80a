package tree

import (
	"errors"
	"slices"
)

// children gives the pids of the children by the pid of the parent.
func (f family) children() map[int][]int {
	children := map[int][]int{}
	for _, p := range f {
		children[p.Parent] = append(children[p.Parent], p.Pid)
	}
	return children
}

// beneath gives the living descendants of self, each with the worker that owner
// gives for it, or else with that of its parent. A process without either is left
// out. So are those that except names, with all that is beneath them.
func (f family) beneath(self int, except func(pid int) bool, owner func(Process) *Worker) []leftover {
	return f.search([]int{self}, self, except, owner)
}

// elsewhere is beneath for all processes except self and its descendants.
func (f family) elsewhere(self int, except func(pid int) bool, owner func(Process) *Worker) []leftover {
	return f.search(f.outside(), self, except, owner)
}

// outside gives the parents that are not in the family: 0, and those that ended
// while it was read.
func (f family) outside() (pids []int) {
	for _, p := range f {
		if _, there := f[p.Parent]; !there && !slices.Contains(pids, p.Parent) {
			pids = append(pids, p.Parent)
		}
	}
	return pids
}

func (f family) search(from []int, self int, except func(pid int) bool, owner func(Process) *Worker) (found []leftover) {
	children := f.children()
	var walk func(parent int, inherited *Worker)
	walk = func(parent int, inherited *Worker) {
		pids := children[parent]
		delete(children, parent) // what was read at different times may form a circle
		for _, pid := range pids {
			p := f[pid]
			if pid == self || except(pid) || p.Zombie {
				continue
			}
			of := owner(p)
			if of == nil {
				of = inherited
			}
			if of != nil {
				found = append(found, leftover{p, of})
			}
			walk(pid, of)
		}
	}
	for _, pid := range from {
		walk(pid, nil)
	}
	return found
}

// leftover is a process and the dead worker that has left it behind.
type leftover struct {
	Process
	of *Worker
}

// owner gives the worker that p is of, or nil, and whether that is certain by now.
//
// While a session or a process group has a member, the kernel gives its number to
// no new process: if a new process has the number, the members are its own.
func (f family) owner(p Process, dead []Worker) (w *Worker, known bool) {
	for i, w := range dead {
		if p.Session != w.Pid && p.Group != w.Pid {
			continue
		}
		if now, taken := f[w.Pid]; !taken || now.Zombie || w.lives && now.Start == w.Start {
			return &dead[i], true
		}
	}
	if !mayBeOf(p, dead) {
		return nil, true
	}
	l, err := p.origin()
	for i, w := range dead {
		if l.isOf(w) {
			return &dead[i], true
		}
	}
	return nil, err == nil
}

// mayBeOf reports whether p may be of one of the workers, as far as its user tells. The
// environments of all others are left alone: their users can make the reading of thousands
// of them last.
func mayBeOf(p Process, dead []Worker) bool {
	user := int(userOf(p.Pid))
	return slices.ContainsFunc(dead, func(w Worker) bool { return w.UID == 0 || user == 0 || user == w.UID })
}

// isOf reports whether it is the launch of a worker, or of a command or a hook.
func (l origin) isOf(w Worker) bool {
	if w.Command != "" {
		return l.command == w.Command
	}
	return l.worker == w.Name && l.generation == w.Generation && (w.Hook == "" || w.Hook == l.hook)
}

// newChildren is the children of self that known does not know, with all that is
// beneath them. What a worker leaves behind is among them, since self is the reaper of
// its descendants' orphans; a search of all processes would cost more the more there
// are.
func newChildren(self int, known func(pid int) bool) (family, error) {
	f := family{}
	for more, look := true, 0; more && look <= looks; look++ { // what one has left that ends meanwhile is listed the next time
		children, err := listedChildren(self)
		if errors.Is(err, errNoList) {
			return processes()
		}
		if err != nil {
			return nil, err
		}
		more = false
		for pid := range children {
			if _, seen := f[pid]; !seen && !known(pid) {
				f.add(pid)
				more = true
			}
		}
	}
	return f, nil
}

// add reads a process and all that is beneath it, as far as it is there.
func (f family) add(pid int) {
	p, err := readStat(pid)
	if _, seen := f[pid]; err != nil || seen {
		return
	}
	f[pid] = p
	children, err := listedChildren(pid)
	if err != nil {
		return // it has ended, and what was beneath it is a child of self
	}
	for child := range children {
		f.add(child)
	}
}
