package output

import (
	"errors"
	"log/slog"
	"os"
)

// NewFiles makes an empty set whose logs report their trouble to log.
func NewFiles(log *slog.Logger) *Files {
	return &Files{log: log, open: map[string]*Log{}, outlets: newOutlets(log)}
}

// KeepIn sets the directory in which captures with a name hold their output; it is
// made with mode 0700 if it is missing. KeepIn also finishes the step in which an
// earlier supd was killed. It must be called before any Open. The caller ensures
// that only one supd at a time uses dir.
func (f *Files) KeepIn(dir string) error {
	keep, err := openStore(dir)
	if err != nil {
		return err
	}
	names, err := keep.names()
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keep, f.rest = keep, map[string]bool{}
	for _, name := range names {
		in, err := keep.open(name)
		if err != nil {
			f.sayUnusable(err)
			_ = os.Remove(keep.file(name))
			continue
		}
		in.settle()
		in.close()
		f.rest[name] = true
	}
	return nil
}

func (f *Files) sayUnusable(err error) {
	f.log.Warn("output that a killed supd was holding cannot be used, and is dropped", "error", err)
}

// WriteRest writes the output that an earlier supd has left of workers that are
// gone, so that no CaptureAs has taken it up, and removes its files. pathOf is where
// what was to go to a log goes, of the capture with that name; "" is nowhere.
func (f *Files) WriteRest(pathOf func(name, log string) string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for name := range f.rest {
		errs = append(errs, f.writeRest(name, pathOf))
	}
	f.rest = nil
	return errors.Join(errs...)
}

func (f *Files) writeRest(name string, pathOf func(name, log string) string) error {
	in, err := f.keep.open(name)
	if err != nil {
		return err
	}
	path := pathOf(name, in.log())
	if len(in.held()) == 0 || path == "" {
		in.remove()
		return nil
	}
	log := f.open[path]
	if log == nil { // no process in the configuration has this log any more
		log, err = Open(path, f.with(Options{UID: -1, GID: -1, Mode: 0o640}))
		if err != nil {
			in.close()
			return err
		}
		defer log.Close()
	}
	finish(log, in)
	return nil
}

// taken notes that a capture has taken up the output that was left under its name.
func (f *Files) taken(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.rest, name)
}

func (f *Files) store() *store {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.keep
}

// Open gives the log at path. If it is open already, it keeps its options; see
// Change. A full or read-only disk is no error: see OpenLater.
func (f *Files) Open(path string, o Options) (*Log, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.get(path, o, passes)
}

// get is Open. If the log cannot be opened for a reason that later accepts, it
// gives one that is tried again later.
func (f *Files) get(path string, o Options, later func(error) bool) (*Log, error) {
	if have := f.open[path]; have != nil {
		return have, nil
	}
	o = f.with(o)
	log, err := Open(path, o)
	if err != nil && !later(err) {
		return nil, err
	}
	if err != nil {
		log = unopened(path, o, err)
	}
	log.belongTo(f)
	log.count(f.past[path])
	f.open[path] = log
	return log, nil
}

// with adds to options what all logs of the set share.
func (f *Files) with(o Options) Options {
	o.Log, o.journal, o.outlets = f.log, f.journal, f.outlets
	return o
}

// belongTo is what a log begins with that has others beside it.
func (l *Log) belongTo(f *Files) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files = f
	l.tidyLater()
}

// Change gives an open log other options. A second Log of the same file would not
// do: each would rotate it away from the other.
func (f *Files) Change(log *Log, o Options) {
	log.change(f.with(o))
}

// Reopen opens every file anew, after the files were moved.
func (f *Files) Reopen() error { return f.each((*Log).Reopen) }

// Close closes every file.
func (f *Files) Close() error {
	err := f.each((*Log).Close)
	f.outlets.flush()
	f.outlets.rest(nil)
	return err
}

func (f *Files) each(do func(*Log) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, log := range f.open {
		errs = append(errs, do(log))
	}
	return errors.Join(errs...)
}
