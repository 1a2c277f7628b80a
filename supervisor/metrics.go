package supervisor

import (
	"errors"
	"sync"
	"time"

	"supd/supervisor/api"
	"supd/supervisor/engine"
	"supd/supervisor/measure"
	"supd/supervisor/output"
	"supd/supervisor/statsd"
)

// Queue is the accept queue of a listening socket.
type Queue struct {
	Key           string // "whois/web"
	Length, Limit int    // connections that wait, and that may
	Drops         int64  // of connections since it was opened; -1: the kernel does not count them
}

// Queues asks the kernel for the accept queue of each listening socket that has one. It
// is done in the owner's goroutine, which alone closes descriptors.
func (s *Supervisor) Queues() (all []Queue, err error) {
	answer, stopped := engine.Ask(s.owner, func(*engine.Owner) error {
		var errs []error
		for key, one := range s.host.sockets.set.All() {
			q := Queue{Key: key}
			var err error
			if q.Length, q.Limit, err = one.Queue(); errors.Is(err, errors.ErrUnsupported) {
				continue
			}
			if err == nil {
				q.Drops, err = one.Drops()
			}
			if errs = append(errs, err); err == nil {
				all = append(all, q)
			}
		}
		return errors.Join(errs...)
	})
	if stopped != nil {
		return nil, stopped
	}
	return all, answer
}

// Changed compares the files of the configuration with what was applied of them: apps
// are those whose file says something else or is gone, and count is the number of all
// such files, supd.toml and new ones included.
func (s *Supervisor) Changed() (apps map[string]bool, count int, err error) {
	return s.newest.Load().Changed()
}

// Logs gives how much was written to each log, and dropped, by path.
func (s *Supervisor) Logs() map[string]output.Count { return s.files.Counts() }

// Said gives what the workers have said by statsd, of the slots that there are and of
// the releases that an app runs, goes to or can go back to. The rest is forgotten.
func (s *Supervisor) Said() statsd.Counts {
	there := sync.OnceValues(func() (slots, releases map[statsd.Origin]bool) { // where no app says anything nobody asks
		return originsOf(s.Status())
	})
	return s.host.statsd.Counts(func(o statsd.Origin) bool {
		slots, releases := there()
		slot, process := o, o
		slot.Release, process.Slot = "", 0
		return (o.Slot == 0 || slots[slot]) && (o.Release == "" || releases[process])
	})
}

// originsOf are the slots that there are, and of each process the releases that run or
// may.
func originsOf(status *api.Status) (slots, releases map[statsd.Origin]bool) {
	slots, releases = map[statsd.Origin]bool{}, map[statsd.Origin]bool{}
	for i := range status.Apps {
		a := &status.Apps[i]
		for k := range a.Processes {
			p := &a.Processes[k]
			process := statsd.Origin{App: a.Name, Process: p.Name}
			for _, name := range a.Releases() {
				process.Release = name
				releases[process] = true
			}
			for n := range p.Workers {
				w := &p.Workers[n]
				slots[statsd.Origin{App: a.Name, Process: p.Name, Slot: w.Slot}] = true
				for _, run := range w.Runs {
					process.Release = run.Release
					releases[process] = true
				}
			}
		}
	}
	return slots, releases
}

// recordTime is how long a record of what is to be shown is waited for at most.
const recordTime = 250 * time.Millisecond

// Seen notes what workers have used by now. All that has happened, and with logs what was
// written to them, is recorded when it returns: what is shown then does not go back when
// supd is killed. A disk that does not answer is waited for only for a moment.
func (s *Supervisor) Seen(used map[engine.RunID]measure.Usage, logs bool) {
	written := make(chan struct{})
	s.owner.Post(func(o *engine.Owner) { o.Seen(used, logs, written) })
	select {
	case <-written:
	case <-s.owner.Done():
	case <-time.After(recordTime):
	}
}
