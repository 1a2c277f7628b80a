package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"supd/configs"
	"supd/supervisor"
	"supd/supervisor/api"
	"supd/supervisor/output"
)

// Daemon is what the API asks: a *supervisor.Supervisor.
type Daemon interface {
	Status() *api.Status
	Do(context.Context, api.Request) *api.Result
	Explain(target string) ([]api.Explanation, error)
	Diff(apps []string) (*api.Changes, error) // supervisor.Code is of its error
	Unapplied() []configs.File
	Releases(app string) (*api.ReleaseList, error)
	Audit(app string) ([]api.Finding, error)
	Rights() *api.Rights
	// RunFor runs a command for a client, which meet brings; supervisor.CommandError is its error.
	RunFor(r api.CommandRequest, meet func() (supervisor.Caller, error)) (*api.CommandEnd, error)
	// OpenLog opens a regular file: a log, or the nth file that it was rotated to.
	OpenLog(path string, n int) (output.Text, error)
}

// Options are those of a Server.
type Options struct {
	Version string
	Where   *Where // nil: it does not tell
	Log     *slog.Logger
	Reexec  Reexec
	Figures Measurer
	// OwnLog opens supd's own log, or says where to look for it. nil: nobody knows.
	OwnLog func() (*os.File, error)
}

// Reexec puts the installed supd into the place of this one. It is nil where that
// cannot be done.
type Reexec interface {
	Check(context.Context) (*Successor, error) // whether the installed one could go on
	// Exec calls gone when nothing but execve is left to be done. It returns only if it
	// failed; supd goes on then.
	Exec(gone func()) error
}

// Successor is the installed supd, as it would be in the place of this one.
type Successor struct {
	Socket string `json:"control"` // the path of its control socket; "": this one's
}

// Version is the answer to GET /v1/version.
type Version struct {
	Version   string    `json:"version"`
	Pid       int       `json:"pid"`
	StartedAt time.Time `json:"started_at"` // changes when supd is replaced in its process
	Where     *Where    `json:"where,omitempty"`
}

// Where is where this supd has what others work on beside it: the registry of
// releases, and what it goes by.
type Where struct {
	Config  string `json:"config"`
	State   string `json:"state"`
	Apps    string `json:"apps"`
	DropIns string `json:"drop_ins"`
}

// Limits of what a client may send, and how long it may take for that.
const (
	maxHeader   = 16 << 10
	maxBody     = 64 << 10
	maxDepth    = 8 // of brackets in a body
	requestTime = 10 * time.Second
	idleTime    = time.Minute
	writeTime   = 30 * time.Second // for what was written to be taken, as far as the kernel holds it no more
	farewell    = time.Second      // for the last line of a stream, at Shutdown
)

// Server answers the API. Its methods may be called from any goroutine.
type Server struct {
	daemon   Daemon
	options  Options
	http     *http.Server
	closing  context.Context // ends all streams
	turns    turns
	refusals *pace          // that are told
	notTold  atomic.Int64   // refusals since the last that was
	runs     sync.WaitGroup // clients that have left HTTP
	started  time.Time
}

// NewServer makes a server that asks d.
func NewServer(d Daemon, o Options) *Server {
	closing, end := context.WithCancel(context.Background())
	s := &Server{daemon: d, options: o, closing: closing, started: time.Now(), turns: newTurns(), refusals: refusalPace()}
	s.http = &http.Server{
		Handler:           paced(requestPace(), s.routes()),
		ConnContext:       withPeer,
		ReadHeaderTimeout: requestTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
	}
	s.http.RegisterOnShutdown(end)
	return s
}

// Serve answers until Shutdown, and gives nil then.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(newGuests(l)); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown closes the listener, ends the streams and waits for the other
// answers, but no longer than ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(err, s.http.Close())
	}
	answered := make(chan struct{})
	go func() {
		s.runs.Wait()
		close(answered)
	}()
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answer writes the answer to a request, or returns the error to be written. An
// error after the answer has begun is the connection's, and is dropped.
type answer func(http.ResponseWriter, *http.Request) error

func (s *Server) routes() http.Handler {
	all := routes{
		"/v1/version":  {http.MethodGet, s.version},
		"/v1/status":   {http.MethodGet, s.status},
		"/v1/figures":  {http.MethodGet, s.figures},
		"/v1/explain":  {http.MethodGet, s.explain},
		"/v1/logs":     {http.MethodGet, s.logs},
		"/v1/releases": {http.MethodGet, s.releases},
		"/v1/rollout":  {http.MethodGet, s.rollout},
		"/v1/audit":    {http.MethodGet, s.audit},
		"/v1/diff":     {http.MethodGet, s.diff},
		"/v1/do":       {http.MethodPost, s.do},
		"/v1/run":      {http.MethodPost, s.run},
	}
	for path, route := range all {
		answer := route.answer
		route.answer = func(w http.ResponseWriter, r *http.Request) error { return s.hint(answer(w, r)) }
		all[path] = route
	}
	return all
}

// routes is the handler of the whole API, by path. http.ServeMux would answer an
// unknown path in plain text, and redirect one that is nearly right.
type routes map[string]struct {
	method string
	answer answer
}

func (t routes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 { // a client that does not send what it announces; see readBody
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(requestTime))
	}
	route, known := t[r.URL.Path]
	switch who := peerFrom(r); {
	case who.crowded:
		w.Header().Set("Connection", "close")
		e := fail(api.CodeFailed, "uid %d has as many connections to supd as one user may have; close some", who.uid)
		e.status = http.StatusServiceUnavailable
		writeError(w, e)
	case !known:
		e := fail(api.CodeUsage, "no such path %q in this version of supd", r.URL.Path)
		e.status = http.StatusNotFound
		writeError(w, e)
	case route.method != r.Method:
		e := fail(api.CodeUsage, "%s takes %s, not %q", r.URL.Path, route.method, r.Method)
		e.status = http.StatusMethodNotAllowed
		w.Header().Set("Allow", route.method)
		writeError(w, e)
	default:
		if err := route.answer(w, r); err != nil {
			writeError(w, err)
		}
	}
}

func writeError(w http.ResponseWriter, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = fail(api.CodeFailed, "%s", err)
	}
	_ = writeJSON(w, e.httpStatus(), e)
}

// writeJSON fails only when the client has gone, which nobody needs to know.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	willWrite(w)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return encode(w, v)
}

func encode(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }

// willWrite bounds the time that a client may take to read what is written next. It
// fails without a real connection, and there no client is slow.
func willWrite(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime))
}

func (s *Server) version(w http.ResponseWriter, r *http.Request) error {
	if _, err := parameters(r); err != nil {
		return err
	}
	_ = writeJSON(w, http.StatusOK, Version{s.options.Version, os.Getpid(), s.started, s.options.Where})
	return nil
}

func (s *Server) explain(w http.ResponseWriter, r *http.Request) error {
	q, err := parameters(r, "target")
	if err != nil {
		return err
	}
	target, err := q.one("target")
	if err != nil {
		return err
	}
	chosen, err := choose(s.daemon.Status(), []string{target})
	if err != nil {
		return err
	}
	if err := s.mayRead(r, "explain", appsOf(chosen)...); err != nil {
		return err
	}
	done, err := s.turns.take(r)
	if err != nil {
		return err
	}
	all, err := s.daemon.Explain(target)
	done()
	if err != nil {
		return fail(api.CodeFailed, "%s", strings.TrimSpace(err.Error()))
	}
	_ = writeJSON(w, http.StatusOK, all)
	return nil
}
