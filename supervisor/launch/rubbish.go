package launch

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// Rubbish takes the directories of workers that have ended. To remove what they have put
// in there may take long, or be made to: it is done by and by, and nobody waits for it. Its
// methods may be called from any goroutine.
type Rubbish struct {
	log     *slog.Logger
	emptied func() // called when all is removed that can be

	mu    sync.Mutex
	paths []string      // to be removed
	idle  chan struct{} // closed once nobody removes anything any more; nil: nobody does
}

// removeTime is how long is spent on one of them before the others have their turn.
const removeTime = 10 * time.Second

// hidden begins the names of what is thrown away. No worker's directory has such a name.
const hidden = "."

// NewRubbish has nothing to remove.
func NewRubbish(log *slog.Logger, emptied func()) *Rubbish {
	return &Rubbish{log: log, emptied: emptied}
}

// Throw takes the directory away from its path, also on a file system without room for
// anything new: it only gets another name beside that. One that is not there is no error.
func (r *Rubbish) Throw(path string) error {
	err := unix.Rmdir(path) // most are empty
	switch {
	case err == nil, errors.Is(err, unix.ENOENT):
		return nil
	case !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST):
		return &os.PathError{Op: "rmdir", Path: path, Err: err}
	}
	thrown := filepath.Join(filepath.Dir(path), hidden+rand.Text())
	if err := os.Rename(path, thrown); err != nil {
		return err
	}
	r.Remove(thrown)
	return nil
}

// Remove removes what was thrown away, in a goroutine.
func (r *Rubbish) Remove(thrown string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paths = append(r.paths, thrown)
	if r.idle == nil {
		r.idle = make(chan struct{})
		go r.work()
	}
}

func (r *Rubbish) work() {
	for path, more := r.next(); more; path, more = r.next() {
		ctx, cancel := context.WithTimeout(context.Background(), removeTime)
		switch err := files.Remove(ctx, path); {
		case errors.Is(err, context.DeadlineExceeded): // after the others: the room has to be emptied
			r.Remove(path)
		case err != nil: // the next supd tries again
			r.log.Warn("what a worker has left is not removed now", "error", err)
		}
		cancel()
	}
	r.emptied()
}

// next gives what is to be removed, if there is anything.
func (r *Rubbish) next() (path string, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.paths) == 0 {
		close(r.idle)
		r.idle, r.paths = nil, nil
		return "", false
	}
	path, r.paths = r.paths[0], r.paths[1:]
	return path, true
}

// working is closed once nobody removes anything any more; nil is that nobody does.
func (r *Rubbish) working() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.idle
}

// Wait waits for what is being removed, but no longer than ctx, and reports whether
// anything was.
func (r *Rubbish) Wait(ctx context.Context) bool {
	idle := r.working()
	if idle == nil {
		return false
	}
	select {
	case <-idle:
	case <-ctx.Done():
	}
	return true
}
