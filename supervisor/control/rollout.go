package control

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"time"

	"supd/supervisor/api"
	"supd/supervisor/release"
)

// RolloutLine is one line of the answer to GET /v1/rollout: a thing that has
// happened, or, in the last line, how the rollout has ended. A line of the step
// "paused" also says why.
type RolloutLine struct {
	App       string       `json:"app"`
	ID        int          `json:"id"`
	Kind      release.Kind `json:"kind"`
	From      string       `json:"from"`
	To        string       `json:"to"`
	StartedAt time.Time    `json:"started_at"`

	*api.Progress // nil in the last line
	*RolloutEnd   // nil in all others

	Reason string   `json:"reason,omitempty"`
	Output []string `json:"output,omitempty"` // the last lines that the worker at fault has printed
}

// RolloutEnd is how a rollout has ended; Code is supctl's exit code.
type RolloutEnd struct {
	EndedAt time.Time `json:"ended_at"`
	Code    int       `json:"code"`
}

// statusLag is how long a rollout that was begun may take to appear in the Status.
const statusLag = 5 * time.Second

// rollout writes what is known of a rollout, and with follow whatever happens in
// it from then on.
func (s *Server) rollout(w http.ResponseWriter, r *http.Request) error {
	q, err := parameters(r, "app", "id", "follow")
	if err != nil {
		return err
	}
	id, err := q.number("id", 0, math.MaxInt32)
	if err != nil {
		return err
	}
	follow, err := q.flag("follow")
	if err != nil {
		return err
	}
	app, err := s.app(q)
	if err != nil {
		return err
	}
	now, id, err := s.awaitRollout(r.Context(), app.Name, id)
	if err != nil {
		return err
	}
	stream := s.stream(w, r, "application/json")
	defer stream.end()
	s.followRollout(&rolloutReader{app: app.Name, id: id, shut: !s.canRead(r, app.Name), to: json.NewEncoder(stream)}, now, stream, follow)
	return nil
}

// awaitRollout waits for a Status that has the rollout id of an app, and returns
// both. 0 is the rollout under way, or else the last.
func (s *Server) awaitRollout(ctx context.Context, app string, id int) (*api.Status, int, error) {
	late := time.NewTimer(statusLag)
	defer late.Stop()
	for {
		now := s.daemon.Status()
		switch last := lastRollout(now, app); {
		case last == nil && id == 0:
			return nil, 0, fail(api.CodeNoTarget, "%s has had no rollout since supd started; `supctl releases %s` shows those before", app, app)
		case last != nil && (id == 0 || id == last.ID):
			return now, last.ID, nil
		case last != nil && id < last.ID:
			return nil, 0, fail(api.CodeNoTarget, "rollout %d of %s is over, %d is the last one; `supctl releases %s` shows how it ended", id, app, last.ID, app)
		}
		select {
		case <-now.Next():
		case <-late.C:
			return nil, 0, fail(api.CodeNoTarget, "there is no rollout %d of %s", id, app)
		case <-ctx.Done():
			return nil, 0, fail(api.CodeFailed, "the client has gone")
		case <-s.closing.Done():
			return nil, 0, fail(api.CodeFailed, "supd is stopping")
		}
	}
}

// lastRollout is the newest rollout of an app, or nil.
func lastRollout(s *api.Status, app string) *api.RolloutStatus {
	for i := range s.Apps {
		if s.Apps[i].Name == app {
			return s.Apps[i].Rollout
		}
	}
	return nil
}

// followRollout writes what happens until the rollout has ended, another one has
// taken its place, or nobody reads any more. Without follow it writes once.
func (s *Server) followRollout(reader *rolloutReader, now *api.Status, stream *stream, follow bool) {
	for {
		last := lastRollout(now, reader.app)
		if last == nil || last.ID != reader.id || reader.write(last) != nil {
			return
		}
		if last.Ended() || !follow || !stream.wait(now.Next()) {
			return
		}
		now = s.daemon.Status()
	}
}

// rolloutReader writes each thing that happens in a rollout once.
type rolloutReader struct {
	app  string
	id   int
	seen int  // how many things of its Progress are written
	shut bool // what workers have printed is not for this reader
	to   *json.Encoder
}

// write writes what is new.
func (r *rolloutReader) write(s *api.RolloutStatus) error {
	line := RolloutLine{App: r.app, ID: s.ID, Kind: s.Kind, From: s.From, To: s.To, StartedAt: s.StartedAt}
	for ; r.seen < len(s.Progress); r.seen++ {
		l := line
		l.Progress = &s.Progress[r.seen]
		if l.Step == release.StepPaused {
			l.Reason, l.Output = s.Reason, r.output(s)
		}
		if err := r.to.Encode(l); err != nil {
			return err
		}
	}
	if !s.Ended() {
		return nil
	}
	line.RolloutEnd = &RolloutEnd{s.EndedAt, s.Code}
	line.Reason, line.Output = s.Reason, r.output(s)
	return r.to.Encode(line)
}

func (r *rolloutReader) output(s *api.RolloutStatus) []string {
	if r.shut {
		return nil
	}
	return s.Output
}
