package control

import (
	"net/http"
	"strings"

	"supd/supervisor/api"
)

// releases writes the registered releases of an app, and its past rollouts.
func (s *Server) releases(w http.ResponseWriter, r *http.Request) error {
	q, err := parameters(r, "app")
	if err != nil {
		return err
	}
	app, err := s.app(q)
	if err != nil {
		return err
	}
	list, err := s.daemon.Releases(app.Name)
	if err != nil {
		return fail(api.CodeFailed, "%s", strings.TrimSpace(err.Error()))
	}
	_ = writeJSON(w, http.StatusOK, list)
	return nil
}

// audit writes what is wrong with the releases of an app, or of all apps.
func (s *Server) audit(w http.ResponseWriter, r *http.Request) error {
	q, err := parameters(r, "app")
	if err != nil {
		return err
	}
	name := "" // all
	if len(q["app"]) > 0 {
		app, err := s.app(q)
		if err != nil {
			return err
		}
		name = app.Name
	}
	if err := s.mayRead(r, "audit", name); err != nil {
		return err
	}
	done, err := s.turns.take(r)
	if err != nil {
		return err
	}
	findings, err := s.daemon.Audit(name)
	done() // before it is written: a client may be slow to read
	if err != nil {
		return fail(api.CodeFailed, "%s", strings.TrimSpace(err.Error()))
	}
	if findings == nil {
		findings = []api.Finding{}
	}
	_ = writeJSON(w, http.StatusOK, findings)
	return nil
}

// app finds the app that a request names.
func (s *Server) app(q query) (*api.AppStatus, error) {
	name, err := q.one("app")
	if err != nil {
		return nil, err
	}
	return chooseApp(s.daemon.Status(), name)
}
