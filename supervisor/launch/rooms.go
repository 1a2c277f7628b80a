package launch

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"supd/configs"
)

// Rooms have the runtime directories of workers. Each app has a room of its own: what its
// workers put in there takes nothing from any other app. A room is made at the first
// launch of its app, and goes when no worker is in it and the app is not to be kept. Those
// of an earlier supd are gone on with. Its methods may be called from any goroutine.
type Rooms struct {
	log     *slog.Logger
	runtime configs.Runtime
	said    sync.Once // that there is a room without a bound

	mu    sync.Mutex
	rooms map[string]*room // by app; that of "" is what earlier supds had for all
	kept  map[string]bool  // apps
}

// NewRooms keeps the rooms of some apps.
func NewRooms(log *slog.Logger, runtime configs.Runtime, apps []string) *Rooms {
	l := &Rooms{log: log, runtime: runtime, rooms: map[string]*room{}}
	l.Keep(apps)
	return l
}

// Keep says which apps keep their rooms without a worker.
func (l *Rooms) Keep(apps []string) {
	kept := map[string]bool{"": true}
	for _, app := range apps {
		kept[app] = true
	}
	l.mu.Lock()
	l.kept = kept
	l.mu.Unlock()
	for _, r := range l.all() {
		r.leave()
	}
}

// enter gives an app's room, and makes it if need be. It is left by room.exit, after an
// error too.
func (l *Rooms) enter(app string) (*room, error) {
	r := l.hold(app)
	return r, r.make()
}

// of gives the room that a directory of a worker is in. It is left by room.exit.
func (l *Rooms) of(dir string) *room {
	if dir := filepath.Dir(dir); dir != l.runtime.Workers() {
		return l.hold(filepath.Base(dir))
	}
	return l.hold("")
}

// hold counts one more worker in a room.
func (l *Rooms) hold(app string) *room {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.known(app)
	r.workers++
	return r
}

// known is called under the lock.
func (l *Rooms) known(app string) *room {
	r := l.rooms[app]
	if r == nil {
		r = &room{rooms: l, app: app, dir: l.runtime.Room(app)}
		r.rubbish = NewRubbish(l.log, r.leave)
		l.rooms[app] = r
	}
	return r
}

// drop counts one worker less, and reports whether the room can go.
func (l *Rooms) drop(r *room) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.workers--
	return l.isFree(r)
}

// isFree is called under the lock.
func (l *Rooms) isFree(r *room) bool { return r.workers == 0 && !l.kept[r.app] }

func (l *Rooms) all() (all []*room) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.rooms {
		all = append(all, r)
	}
	return all
}

// Find gives the directory of a launch of an earlier supd.
func (l *Rooms) Find(app, launch string) string {
	if old := l.runtime.Worker("", launch); isDirectory(old) {
		return old
	}
	return l.runtime.Worker(app, launch)
}

func isDirectory(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir()
}

// Sweep throws away what an earlier supd has left, but for the directories of launches
// that stay.
func (l *Rooms) Sweep(stays func(launch string) bool) error {
	entries, err := os.ReadDir(l.runtime.Workers())
	errs := []error{err}
	for _, entry := range entries {
		if configs.AppNameProblem(entry.Name()) == "" {
			errs = append(errs, l.sweepRoom(entry.Name(), stays))
		} else {
			errs = append(errs, l.sweepOne("", entry, stays))
		}
	}
	return errors.Join(errs...)
}

func (l *Rooms) sweepRoom(app string, stays func(launch string) bool) error {
	r := l.hold(app)
	entries, err := os.ReadDir(r.dir)
	errs := []error{err}
	for _, entry := range entries {
		errs = append(errs, l.sweepOne(app, entry, stays))
	}
	return errors.Join(append(errs, r.exit(""))...)
}

func (l *Rooms) sweepOne(app string, entry fs.DirEntry, stays func(launch string) bool) error {
	l.mu.Lock()
	r := l.known(app)
	l.mu.Unlock()
	path := filepath.Join(r.dir, entry.Name())
	switch {
	case strings.HasPrefix(entry.Name(), hidden):
		r.rubbish.Remove(path)
	case !stays(entry.Name()):
		return r.rubbish.Throw(path)
	}
	return nil
}

// Close takes all rooms away, and waits no longer than limit for what is being removed.
// There must be no worker.
func (l *Rooms) Close(limit time.Duration) {
	l.Keep(nil)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for _, r := range l.all() {
		if r.app != "" {
			r.close(ctx)
		}
	}
	l.mu.Lock()
	shared := l.known("")
	l.mu.Unlock()
	shared.close(ctx)
}
