package control

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// givesWay is a supd that is about to be replaced, or is not.
type givesWay struct {
	goes bool
	err  error
}

func (givesWay) Check(context.Context) (*Successor, error) {
	return &Successor{Socket: "/run/next.sock"}, nil
}

func (g givesWay) Exec(gone func()) error {
	if g.goes {
		gone()
	}
	return g.err
}

// slowClient is an answer that tells how long its reader has when it is sent.
type slowClient struct {
	*httptest.ResponseRecorder
	deadline time.Time
	patience time.Duration
}

func (s *slowClient) SetWriteDeadline(t time.Time) error { s.deadline = t; return nil }
func (s *slowClient) Flush()                             { s.patience = time.Until(s.deadline) }

// TestReexecAnswers: it is answered just before supd gives way, and no longer waited for than
// the owner can wait; one that comes to nothing is answered with the reason.
func TestReexecAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			givesWay
			status int
			text   string
		}{
			{givesWay{true, errors.New("no execve")}, http.StatusOK, `{"code":0,"outcomes":[],"socket":"/run/next.sock"}`},
			{givesWay{false, errors.New("launches do not end")}, http.StatusInternalServerError, "supd was not replaced and goes on: launches do not end"},
		} {
			o := testOptions()
			o.Reexec = c.givesWay
			s := NewServer(newFake("/nonexistent"), o)
			w := &slowClient{ResponseRecorder: httptest.NewRecorder()}
			s.http.Handler.ServeHTTP(w, post(`{"action":"reexec"}`).WithContext(context.WithValue(t.Context(), peerKey{}, peer{})))
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.text) {
				t.Errorf("%+v: %d %s", c.givesWay, w.Code, w.Body)
			}
			if c.goes && w.patience != answerTime {
				t.Errorf("the owner waits %s for the client", w.patience)
			}
		}
	})
}
