package supervisor

import (
	"errors"

	"supd/supervisor/engine"
	"supd/supervisor/measure"
	"supd/supervisor/output"
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

// Logs gives how much was written to each log, and dropped, by path.
func (s *Supervisor) Logs() map[string]output.Count { return s.files.Counts() }

// Seen notes what workers have used by now, and begins to record that and what was
// written to logs: the counters do not go back when supd is killed.
func (s *Supervisor) Seen(used map[engine.RunID]measure.Usage) {
	_, _ = engine.Ask(s.owner, func(o *engine.Owner) struct{} { o.Seen(used); return struct{}{} })
}
