package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"supd/supervisor"
)

// do has the daemon act. The answer comes when it is done; a client that goes
// away before does not stop it.
func (s *Server) do(w http.ResponseWriter, r *http.Request) error {
	who := peerFrom(r)
	if !who.mayAct() {
		return fail(supervisor.CodeDenied, "not permitted for %s: only %s may change what runs", who, whoMayAct())
	}
	if _, err := parameters(r); err != nil {
		return err
	}
	request, err := readRequest(w, r)
	if err != nil {
		return err
	}
	if err := check(request); err != nil {
		return err
	}
	if _, err := choose(s.daemon.Status(), request.Targets); err != nil {
		return err
	}
	request.By = who.String()
	result := s.daemon.Do(r.Context(), request)
	status := http.StatusOK
	if result.Error != "" {
		status = httpStatus(result.Code)
	}
	if result.Outcomes == nil {
		result.Outcomes = []supervisor.Outcome{}
	}
	_ = writeJSON(w, status, result)
	return nil
}

// readRequest reads the body, which has to come within requestTime.
func readRequest(w http.ResponseWriter, r *http.Request) (request supervisor.Request, err error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		e := fail(supervisor.CodeUsage, "content-type %q: want application/json", r.Header.Get("Content-Type"))
		e.status = http.StatusUnsupportedMediaType
		return request, e
	}
	body, err := readBody(w, r)
	if err != nil {
		return request, err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&request); err != nil {
		return request, fail(supervisor.CodeUsage, "body: %s", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return request, fail(supervisor.CodeUsage, "body: more follows after the request")
	}
	return request, nil
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	// Only over a real connection there is a deadline to set, and a slow client.
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(requestTime))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		e := fail(supervisor.CodeUsage, "body: more than %d bytes", maxBody)
		e.status = http.StatusRequestEntityTooLarge
		return nil, e
	case err != nil:
		return nil, fail(supervisor.CodeUsage, "body: %s", err)
	}
	// Without one the connection is watched for the client's going away, however
	// long the daemon takes.
	_ = c.SetReadDeadline(time.Time{})
	return body, nil
}

// check refuses a request that does not make sense.
func check(r supervisor.Request) error {
	targets := true // it takes some
	switch r.Action {
	case supervisor.ActionStart, supervisor.ActionStop, supervisor.ActionRestart, supervisor.ActionSignal:
	case supervisor.ActionReopen, supervisor.ActionShutdown:
		targets = false
	default:
		return fail(supervisor.CodeUsage, "unknown action %q", r.Action)
	}
	wrong := ""
	switch {
	case targets && len(r.Targets) == 0:
		wrong = "no target; `all` names every worker"
	case !targets && len(r.Targets) > 0:
		wrong = "takes no target"
	case (r.Action == supervisor.ActionSignal) != (r.Signal != ""):
		wrong = "signal belongs to the action signal, and to no other"
	case r.Hard && r.Action != supervisor.ActionRestart:
		wrong = "hard belongs to the action restart"
	case r.Timeout < 0:
		wrong = fmt.Sprintf("timeout %s: want 0 or more", r.Timeout)
	default:
		return nil
	}
	return fail(supervisor.CodeUsage, "%s: %s", r.Action, wrong)
}
