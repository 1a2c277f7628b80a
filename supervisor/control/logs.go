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
	q, err := parameters(r, "target", "lines", "follow")
	if err != nil {
		return err
	}
	path, err := s.logPath(q)
	if err != nil {
		return err
	}
	if process, ok := strings.CutPrefix(path, output.Journal); ok {
		return elsewhere(process, q)
	}
	lines, err := q.number("lines", defaultLines, maxLines)
	if err != nil {
		return err
	}
	follow, err := q.flag("follow")
	if err != nil {
		return err
	}
	log := &logFile{path: path, open: s.daemon.OpenLog}
	defer log.close()
	if err := log.openAt(lines); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail(api.CodeFailed, "%s", err)
	}
	stream := s.stream(w, r, "text/plain; charset=utf-8")
	defer stream.end()
	if log.writeLast(stream) == nil && follow {
		s.follow(log, stream)
	}
	return nil
}

// elsewhere says how to read the output of a process that goes to the journal.
func elsewhere(process string, q query) error {
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

// logPath finds the log of the one process that is asked for. All workers of a
// process share it.
func (s *Server) logPath(q query) (string, error) {
	target, err := q.one("target")
	if err != nil {
		return "", err
	}
	chosen, err := choose(s.daemon.Status(), []string{target})
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
