package launch

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"supd/privdrop"
	"supd/socket"
	"supd/supervisor/tree"
)

// inodesOf gives the inodes of sockets by their names.
func inodesOf(names []string, fds []int) map[string]uint64 {
	all := map[string]uint64{}
	for i, name := range names {
		var st unix.Stat_t
		if i < len(fds) && unix.Fstat(fds[i], &st) == nil {
			all[name] = st.Ino
		}
	}
	return all
}

// holding is where something is held: by a process, under a number.
type holding struct {
	pid    int
	start  uint64 // of the process
	number int
}

// socketLink and pipeLink are what the links in /proc/PID/fd are like (proc_pid_fd(5)).
func socketLink(inode uint64) string { return fmt.Sprintf("socket:[%d]", inode) }
func pipeLink(inode uint64) string   { return fmt.Sprintf("pipe:[%d]", inode) }

// links are those of all that the worker was given.
func (w *Worker) links() map[string]bool {
	b, all := &w.Belongings, map[string]bool{}
	for _, inode := range append(slices.Collect(maps.Values(b.Sockets)), b.StatsdInode) {
		all[socketLink(inode)] = true
	}
	all[pipeLink(b.Pipe)], all[pipeLink(b.ErrorPipe)] = true, true
	delete(all, socketLink(0)) // there is none
	delete(all, pipeLink(0))
	return all
}

// firstNumbers are the descriptors, beside those that it was given, among which the worker
// has all that it has moved, such as gunicorn does.
const firstNumbers = 64

// lookFirst finds what the worker holds among its first descriptors. That is all, as a rule:
// the rest is for Seek. It looks at few, whatever the worker has done.
func (w *Worker) lookFirst() {
	left := w.links()
	w.held = make(map[string]holding, len(left))
	for number, most := 0, firstNumbers+len(left); number < most && len(left) > 0; number++ {
		link, err := os.Readlink("/proc/" + strconv.Itoa(w.Pid) + "/fd/" + strconv.Itoa(number))
		if err == nil && left[link] {
			w.held[link] = holding{w.Pid, w.Identity.Start, number}
			delete(left, link)
		}
	}
}

// Held takes a copy of the socket of an inode that the worker was found to hold, or one of
// the processes that it has started.
func (w *Worker) Held(inode uint64) (fd int, err error) {
	at, is := w.held[socketLink(inode)]
	if !is {
		return -1, fmt.Errorf("pid %d does not hold %s: %w", w.Pid, socketLink(inode), fs.ErrNotExist)
	}
	// The kernel lets nobody take it during an execve(2), which may last.
	fd, err = tree.TakenWithin(at.pid, func() (int, error) {
		if at.pid == w.Pid {
			return w.process.Descriptor(at.number)
		}
		holder, err := privdrop.Adopt(at.pid, at.start, 0)
		if err != nil {
			return -1, err
		}
		defer holder.Close()
		return holder.Descriptor(at.number)
	}, func(fd int) { socket.CloseFd(fd) })
	if err != nil {
		return -1, err
	}
	if link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd)); err == nil && link == socketLink(inode) {
		return fd, nil
	}
	go unix.Close(fd) // another file by now, whose file system may never let it be closed
	return -1, fmt.Errorf("pid %d has moved %s just now: %w", at.pid, socketLink(inode), fs.ErrNotExist)
}
