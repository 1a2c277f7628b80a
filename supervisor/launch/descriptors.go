package launch

import (
	"fmt"
	"io/fs"
	"iter"
	"os"
	"strconv"

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
	for number := range descriptorsOf(p.Pid, want) {
		fd, err := p.Descriptor(number)
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

// A process may have as many descriptors as it likes, up to fs.nr_open. supd looks at
// so many for one of its own, which was among the first, and holds few at a time.
const (
	mostDescriptors = 1 << 16
	fewDescriptors  = 512
)

// descriptorsOf gives the numbers under which a process holds what has that name in
// /proc/PID/fd.
func descriptorsOf(pid int, want string) iter.Seq[int] {
	return func(yield func(number int) bool) {
		dir, err := os.Open("/proc/" + strconv.Itoa(pid) + "/fd")
		if err != nil {
			return
		}
		defer dir.Close()
		for seen := 0; seen < mostDescriptors; {
			names, err := dir.Readdirnames(fewDescriptors)
			for _, name := range names {
				link, unread := os.Readlink(dir.Name() + "/" + name)
				number, bad := strconv.Atoi(name)
				if unread == nil && bad == nil && link == want && !yield(number) {
					return
				}
			}
			if seen += len(names); err != nil { // io.EOF
				return
			}
		}
	}
}
