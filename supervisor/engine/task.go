package engine

import (
	"maps"
	"slices"
)

// A task is a command that is no worker, such as one that asks whether a worker is
// ready. The owner reaps it like every child; whoever starts it says so before, so
// that a death that is heard of first is not lost.

// TaskStarts says that a task is about to be started.
func (o *Owner) TaskStarts() { o.launching++ }

// TaskFailed says that the task was not started after all.
func (o *Owner) TaskFailed() {
	o.launching--
	o.forgetEarlyDeaths()
}

// TaskStarted says that the task runs. ended, which has room for one, gets its end.
func (o *Owner) TaskStarted(pid int, alive func() bool, ended chan<- Exit) {
	o.launching--
	if e, ok := o.earlyDeaths[pid]; ok && !alive() {
		ended <- e
	} else {
		o.tasks[pid] = ended
		o.forgetStray(pid)
	}
	o.forgetEarlyDeaths()
}

// Pids are those of the workers that live, and of the tasks.
func (o *Owner) Pids() (workers, tasks []int) {
	return o.pids(), slices.Collect(maps.Keys(o.tasks))
}

// IsTask reports whether a pid is that of a task, which has not been reaped.
func (o *Owner) IsTask(pid int) bool { return o.tasks[pid] != nil }

// forgetEarlyDeaths drops the deaths of unknown pids once no launch is under way
// whose process they could have been.
func (o *Owner) forgetEarlyDeaths() {
	if o.launching == 0 {
		clear(o.earlyDeaths)
	}
}
