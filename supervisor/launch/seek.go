package launch

import (
	"context"
	"errors"
	"os"
	"strconv"

	"supd/privdrop/files"
	"supd/supervisor/tree"
)

// Sought is what of a worker's own is looked for.
type Sought struct {
	worker *Worker
	links  []string
}

// IsEmpty reports whether it is known who holds all of it.
func (s Sought) IsEmpty() bool { return len(s.links) == 0 }

// Sought gives what the worker of a launch does not hold among its first descriptors, of
// that which has not come through an execve, and of the sockets that are wanted.
func (w *Worker) Sought(launch string, passed Passed, wants func(socket string) bool) Sought {
	all := w.links()
	for name, inode := range w.Belongings.Sockets {
		if !wants(name) {
			delete(all, socketLink(inode))
		}
	}
	if passed.has(passedStatsd(launch)) {
		delete(all, socketLink(w.Belongings.StatsdInode))
	}
	for s, inode := range [streams]uint64{w.Belongings.Pipe, w.Belongings.ErrorPipe} {
		if passed.has(passedOutput(stream(s), launch)) {
			delete(all, pipeLink(inode))
		}
	}
	sought := Sought{worker: w}
	for link := range all {
		if _, is := w.held[link]; !is {
			sought.links = append(sought.links, link)
		}
	}
	return sought
}

// A worker may have as many descriptors as it likes, up to fs.nr_open, and as many
// processes, which may share them (CLONE_FILES). For what is supd's so many are looked at of
// each process, and few are held at a time; and so many processes beneath each worker.
const (
	mostDescriptors = 1 << 12
	fewDescriptors  = 512
	mostBelow       = 1000
)

var errSeek = errors.New("they have too many descriptors or processes to look at in time")

// Seek looks for what is sought: first in the workers themselves, then in what they have
// started, since some leave it to their children. The error says that ctx has ended before
// all was looked at; what was found by then counts.
func Seek(ctx context.Context, all []Sought) error {
	s := seeking{ctx: ctx, left: map[string]bool{}, most: mostDescriptors}
	for _, one := range all {
		for _, link := range one.links {
			s.left[link] = true
		}
	}
	s.found = make(chan found, len(s.left))
	_, err := files.Soon(ctx, func() { s.run(all) })
	held := map[string]holding{}
	for more := true; more; {
		select {
		case f := <-s.found:
			held[f.link] = f.holding
		default:
			more = false
		}
	}
	for _, one := range all {
		for _, link := range one.links {
			if at, is := held[link]; is {
				one.worker.held[link] = at
			}
		}
	}
	if err != nil || ctx.Err() != nil {
		return errSeek
	}
	return nil
}

// seeking runs in a goroutine that may be given up: it tells what it finds, and changes
// nothing else.
type seeking struct {
	ctx   context.Context
	left  map[string]bool // links
	most  int             // descriptors of each process
	found chan found      // with room for all
}

type found struct {
	link string
	holding
}

func (s *seeking) run(all []Sought) {
	for _, one := range all {
		if s.lacks(one) {
			s.process(one.worker.Pid, one.worker.Identity.Start)
		}
	}
	for _, one := range all {
		if s.lacks(one) {
			s.below(one)
		}
	}
}

// lacks reports whether there is time, and something to be found.
func (s *seeking) lacks(one Sought) bool {
	if s.ctx.Err() != nil {
		return false
	}
	for _, link := range one.links {
		if s.left[link] {
			return true
		}
	}
	return false
}

// below looks at what a worker has started, the nearest first.
func (s *seeking) below(one Sought) {
	pids := []int{one.worker.Pid}
	for at := 0; at < len(pids) && at < mostBelow; at++ {
		children, err := tree.Children(pids[at])
		if err != nil {
			continue // it has ended just now
		}
		for child, start := range children {
			if !s.lacks(one) {
				return
			}
			s.process(child, start)
			pids = append(pids, child)
		}
	}
}

// process looks at the first descriptors of a process; the kernel lists the lowest first.
func (s *seeking) process(pid int, start uint64) {
	dir, err := os.Open("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		return
	}
	defer dir.Close()
	for seen := 0; seen < s.most && s.ctx.Err() == nil; {
		names, err := dir.Readdirnames(min(fewDescriptors, s.most-seen))
		for _, name := range names {
			link, unread := os.Readlink(dir.Name() + "/" + name)
			number, bad := strconv.Atoi(name)
			if unread == nil && bad == nil && s.left[link] {
				delete(s.left, link)
				s.found <- found{link, holding{pid, start, number}}
			}
		}
		if seen += len(names); err != nil { // io.EOF
			return
		}
	}
}
