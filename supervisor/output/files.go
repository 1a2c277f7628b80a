package output

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"
)

// NewFiles makes an empty set whose logs report their trouble to log.
func NewFiles(log *slog.Logger) *Files {
	return &Files{log: log, open: map[string]*Log{}, opening: map[string]*opening{}, outlets: newOutlets(log)}
}

// KeepIn sets the directory in which captures with a name hold their output; it is
// made with mode 0700 if it is missing. KeepIn also finishes the step in which an
// earlier supd was killed; a log whose disk does not answer is left alone until that is
// done. It must be called before any Open. The caller ensures that only one supd at a
// time uses dir.
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
	written := map[string][]*intake{} // by log, of those that were being written
	for _, name := range names {
		in, err := keep.open(name)
		if err != nil {
			f.sayUnusable(err)
			_ = os.Remove(keep.file(name))
			continue
		}
		f.rest[name] = true
		if in.settleRead(); in.isWritten() {
			written[in.log()] = append(written[in.log()], in)
			continue
		}
		in.close()
	}
	f.settle(written)
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
	rest := f.rest
	f.rest = nil
	f.mu.Unlock()
	return inTurn(slices.Collect(maps.Keys(rest)), func(name string) error { return f.writeRest(name, pathOf) },
		func(name string) error { return &os.PathError{Op: "write the output of", Path: name, Err: errNoAnswer} })
}

func (f *Files) writeRest(name string, pathOf func(name, log string) string) error {
	await(f.unsettled[name])
	in, err := f.keep.open(name)
	if err != nil {
		return err
	}
	path := pathOf(name, in.log())
	if len(in.held()) == 0 || path == "" {
		in.remove()
		return nil
	}
	f.mu.Lock()
	log := f.open[path]
	f.mu.Unlock()
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
func (f *Files) Open(path string, o Options) (*Log, error) { return f.get(path, o, passes) }

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

// Change gives an open log other options, once it is free if its disk does not answer. A
// second Log of the same file would not do: each would rotate it away from the other.
func (f *Files) Change(log *Log, o Options) {
	o = f.with(o)
	log.wanted.Store(&o)
	if log.mu.TryLock() {
		log.change()
		log.mu.Unlock()
		return
	}
	go func() {
		log.mu.Lock()
		defer log.mu.Unlock()
		log.change()
	}()
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

const (
	// logTime is how long is waited for all logs, when something is done with each: the
	// disk of one may not answer, and be its app's own.
	logTime = 2 * time.Second
	// lateTime is how long is waited for each of the others after that.
	lateTime = 10 * time.Millisecond
)

var errNoAnswer = errors.New("its disk does not answer")

// each does something with every log.
func (f *Files) each(do func(*Log) error) error {
	return inTurn(f.all(), do, func(l *Log) error { return &os.PathError{Op: "wait for", Path: l.path, Err: errNoAnswer} })
}

// inTurn does something with all, one after the other. It goes on with those whose disk
// does not answer when nobody waits any more; late makes the error of each.
func inTurn[T any](all []T, do, late func(T) error) error {
	over, cancel := context.WithTimeout(context.Background(), logTime)
	defer cancel()
	var errs []error
	for _, one := range all {
		done := make(chan error, 1)
		go func() { done <- do(one) }()
		select {
		case err := <-done:
			errs = append(errs, err)
			continue
		case <-over.Done():
		}
		select {
		case err := <-done:
			errs = append(errs, err)
		case <-time.After(lateTime):
			errs = append(errs, late(one))
		}
	}
	return errors.Join(errs...)
}

func (f *Files) all() []*Log {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Values(f.open))
}
