package launch

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"supd/privdrop"
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

// Held takes a copy of the socket of an inode that the worker holds, or one of the
// processes that it has started: gunicorn moves what it inherits to other numbers,
// and others leave it to their children.
func (w *Worker) Held(inode uint64) (fd int, err error) {
	if fd, err = socketOf(w.process, inode); err == nil {
		return fd, nil
	}
	children, _ := tree.Children(w.Pid)
	for pid, start := range children {
		child, e := privdrop.Adopt(pid, start, 0)
		if e != nil {
			continue
		}
		fd, e = socketOf(child, inode)
		child.Close()
		if e == nil {
			return fd, nil
		}
	}
	return -1, err
}

func socketOf(p *privdrop.Process, inode uint64) (int, error) {
	want := fmt.Sprintf("socket:[%d]", inode)
	for _, n := range socketsIn(p.Pid) {
		if n.link != want {
			continue
		}
		fd, err := p.Descriptor(n.number)
		if err != nil {
			return -1, err
		}
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && st.Ino == inode {
			return fd, nil
		}
		unix.Close(fd)
	}
	return -1, fmt.Errorf("pid %d does not hold %s: %w", p.Pid, want, fs.ErrNotExist)
}

// AllHeld takes a copy of each listening socket that the worker holds.
func (w *Worker) AllHeld() (fds []int) {
	for _, n := range socketsIn(w.Pid) {
		fd, err := w.process.Descriptor(n.number)
		if err != nil {
			continue
		}
		if listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || listens == 0 {
			unix.Close(fd)
			continue
		}
		fds = append(fds, fd)
	}
	return fds
}

// descriptor is one of a process, and what it is.
type descriptor struct {
	number int
	link   string
}

func socketsIn(pid int) (all []descriptor) {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd/"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		link, err := os.Readlink(dir + e.Name())
		n, bad := strconv.Atoi(e.Name())
		if err == nil && bad == nil && strings.HasPrefix(link, "socket:[") {
			all = append(all, descriptor{n, link})
		}
	}
	return all
}
