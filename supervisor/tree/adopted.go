package tree

import (
	"errors"
	"io/fs"
)

// claims decide which processes an adopted worker has left behind. Those may be
// anybody's children, and are searched for among all processes of the machine. So
// they need more evidence than a descendant, and a process in doubt is left alone.
type claims struct {
	dead []Worker
	held []bool // by worker: the session with its pid is certainly its own
}

func (f family) claims(dead []Worker) claims {
	c := claims{dead, make([]bool, len(dead))}
	for i, w := range dead {
		c.held[i] = f.held(w)
	}
	return c
}

// held reports whether the session with the worker's pid is certainly the one that
// it has led. While a session has a member, the kernel gives its number to no new
// process, and nobody enters it but by being born there. So one member that was
// born while the worker lived, or the worker's own process, vouches for all others.
//
// Without such a member the session may be that of another process, which has got
// the pid later and has died too.
func (f family) held(w Worker) bool {
	if leader, taken := f[w.Pid]; taken {
		return (leader.Zombie || w.lives) && leader.Start == w.Start
	}
	for _, p := range f {
		if p.Session == w.Pid && w.Start <= p.Start && p.Start < w.Seen {
			return true
		}
	}
	return false
}

// owner gives the dead worker that has left p behind, or nil, and whether that is
// certain by now. An environment counts only if it names the very launch, by its
// runtime directory, which no other launch has had.
func (c claims) owner(p Process) (w *Worker, known bool) {
	for i, w := range c.dead {
		if c.held[i] && p.Session == w.Pid {
			return &c.dead[i], true
		}
	}
	if !c.possible(p) || !mayBeOf(p, c.dead) {
		return nil, true
	}
	l, err := p.origin()
	for i, w := range c.dead {
		if w.Runtime != "" && l.runtime == w.Runtime && l.worker == w.Name && l.generation == w.Generation {
			return &c.dead[i], true
		}
	}
	return nil, err == nil || errors.Is(err, fs.ErrPermission) // an ordinary user gets it for most processes of others
}

// possible reports whether p may descend from one of the workers: it does not if it
// is older than all of them. Kernel threads have session 0, and so does a process
// that was put into this pid namespace from outside.
func (c claims) possible(p Process) bool {
	for _, w := range c.dead {
		if p.Session != 0 && p.Start >= w.Start {
			return true
		}
	}
	return false
}
