package output

import (
	"errors"
	"log/slog"
	"sync"
)

// Files are the open logs by path, so that all processes that name a file share
// its Log, and all can be reopened at once. Its methods may be called from any
// goroutine.
type Files struct {
	log *slog.Logger

	mu   sync.Mutex // a reopening and a new configuration may come together
	open map[string]*Log
}

// NewFiles makes an empty set whose logs report their trouble to log.
func NewFiles(log *slog.Logger) *Files {
	return &Files{log: log, open: map[string]*Log{}}
}

// Open gives the log at path. If it is open already, the options are those that
// it has; see Change.
func (f *Files) Open(path string, o Options) (*Log, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if have := f.open[path]; have != nil {
		return have, nil
	}
	o.Log = f.log
	log, err := Open(path, o)
	if err != nil {
		return nil, err
	}
	f.open[path] = log
	return log, nil
}

// Change gives other options to an open log: two Logs that rotate the same file
// would take it from each other.
func (f *Files) Change(log *Log, o Options) {
	o.Log = f.log
	log.change(o)
}

// Reopen opens every file anew, after somebody has moved them.
func (f *Files) Reopen() error { return f.each((*Log).Reopen) }

// Close closes every file.
func (f *Files) Close() error { return f.each((*Log).Close) }

func (f *Files) each(do func(*Log) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, log := range f.open {
		errs = append(errs, do(log))
	}
	return errors.Join(errs...)
}
