package metrics

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"supd/supervisor/api"
)

// patience is how long the owner's loop may take to turn once more.
const patience = 2 * time.Second

// health reports whether supd supervises: its owner's loop turns.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	if s.turns(w, r) {
		well(w)
	}
}

// turns answers for a supd whose owner's loop does not turn any more.
func (s *Server) turns(w http.ResponseWriter, r *http.Request) bool {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	w.Header().Set("Cache-Control", "no-store") // what was well may be no more
	err := s.supd.Ping(ctx)
	if err != nil {
		http.Error(w, "supd does not answer: "+err.Error(), http.StatusServiceUnavailable)
	}
	return err == nil
}

func well(w http.ResponseWriter) { w.Write([]byte("ok\n")) }

// appHealth reports whether each worker of an app that is desired is ready. Anybody
// may ask: the answer has names and states, and nothing that a worker has said.
func (s *Server) appHealth(w http.ResponseWriter, r *http.Request) {
	if !s.turns(w, r) {
		return
	}
	status := s.supd.Status()
	for i := range status.Apps {
		if a := &status.Apps[i]; a.Name == r.PathValue("app") {
			if why := unwell(a); why != "" {
				http.Error(w, why, http.StatusServiceUnavailable)
				return
			}
			well(w)
			return
		}
	}
	http.Error(w, "no such app", http.StatusNotFound)
}

// unwell says why an app does not serve as it should, or "".
func unwell(a *api.AppStatus) string {
	desired, missed := 0, []string{}
	for w := range a.Workers() {
		if w.Desired {
			desired++
		}
		if w.IsMissed() {
			missed = append(missed, fmt.Sprintf("%s is %s", w.Name, w.State))
		}
	}
	const most = 5 // names
	switch more := len(missed) - most; {
	case desired == 0:
		return a.Name + " is stopped"
	case more > 0:
		return fmt.Sprintf("%s and %d more", strings.Join(missed[:most], ", "), more)
	default:
		return strings.Join(missed, ", ")
	}
}
