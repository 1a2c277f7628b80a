package metrics

import (
	"strconv"

	"supd/supervisor/api"
	"supd/supervisor/engine"
	"supd/supervisor/tree"
)

// families tells which processes belong to which worker: it and its descendants.
type families struct {
	proc    *proc
	self    int
	all     map[int]tree.Process
	workers map[int]uint64 // their starts, by pid
	launch  map[string]int // pid by the name and the generation
	oldest  uint64         // start of a worker
	owner   map[int]int    // pid of the worker; 0 is none

	origins *origins
}

// origins are the launches that orphans have in their environment; each is read once.
type origins struct{ now, before map[engine.RunID]string }

func (c *collector) families(status *api.Status, all map[int]tree.Process) *families {
	f := &families{proc: c.proc, self: c.self, all: all, workers: map[int]uint64{}, launch: map[string]int{},
		oldest: ^uint64(0), owner: make(map[int]int, len(all)), origins: &c.origins}
	c.origins = origins{map[engine.RunID]string{}, c.origins.now}
	for w := range status.Workers() {
		for _, run := range w.Runs {
			f.workers[run.Pid] = run.Start
			f.launch[launchKey(w.Name, strconv.Itoa(run.Generation))] = run.Pid
			f.oldest = min(f.oldest, run.Start)
		}
	}
	f.owner[c.self] = 0
	return f
}

func launchKey(worker, generation string) string { return worker + " " + generation }

// byWorker gives the processes of each worker, by its pid.
func (f *families) byWorker() map[int][]tree.Process {
	members := make(map[int][]tree.Process, len(f.workers))
	for pid, p := range f.all {
		if owner := f.of(pid); owner != 0 {
			members[owner] = append(members[owner], p)
		}
	}
	return members
}

// of is the worker that a process is, or descends from. An orphan is known by its
// session, which the worker leads, or by its environment.
func (f *families) of(pid int) int {
	if owner, known := f.owner[pid]; known {
		return owner
	}
	f.owner[pid] = 0 // what was read at different times may form a circle
	p, there := f.all[pid]
	if !there {
		return 0
	}
	owner := 0
	switch {
	case f.isWorker(pid):
		owner = pid
	case f.of(p.Parent) != 0:
		owner = f.of(p.Parent)
	case f.isWorker(p.Session):
		owner = p.Session
	case p.Parent == f.self || p.Parent == 1:
		if owner = f.launch[f.origin(p)]; owner != 0 && !f.proc.sameUser(pid, owner) {
			owner = 0 // anybody can have such an environment
		}
	}
	f.owner[pid] = owner
	return owner
}

func (f *families) isWorker(pid int) bool {
	start, is := f.workers[pid]
	return is && f.all[pid].Start == start
}

// origin reads the environment of an orphan with a session of its own.
func (f *families) origin(p tree.Process) string {
	if p.Start < f.oldest || p.Zombie {
		return ""
	}
	id := engine.RunID{Pid: p.Pid, Start: p.Start}
	launch, known := f.origins.before[id]
	if !known {
		var worker, generation string
		_, _ = tree.EachVariable(f.proc.path(p.Pid, "environ"), func(name, value []byte) { // else it is gone by now
			switch string(name) {
			case "SUPD_WORKER":
				worker = string(value)
			case "SUPD_GENERATION":
				generation = string(value)
			}
		})
		launch = launchKey(worker, generation)
	}
	f.origins.now[id] = launch
	return launch
}
