package supervisor

import (
	"context"
	"log/slog"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"supd/privdrop"
	"supd/supervisor/engine"
	"supd/supervisor/launch"
	"supd/supervisor/measure"
	"supd/supervisor/tree"
)

// Reap collects every child that has died, orphans that were re-parented to supd
// included. A worker's process group is killed while the pid of its leader is
// still taken, so that the number cannot belong to anybody else.
func (h *host) Reap(kills func(pid int) bool) (dead []engine.Exit) {
	for {
		pid := deadChild()
		if pid == 0 {
			return dead
		}
		if kills(pid) {
			unix.Kill(-pid, unix.SIGKILL) // ESRCH: nobody is left in it
		}
		var status unix.WaitStatus
		var used unix.Rusage
		session, _ := unix.Getsid(pid) // of a zombie too
		if got, err := unix.Wait4(pid, &status, unix.WNOHANG, &used); err == nil && got == pid {
			e := exitOf(pid, status)
			e.Session, e.Used = session, usageOf(&used)
			dead = append(dead, e)
		}
	}
}

// usageOf is what wait4(2) says: of the process and of the children that it has waited
// for. Blocks are of 512 bytes (getrusage(2)).
func usageOf(r *unix.Rusage) measure.Usage {
	return measure.Usage{CPU: time.Duration(r.Utime.Nano() + r.Stime.Nano()), Read: r.Inblock * 512, Written: r.Oublock * 512}
}

func exitOf(pid int, status unix.WaitStatus) engine.Exit {
	if status.Signaled() {
		return engine.Exit{Pid: pid, Code: -1, Signal: status.Signal()}
	}
	return engine.Exit{Pid: pid, Code: status.ExitStatus()}
}

// exitOfAnother is the end of a worker that is no child of this process; the owner
// knows its pid.
func exitOfAnother(exit privdrop.Exit) engine.Exit {
	if exit.Known {
		return exitOf(0, exit.Status)
	}
	return engine.Exit{Code: -1, Reason: "ended, nobody knows how"}
}

// deadChild looks for a child to reap without reaping it; 0 is none.
func deadChild() int {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil { // ECHILD: there is none
			return 0
		}
		// siginfo_t of a 64-bit Linux has si_pid at 16; waitid(2) leaves 0 there
		// when no child has died.
		return int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), 16)))
	}
}

// Sweep searches /proc in a goroutine: reading it may wait for a busy process.
func (h *host) Sweep(alive, tasks []int, done func(engine.Swept) engine.Event) {
	isAlive, isTask := among(alive), among(tasks)
	dead := h.dead
	h.dead = nil
	go func() {
		workers := make([]tree.Worker, len(dead))
		for i, w := range dead {
			workers[i] = w.Left()
		}
		found, err := tree.Sweep(h.self, workers, isAlive, isTask)
		for name, processes := range found.Killed {
			h.log.Warn("killed what the worker left behind", "worker", name, "processes", processes)
		}
		if err != nil {
			h.log.Error("searching for left-over processes", "error", err)
		}
		released := releaseAll(dead, time.After(launch.ReleaseTime), func(w *launch.Worker) {
			h.post(func(*engine.Owner) {
				delete(h.living, w)
				h.isLate(w.FullName(), -1)
			})
		})
		if late := len(dead) - len(released); late > 0 {
			h.log.Warn("what was made for workers that have ended is not given back yet: a log or a directory does not answer", "workers", late)
		}
		h.post(func(o *engine.Owner) {
			for _, w := range dead {
				if slices.Contains(released, w) {
					delete(h.living, w)
				} else {
					h.isLate(w.FullName(), 1)
				}
			}
			done(sweptOf(found))(o)
		})
	}()
}

// isLate counts workers that are not given back in time.
func (h *host) isLate(process string, n int) {
	if h.late[process] += n; h.late[process] == 0 {
		delete(h.late, process)
	}
}

// releaseAll gives back what was made for each of the dead. When limit has come it goes on
// in other goroutines with those that are not done, and calls later after each.
func releaseAll[W interface{ Release() }](dead []W, limit <-chan time.Time, later func(W)) (released []W) {
	over := false
	for _, w := range dead {
		done := make(chan struct{})
		go func() {
			w.Release()
			close(done)
		}()
		if !over {
			select {
			case <-done:
				released = append(released, w)
				continue
			case <-limit:
				over = true
			}
		}
		go func() {
			<-done
			later(w)
		}()
	}
	return released
}

