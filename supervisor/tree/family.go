package tree

// family is all processes at one moment, by pid.
type family map[int]process

// children gives the pids by that of the parent.
func (f family) children() map[int][]int {
	children := map[int][]int{}
	for _, p := range f {
		children[p.parent] = append(children[p.parent], p.pid)
	}
	return children
}

// beneath are the descendants of self that are not dead, each with what owner
// gives for it; where that is nil, with what its parent has. Without either it is
// left out, and so are those that except names, with all that is beneath them.
func (f family) beneath(self int, except func(pid int) bool, owner func(process) *Worker) (found []leftover) {
	children := f.children()
	var walk func(parent int, inherited *Worker)
	walk = func(parent int, inherited *Worker) {
		pids := children[parent]
		delete(children, parent) // what was read at different times may form a circle
		for _, pid := range pids {
			p := f[pid]
			if pid == self || except(pid) || p.zombie {
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
	walk(self, nil)
	return found
}

// leftover is a process and the dead worker that has left it behind.
type leftover struct {
	process
	of *Worker
}

// owner is the one of the dead workers that has left p behind, or nil, and
// whether that is known by now.
//
// While a session or a process group has a member, the kernel gives its number
// to no new process: if there is one, the members are the new one's.
func (f family) owner(p process, dead []Worker) (w *Worker, known bool) {
	for i, w := range dead {
		if p.session != w.Pid && p.group != w.Pid {
			continue
		}
		if now, reused := f[w.Pid]; !reused || now.zombie {
			return &dead[i], true
		}
	}
	name, generation, known := p.launch()
	for i, w := range dead {
		if name == w.Name && generation == w.Generation {
			return &dead[i], true
		}
	}
	return nil, known
}
