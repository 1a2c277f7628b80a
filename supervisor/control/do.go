package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"sync"
	"time"

	"supd/supervisor/api"
)

// do passes a request to the daemon, and answers when it is done. A client that
// leaves before does not stop it.
func (s *Server) do(w http.ResponseWriter, r *http.Request) error {
	who := peerFrom(r)
	if s.isStranger(who) {
		return s.refuse(who, "do", fmt.Sprintf("only %s, and who is named in operators, may change what runs", whoMayAct()))
	}
	if _, err := parameters(r); err != nil {
		return err
	}
	var request api.Request
	if err := readJSON(w, r, &request); err != nil {
		return err
	}
	if err := check(request); err != nil {
		return err
	}
	apps, err := find(s.daemon.Status(), request)
	if err != nil {
		return err
	}
	if err := s.mayDo(r, request, apps); err != nil {
		return err
	}
	request.By = who.String()
	if request.Action == api.ActionReexec {
		return s.reexec(w, r, who)
	}
	result := s.daemon.Do(r.Context(), request)
	status := http.StatusOK
	if result.Error != "" {
		status = httpStatus(result.Code)
	}
	if result.Outcomes == nil {
		result.Outcomes = []api.Outcome{}
	}
	_ = writeJSON(w, status, result)
	return nil
}

// readJSON reads the body, which has to come within requestTime.
func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		e := fail(api.CodeUsage, "content-type %q: want application/json", r.Header.Get("Content-Type"))
		e.status = http.StatusUnsupportedMediaType
		return e
	}
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	if depth(body) > maxDepth {
		return fail(api.CodeUsage, "body: more than %d brackets in each other", maxDepth)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fail(api.CodeUsage, "body: %s", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fail(api.CodeUsage, "body: more follows after the request")
	}
	return nil
}

// depth is how many brackets are in each other, in a text that may be JSON.
func depth(text []byte) (deepest int) {
	for now, i := 0, 0; i < len(text); i++ {
		switch text[i] {
		case '[', '{':
			now++
			deepest = max(deepest, now)
		case ']', '}':
			now--
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		}
	}
	return deepest
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	// It fails without a real connection, and there no client is slow.
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(requestTime))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		e := fail(api.CodeUsage, "body: more than %d bytes", maxBody)
		e.status = http.StatusRequestEntityTooLarge
		return nil, e
	case err != nil:
		return nil, fail(api.CodeUsage, "body: %s", err)
	}
	// Without a deadline net/http notices when the client leaves, however long the
	// daemon takes.
	_ = c.SetReadDeadline(time.Time{})
	return body, nil
}

// answerTime is how long the answer may take before which supd does not give way.
const answerTime = time.Second

// reexec answers just before supd gives way, since nothing can be answered afterwards, or
// tells why it does not. The client asks for the version to see that it has happened.
func (s *Server) reexec(w http.ResponseWriter, r *http.Request, who peer) error {
	way := s.options.Reexec
	if way == nil {
		return fail(api.CodeFailed, "this supd cannot be replaced in its place")
	}
	s.options.Log.Info("request", "action", api.ActionReexec, "by", who.String())
	next, err := way.Check(r.Context())
	if err != nil {
		return fail(api.CodeFailed, "the installed supd cannot go on in the place of this one, which stays: %s", err)
	}
	var answer sync.Once // an exec that comes too late may be called meanwhile
	err = way.Exec(func() {
		answer.Do(func() {
			w.Header().Set("Connection", "close")
			_ = writeJSON(w, http.StatusOK, &api.Result{Outcomes: []api.Outcome{}, Socket: next.Socket})
			c := http.NewResponseController(w)
			_ = c.SetWriteDeadline(time.Now().Add(answerTime)) // shorter than that of writeJSON: the owner waits
			_ = c.Flush()
		})
	})
	s.options.Log.Error("supd was not replaced and goes on", "error", err)
	var refused error
	answer.Do(func() { refused = fail(api.CodeFailed, "supd was not replaced and goes on: %s", err) })
	return refused
}
