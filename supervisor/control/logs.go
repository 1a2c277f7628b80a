package control

import (
	"errors"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"supd/supervisor/api"
	"supd/supervisor/output"
)

const (
	defaultLines = 10
	maxLines     = 1 << 20
	// followTime is the pause between two looks at a followed file. inotify(7)
	// would be quicker, but not on every file system, and does not notice another
	// file in its place.
	followTime = 250 * time.Millisecond
)

// logs writes the last lines of one process's log, and with follow whatever is
// written from then on. It takes no part in capturing the output.
func (s *Server) logs(w http.ResponseWriter, r *http.Request) error {
	q, err := parameters(r, "target", "lines", "follow", "since", "from")
	if err != nil {
		return err
	}
	log, err := s.logOf(r, q)
	if err != nil {
		return err
	}
	if fate := output.FateOf(log.path); fate != "" {
		return elsewhere(log.path, fate, q)
	}
	since, err := q.time("since")
	if err != nil {
		return err
	}
	otherwise := defaultLines
	if !since.IsZero() {
		otherwise = maxLines
	}
	lines, err := q.number("lines", otherwise, maxLines)
	if err != nil {
		return err
	}
	follow, err := q.flag("follow")
	if err != nil {
		return err
	}
	from, err := q.position("from")
	if err != nil {
		return err
	}
	defer log.close()
	if err := s.openAt(r, log, from, lines, since); err != nil {
		return err
	}
	if at, err := log.begin(); err == nil {
		w.Header().Set(positionHeader, at.String())
	}
	stream := s.stream(w, r, "text/plain; charset=utf-8")
	defer stream.end()
	if log.writeLast(stream) == nil && follow {
		s.follow(log, stream)
	}
	return nil
}

// openAt opens a log where it is to be shown from. To look for a time may take long.
func (s *Server) openAt(r *http.Request, log *logFile, from *position, lines int, since time.Time) error {
	if !since.IsZero() {
		done, err := s.turns.take(r)
		if err != nil {
			return err
		}
		defer done()
	}
	var err error
	if from != nil {
		err = log.resume(*from)
	} else {
		err = log.openAt(&search{r.Context(), mostSought}, lines, since)
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) { // nothing was written yet
		return nil
	}
	return fail(api.CodeFailed, "%s", err)
}

// elsewhere says what becomes of output that goes to no file, and how it can be read.
func elsewhere(path, fate string, q query) error {
	kind, process, _ := strings.Cut(path, ":")
	if kind+":" != output.Journal {
		return fail(api.CodeFailed, "the output of %s %s (log.to), and supd has nothing of it", process, fate)
	}
	app, name, _ := strings.Cut(process, "/")
	match := "SUPD_APP=" + app + " SUPD_PROCESS=" + name
	target, _ := q.one("target")
	if slot, err := strconv.Atoi(strings.TrimPrefix(target, process+".")); err == nil {
		match = "SUPD_WORKER=" + process + "." + strconv.Itoa(slot)
	}
	return fail(api.CodeFailed, "the output of %s goes to the journal; read it with `journalctl %s`", process, match)
}

// follow writes what is added to a log until the stream ends.
func (s *Server) follow(log *logFile, to *stream) {
	for log.writeNew(to) == nil && to.rest(followTime) {
		if err := log.renew(to); err != nil {
			if to.ctx.Err() == nil {
				s.options.Log.Warn("no longer following a log", "path", log.path, "error", err)
			}
			return
		}
	}
}

// OwnLog is the target that means supd's own log, unless an app has that name.
const OwnLog = "supd"

// logOf finds the log of the one process that is asked for, or supd's own.
func (s *Server) logOf(r *http.Request, q query) (*logFile, error) {
	target, err := q.one("target")
	if err != nil {
		return nil, err
	}
	now := s.daemon.Status()
	if _, err := chooseApp(now, OwnLog); target == OwnLog && err != nil {
		if err := s.mayRead(r, "logs", ""); err != nil {
			return nil, err
		}
		return s.ownLog()
	}
	chosen, err := choose(now, []string{target})
	if err == nil {
		err = s.mayRead(r, "logs", appsOf(chosen)...)
	}
	if err != nil {
		return nil, err
	}
	path, err := logPath(now, target)
	return &logFile{path: path, open: s.daemon.OpenLog}, err
}

// ownLog is supd's own log, of which no rotated file is known.
func (s *Server) ownLog() (*logFile, error) {
	if s.options.OwnLog == nil {
		return nil, fail(api.CodeFailed, "this supd does not know where its own log is")
	}
	f, err := s.options.OwnLog()
	if err != nil {
		return nil, fail(api.CodeFailed, "%s", err)
	}
	f.Close()
	return &logFile{path: OwnLog, open: func(_ string, n int) (output.Text, error) {
		if n > 0 {
			return nil, fs.ErrNotExist
		}
		return s.options.OwnLog()
	}}, nil
}

// logPath finds the log of the one process that a target names. All workers of a
// process share it.
func logPath(now *api.Status, target string) (string, error) {
	chosen, err := choose(now, []string{target})
	if err != nil {
		return "", err
	}
	path := ""
	for _, a := range chosen.Apps {
		for _, p := range a.Processes {
			if path != "" && path != p.Log {
				return "", fail(api.CodeUsage, "%q names several processes; ask for the log of one", target)
			}
			path = p.Log
		}
	}
	return path, nil
}
