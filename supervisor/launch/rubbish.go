package launch

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop/files"
)

// Rubbish takes the directories of workers that have ended. To remove what they have put
// in there may take long, or be made to: it is done by and by, in a directory that supd
// alone can enter, and nobody waits for it. Its methods may be called from any goroutine.
type Rubbish struct {
	log *slog.Logger
	dir string

	mu    sync.Mutex
	idle  chan struct{} // closed once nobody removes anything any more; nil: nobody does
	more  bool          // something came meanwhile
	stays map[string]bool
}

// removeTime is how long is spent on one of them.
const removeTime = 10 * time.Second

// NewRubbish goes on with what an earlier supd has left in dir. What it takes must be on
// the file system of dir, which is made when it is needed.
func NewRubbish(log *slog.Logger, dir string) *Rubbish {
	r := &Rubbish{log: log, dir: dir, stays: map[string]bool{}}
	if _, err := os.Lstat(dir); err == nil {
		r.empty()
	}
	return r
}

// Throw takes the directory away from its path. One that is not there is no error.
func (r *Rubbish) Throw(path string) error {
	err := unix.Rmdir(path) // most are empty
	switch {
	case err == nil, errors.Is(err, unix.ENOENT):
		return nil
	case !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST):
		return &os.PathError{Op: "rmdir", Path: path, Err: err}
	}
	if err := os.Mkdir(r.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Rename(path, filepath.Join(r.dir, rand.Text())); err != nil {
		return err
	}
	r.empty()
	return nil
}

// empty removes what is there, in a goroutine.
func (r *Rubbish) empty() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.more = true
	if r.idle == nil {
		r.idle = make(chan struct{})
		go r.work()
	}
}

func (r *Rubbish) work() {
	for r.goesOn() {
		entries, err := os.ReadDir(r.dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.log.Warn("what workers have left is not removed", "error", err)
		}
		for _, entry := range entries {
			r.remove(entry.Name())
		}
	}
}

// goesOn reports whether there is something to do.
func (r *Rubbish) goesOn() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.more {
		close(r.idle)
		r.idle = nil
		return false
	}
	r.more = false
	return true
}

// remove tries once; the next supd tries again.
func (r *Rubbish) remove(name string) {
	if r.stays[name] {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), removeTime)
	defer cancel()
	if err := files.Remove(ctx, filepath.Join(r.dir, name)); err != nil {
		r.stays[name] = true
		r.log.Warn("what a worker has left is not removed now", "after", removeTime, "error", err)
	}
}

// Close waits for what is being removed, but no longer than limit.
func (r *Rubbish) Close(limit time.Duration) {
	r.mu.Lock()
	idle := r.idle
	r.mu.Unlock()
	if idle != nil {
		select {
		case <-idle:
		case <-time.After(limit):
		}
	}
	_ = unix.Rmdir(r.dir) // if it is empty
}
