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
	open map[string]*file
}

type file struct {
	options Options
	log     *Log
}

// NewFiles makes an empty set whose logs report their trouble to log.
func NewFiles(log *slog.Logger) *Files {
	return &Files{log: log, open: map[string]*file{}}
}

// Open gives the log at path, opening it if it is not open with these options.
func (f *Files) Open(path string, o Options) (*Log, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o.Log = f.log
	if have := f.open[path]; have != nil && have.options == o {
		return have.log, nil
	}
	log, err := Open(path, o)
	if err != nil {
		return nil, err
	}
	f.open[path] = &file{o, log}
	return log, nil
}

// Reopen opens every file anew, after somebody has moved them.
func (f *Files) Reopen() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, file := range f.open {
		errs = append(errs, file.log.Reopen())
	}
	return errors.Join(errs...)
}

// Close closes every file.
func (f *Files) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, file := range f.open {
		errs = append(errs, file.log.Close())
	}
	return errors.Join(errs...)
}