// KillStrays does so in a goroutine, too.
func (h *host) KillStrays(uid int, launched []int, done func([]engine.Stray) engine.Event) {
	known := among(launched)
	go func() {
		killed, err := tree.KillStrays(h.self, uid, known)
		if len(killed) > 0 {
			h.log.Warn("killed what the last worker of a user has left in the background", "uid", uid, "processes", killed)
		}
		if err != nil {
			h.log.Error("processes in the background", "uid", uid, "error", err)
		}
		h.post(done(straysOf(killed)))
	}()
}

func among(pids []int) func(pid int) bool {
	all := make(map[int]bool, len(pids))
	for _, pid := range pids {
		all[pid] = true
	}
	return func(pid int) bool { return all[pid] }
}

func sweptOf(found tree.Swept) engine.Swept {
	swept := engine.Swept{Killed: map[string][]engine.Stray{}, Searched: found.Searched}
	for name, all := range found.Killed {
		swept.Killed[name] = straysOf(all)
	}
	for _, s := range found.Strays {
		swept.Strays = append(swept.Strays, engine.Strays{UID: s.UID, Count: s.Count, Some: straysOf(s.Some)})
	}
	return swept
}

func straysOf(all []tree.Named) (strays []engine.Stray) {
	for _, p := range all {
		strays = append(strays, engine.Stray{Pid: p.Pid, Is: p.String()})
	}
	return strays
}

// run starts a command that is no worker and waits for its end, which the owner
// reaps: os/exec cannot be used in a process whose owner reaps every child. Any
// goroutine but the owner's may call it.
func (h *host) run(ctx context.Context, plan *privdrop.Plan) (failure string, err error) {
	_, failure, err = h.runTask(ctx, plan)
	return failure, err
}

// runAlone does the same, and kills what the command has left behind.
func (h *host) runAlone(ctx context.Context, plan *privdrop.Plan, left tree.Worker) (failure string, err error) {
	left.Pid, failure, err = h.runTask(ctx, plan)
	if left.Pid == 0 {
		return "", err
	}
	h.sweepTask(left, h.log.With("worker", left.Name, "hook", left.Hook), "a hook")
	return failure, err
}

// sweepTask kills what a task has left behind, which has ended or was told to. log and what
// say what it was.
func (h *host) sweepTask(left tree.Worker, log *slog.Logger, what string) {
	type pids struct{ alive, tasks []int }
	known := make(chan pids, 1)
	h.post(func(o *engine.Owner) { // after the order to kill it, if that was given
		alive, tasks := o.Pids()
		known <- pids{alive, tasks}
	})
	select {
	case p := <-known:
		found, bad := tree.Sweep(h.self, []tree.Worker{left}, among(p.alive), among(p.tasks))
		if killed := found.Killed[left.Name]; len(killed) > 0 {
			log.Warn("killed what "+what+" has left behind", "processes", killed)
		}
		if bad != nil {
			log.Error("searching for what "+what+" has left behind", "error", bad)
		}
	case <-time.After(taskSweep): // supd ends, and kills all that is left
	}
}

// taskSweep is how long the end of a task waits for the owner.
const taskSweep = 10 * time.Second

// signalTask sends a signal to a task, or to the process group that is the task's, which is
// below 0 as kill(2) has it.
func (h *host) signalTask(pid, to int, sig unix.Signal) {
	h.post(func(o *engine.Owner) {
		if o.IsTask(pid) { // else the pid may be somebody else's by now
			unix.Kill(to, sig)
		}
	})
}

// runTask gives the pid as well; 0 is that of what was not started.
func (h *host) runTask(ctx context.Context, plan *privdrop.Plan) (pid int, failure string, err error) {
	h.post((*engine.Owner).TaskStarts)
	process, err := plan.Start()
	if err != nil {
		h.post((*engine.Owner).TaskFailed)
		return 0, "", err
	}
	defer process.Close()
	h.deaths.watch(process.Fd())
	ended := make(chan engine.Exit, 1)
	h.post(func(o *engine.Owner) { o.TaskStarted(process.Pid, process.Alive, ended) })
	select {
	case e := <-ended:
		if e.Code != 0 || e.Signal != 0 {
			failure = e.String()
		}
		return process.Pid, failure, nil
	case <-ctx.Done():
		h.signalTask(process.Pid, -process.Pid, unix.SIGKILL)
		return process.Pid, "", ctx.Err()
	}
}
