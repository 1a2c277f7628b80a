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

// Open gives the log at path, opening it if it is not open. Options other than
// before take effect on an open one as well: two that rotate the same file would
// take it from each other.
func (f *Files) Open(path string, o Options) (*Log, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o.Log = f.log
	if have := f.open[path]; have != nil {
		have.change(o)
		return have, nil
	}
	log, err := Open(path, o)
	if err != nil {
		return nil, err
	}
	f.open[path] = log
	return log, nil
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
