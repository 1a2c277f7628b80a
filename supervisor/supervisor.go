package supervisor

import (
	"context"
	"log/slog"
	"sync/atomic"

	"supd/configs"
	"supd/privdrop/files"
	"supd/supervisor/api"
	"supd/supervisor/engine"
	"supd/supervisor/output"
	"supd/supervisor/release"
)

// Stops reports whether supd was told to stop, or has stopped.
func (s *Supervisor) Stops() bool {
	stops, err := engine.Ask(s.owner, (*engine.Owner).Quits)
	return stops || err != nil
}

// Supervisor runs the workers of a configuration. Its methods may be called from
// any goroutine, except where they say otherwise.
type Supervisor struct {
	log    *slog.Logger
	owner  *engine.Owner
	host   *host
	files  *output.Files
	store  *release.Store
	newest atomic.Pointer[configs.Config] // the configuration that was applied last
	rights atomic.Pointer[api.Rights]     // likewise
	apply  chan struct{}                  // holds a token while somebody applies
	looks  chan struct{}                  // likewise, while somebody looks whether files have changed
	late   files.Lateness                 // names of apps, and of sockets, whose files have not answered yet
	began  *configs.Config                // that supd was started with: its own part holds on
}

// Err is, after Run, why supd has ended by itself: workers have failed, and exit_on
// says so. It is nil when supd was told to end, and when the workers have all done
// their work.
func (s *Supervisor) Err() error { return s.owner.Verdict() }

// Ping returns when the owner's loop has turned once more: proof that it is not
// stuck. The error is that of ctx.
func (s *Supervisor) Ping(ctx context.Context) error {
	turned := make(chan struct{})
	s.owner.Post(func(*engine.Owner) { close(turned) })
	select {
	case <-turned:
		return nil
	case <-s.owner.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Status is what runs now.
func (s *Supervisor) Status() *api.Status { return s.owner.Status() }

// OpenLog opens a log, or the nth file that it was rotated to.
func (s *Supervisor) OpenLog(path string, n int) (output.Text, error) { return s.files.View(path, n) }

// wait posts a request to the owner and waits for its answer.
func (s *Supervisor) wait(ctx context.Context, ask func(*engine.Owner, chan<- *api.Result)) *api.Result {
	reply := make(chan *api.Result, 1)
	s.owner.Post(func(o *engine.Owner) { ask(o, reply) })
	return s.answer(ctx, reply)
}

// answer waits for the owner's answer to a request.
func (s *Supervisor) answer(ctx context.Context, reply <-chan *api.Result) *api.Result {
	select {
	case result := <-reply:
		return result
	case <-ctx.Done():
		return &api.Result{Code: api.CodeTimeout, Error: "still in progress"}
	case <-s.owner.Done():
	}
	select {
	case result := <-reply:
		return result
	default:
		return api.Refuse(api.CodeFailed, "%s", engine.ErrStopped)
	}
}

// Reopen opens all log files anew, after somebody has moved them.
func (s *Supervisor) Reopen() error { return s.files.Reopen() }
