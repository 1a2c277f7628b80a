package control

import (
	"encoding/json"
	"net/http"
	"time"

	"supd/supervisor/api"
)

// calm is how long a watcher waits at least after a change before it looks again, and
// calmer how many times as long as its last document took: of changes that come in quick
// succession it gets the last, and one of a large fleet takes a tenth of a processor at
// most.
const (
	calm   = 50 * time.Millisecond
	calmer = 10
)

func (s *Server) status(w http.ResponseWriter, r *http.Request) error {
	q, err := parameters(r, "target", "watch")
	if err != nil {
		return err
	}
	watch, err := q.flag("watch")
	if err != nil {
		return err
	}
	now := s.daemon.Status()
	chosen, err := choose(now, q["target"])
	if err != nil {
		return err
	}
	if watch {
		s.watch(w, r, now, q["target"])
		return nil
	}
	chosen.Files = s.unapplied(parse(q["target"]), chosen)
	_ = writeJSON(w, http.StatusOK, s.shown(r, chosen))
	return nil
}

// watch writes the status now and whenever it has changed, until the client goes or
// the server ends. A target that was removed meanwhile is left out.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, now *api.Status, texts []string) {
	targets := parse(texts)
	stream := s.stream(w, r, "application/json")
	defer stream.end()
	lines := json.NewEncoder(stream)
	for {
		begin := time.Now()
		chosen := part(now, targets)
		chosen.Files = s.unapplied(targets, chosen)
		if lines.Encode(s.shown(r, chosen)) != nil {
			return
		}
		took := time.Since(begin)
		if !stream.wait(now.Next()) || !stream.rest(max(calm, calmer*took)) {
			return
		}
		now = s.daemon.Status()
	}
}

// shown takes out of a copy of a status what workers have printed, where that is not for
// the peer.
func (s *Server) shown(r *http.Request, chosen *api.Status) *api.Status {
	for i := range chosen.Apps {
		a := &chosen.Apps[i]
		if a.Rollout != nil && len(a.Rollout.Output) > 0 && !s.canRead(r, a.Name) {
			rollout := *a.Rollout
			rollout.Output = nil
			a.Rollout = &rollout
		}
	}
	return chosen
}

// parse reads targets that choose has accepted.
func parse(texts []string) (targets []api.Target) {
	for _, text := range texts {
		t, _ := api.ParseTarget(text)
		targets = append(targets, t)
	}
	return targets
}
