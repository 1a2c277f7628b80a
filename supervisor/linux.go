package supervisor

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"

	"supd/socket"
	"supd/supervisor/tree"
)

// reap collects every child that has died, orphans that were re-parented to supd
// included. A worker's process group is killed while the pid of its leader is
// still taken, so that the number cannot belong to anybody else.
func (l *linux) reap(isWorker func(pid int) bool) (dead []death) {
	for {
		pid := deadChild()
		if pid == 0 {
			return dead
		}
		if isWorker(pid) {
			unix.Kill(-pid, unix.SIGKILL) // ESRCH: nobody is left in it
		}
		var status unix.WaitStatus
		if got, err := unix.Wait4(pid, &status, unix.WNOHANG, nil); err == nil && got == pid {
			dead = append(dead, deathOf(pid, status))
		}
	}
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

// sweep searches /proc in a goroutine: reading it may wait for a busy process.
func (l *linux) sweep(dead []left, alive []int, done event) {
	known := make(map[int]bool, len(alive))
	for _, pid := range alive {
		known[pid] = true
	}
	go func() {
		workers := make([]tree.Worker, len(dead))
		for i, d := range dead {
			workers[i] = d.Worker
		}
		killed, err := tree.Sweep(l.self, workers, func(pid int) bool { return known[pid] })
		for name, pids := range killed {
			l.log.Warn("killed what the worker left behind", "worker", name, "pids", pids)
		}
		if err != nil {
			l.log.Error("searching for left-over processes", "error", err)
		}
		for _, d := range dead {
			d.handle.(*running).release(l)
		}
		l.post(done)
	}()
}

func (l *linux) open(sockets map[string]socket.Spec) error {
	err := l.set.Apply(sockets)
	l.passOn()
	if errors.Is(err, socket.ErrLeftover) {
		l.log.Warn("sockets", "error", err)
		return nil
	}
	return err
}

// relisten sets the backlog again that a worker may have changed: gunicorn calls
// listen(2) on what it inherits, with a number of its own.
func (l *linux) relisten(keys []string) {
	for _, key := range keys {
		s := l.set.Get(key)
		if s == nil {
			continue
		}
		if err := s.Relisten(); err != nil { // shut down, which the watcher reports
			l.log.Debug("listen", "socket", key, "error", err)
		}
	}
}

// repair tells whether another listener is there now, which the workers lack. A
// path whose hard link is lost as well is bound anew.
func (l *linux) repair(d socket.Damage) (another bool, err error) {
	before := l.set.Get(d.Key)
	defer l.passOn()
	err = l.set.Repair(d)
	if errors.Is(err, socket.ErrPathLost) {
		err = l.set.Repair(socket.Damage{Key: d.Key, Kind: socket.ShutDown})
		return l.set.Get(d.Key) != before, err
	}
	return d.Kind == socket.ShutDown && l.set.Get(d.Key) != before, err
}
