package tree

import (
	"cmp"
	"errors"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Launched is the main process of a worker.
type Launched struct {
	Pid   int
	Start uint64 // clock ticks since the boot
	Token string // of its launch
}

// Claimant is a process that says that it is a worker, and has no token.
type Claimant struct {
	Pid     int
	Worker  string // SUPD_WORKER
	Runtime string // XDG_RUNTIME_DIR

	start uint64
}

// Search is what was found among all processes.
type Search struct {
	Launched  []Launched // sorted by pid
	Claimants []Claimant // likewise, up to mostClaimants
	More      int        // claimants that are left out
	Hooks     []Claimant // those that say that they are hooks, and are not root's
}

// mostClaimants bounds what processes that anybody has started cost.
const mostClaimants = 20

// Find looks for the living workers of launches that are in no record: tokens has the
// user that each was launched as. Anybody can start a process with the environment of
// a worker, but for its token: it is in no other environment, and only who may trace
// the worker sees that (proc_pid_environ(5)). Where the user is root, the process may
// have become any other since.
//
// A main process leads its session. Of several session leaders with the token of one
// launch it is the oldest, which has started the others. If it is dead, the oldest of
// the others is given in its place, unless LISTEN_PID or WATCHDOG_PID names another
// process. A process that has overwritten its environment, as some do to change their
// title, is not found. Nor may one be that has it behind a large environment, if others of
// its user have such too.
//
// A claimant has no such token, but an XDG_RUNTIME_DIR in a directory that is in the
// directory workers, or directly in that, as those of earlier supds are; one for each.
func Find(tokens map[string]int, workers string) (Search, error) {
	all, err := processes()
	if err != nil {
		return Search{}, err
	}
	s := searching{tokens: tokens, workers: filepath.Clean(workers), launched: map[string]Launched{}, claimants: map[string]Claimant{},
		read: map[uint32]int{}, limit: readTime}
	hidden := s.lookAt(maps.Values(all))
	for again := 0; again < looks && len(hidden) > 0; again++ { // it may be in the middle of an execve
		time.Sleep(execTime)
		hidden = s.lookAt(slices.Values(hidden))
	}
	return s.result(), nil
}

// lookAt gives those whose environment was not to be seen.
func (s *searching) lookAt(all iter.Seq[Process]) (hidden []Process) {
	for p := range all {
		if errors.Is(s.look(p), errHidden) {
			hidden = append(hidden, p)
		}
	}
	return hidden
}

type searching struct {
	tokens    map[string]int
	workers   string
	launched  map[string]Launched // by token
	claimants map[string]Claimant // by runtime directory
	more      int
	hooks     []Claimant
	read      map[uint32]int // bytes of large environments, by user
	limit     time.Duration  // of each read
}

// A start waits for the search, and anybody may have thousands of processes with as much
// environment as one can have. An environment of smallEnvironment is read of each, which is
// many times as much as a worker has; what is larger, up to mostRead of each user's.
const (
	smallEnvironment = 64 << 10
	mostRead         = 64 << 20
)

// origin is that of a process, as far as its user's share goes. Once one has not let itself
// be read the others have less time.
func (s *searching) origin(p Process) (origin, error) {
	user := userOf(p.Pid)
	most := smallEnvironment
	if s.read[user] < mostRead {
		most = mostEnvironment
	}
	type answer struct {
		origin
		n int
	}
	read := func() (answer, error) {
		l, n, err := p.readOrigin(most)
		return answer{l, n}, err
	}
	a, err := within(p.Pid, s.limit, read, func(answer) {})
	if errors.Is(err, ErrStuck) {
		s.limit = readTime / 10
	}
	s.read[user] += max(0, a.n-smallEnvironment)
	return a.origin, err
}

func (s *searching) look(p Process) error {
	if p.Pid != p.Session || p.Zombie {
		return nil
	}
	l, err := s.origin(p)
	if err != nil {
		return err
	}
	uid, known := s.tokens[l.token]
	if known && uid != 0 {
		now, err := RealUID(p.Pid)
		known = err == nil && now == uid
	}
	if now, err := readStat(p.Pid); err != nil || now.Start != p.Start { // all that was of another process
		return nil
	}
	switch {
	case known && (l.main == 0 || l.main == p.Pid):
		s.take(Launched{p.Pid, p.Start, l.token})
	case known || l.worker == "" || !s.isWorkers(l.runtime):
	case l.hook != "" && !isRoots(p.Pid):
		s.hooks = append(s.hooks, Claimant{p.Pid, l.worker, l.runtime, p.Start})
	default:
		s.note(Claimant{p.Pid, l.worker, l.runtime, p.Start})
	}
	return nil
}

// isWorkers reports whether a directory is where those of workers are.
func (s *searching) isWorkers(dir string) bool {
	room := filepath.Dir(dir)
	return filepath.IsAbs(dir) && (room == s.workers || filepath.Dir(room) == s.workers)
}

// isRoots reports whether a process is root's where others could be somebody else's.
func isRoots(pid int) bool {
	uid, err := RealUID(pid)
	return err != nil || uid == 0 && os.Geteuid() == 0
}

// KillHooks kills hooks of a supd that is gone, with their sessions, and waits until they
// are dead. Whoever only says that it is one is killed as well: nobody says so of a process
// of another's.
func KillHooks(hooks []Claimant) (killed []Named, err error) {
	all, of := map[string][]Named{}, new(Worker)
	leaders := map[int]bool{}
	for _, c := range hooks {
		if p, err := readStat(c.Pid); err == nil && p.Start == c.start && p.Session == c.Pid {
			leaders[c.Pid] = true
		}
	}
	err = chase(all, processes, func(f family) (left []leftover, sure bool) {
		for _, p := range f {
			if leaders[p.Session] && !p.Zombie {
				left = append(left, leftover{p, of})
			}
		}
		return left, true
	})
	return all[""], err
}

func (s *searching) take(l Launched) {
	if other, is := s.launched[l.Token]; !is || older(l.Start, l.Pid, other.Start, other.Pid) {
		s.launched[l.Token] = l
	}
}

func (s *searching) note(c Claimant) {
	other, is := s.claimants[c.Runtime]
	switch {
	case is && older(c.start, c.Pid, other.start, other.Pid), !is && len(s.claimants) < mostClaimants:
		s.claimants[c.Runtime] = c
	case !is:
		s.more++
	}
}

func older(start uint64, pid int, than uint64, thanPid int) bool {
	return cmp.Or(cmp.Compare(start, than), cmp.Compare(pid, thanPid)) < 0
}

func (s *searching) result() Search {
	r := Search{More: s.more, Hooks: s.hooks}
	for _, l := range s.launched {
		r.Launched = append(r.Launched, l)
	}
	for _, c := range s.claimants {
		r.Claimants = append(r.Claimants, c)
	}
	slices.SortFunc(r.Launched, func(a, b Launched) int { return cmp.Compare(a.Pid, b.Pid) })
	slices.SortFunc(r.Claimants, func(a, b Claimant) int { return cmp.Compare(a.Pid, b.Pid) })
	return r
}
