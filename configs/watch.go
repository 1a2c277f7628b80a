package configs

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

const (
	// quiet is how long nothing may change before the change counts as finished:
	// editors and configuration management write and rename in several steps.
	quiet = 200 * time.Millisecond
	// mostQuiet is how long that is waited for where something else changes all the time.
	mostQuiet = 10 * quiet
	// mostWriting is how long the end of a write is waited for.
	mostWriting = time.Minute
)

// Watch calls changed, from a goroutine of its own and never twice at a time, each time
// that supd.toml or an app file of cfg has changed, appeared or gone, that was 200 ms
// ago, and nobody has a changed file open for writing any more. It returns at once; the
// watch ends with ctx.
//
// It watches directories, so that a file that is replaced by a rename goes on being
// watched: those of the files, and those of the symbolic links that lead to them, as in
// a tree that is switched as a whole.
func Watch(ctx context.Context, cfg *Config, changed func()) error {
	w, err := newWatcher(cfg)
	if err == nil {
		go w.run(ctx, changed)
	}
	return err
}

// watcher knows the files as they were when their changes were told last.
type watcher struct {
	notify *fsnotify.Watcher
	path   string // of supd.toml
	apps   string
	seen   map[string]stamp
	since  time.Time // when the changes began that are not told yet; zero: there are none
}

func newWatcher(cfg *Config) (*watcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch the configuration: %w", err)
	}
	w := &watcher{notify: notify, path: cfg.Path, apps: cfg.Daemon.Apps}
	for _, dir := range []string{filepath.Dir(w.path), w.apps} {
		if err := notify.Add(dir); err != nil {
			notify.Close()
			return nil, fmt.Errorf("watch %s: %w", dir, reason(err))
		}
	}
	w.follow()
	w.seen = w.look()
	return w, nil
}

func (w *watcher) run(ctx context.Context, changed func()) {
	defer w.notify.Close()
	finished := time.NewTimer(time.Hour)
	finished.Stop()
	for {
		select {
		case <-ctx.Done():
			finished.Stop()
			return
		case e := <-w.notify.Events:
			if e.Op != fsnotify.Chmod { // which reading causes on some file systems
				finished.Reset(w.rest())
			}
		case <-w.notify.Errors: // events were lost: anything may have changed
			finished.Reset(w.rest())
		case <-finished.C:
			if w.settles() {
				changed()
			} else if !w.since.IsZero() {
				finished.Reset(quiet)
			}
		}
	}
}

// rest is how long to wait after one more change.
func (w *watcher) rest() time.Duration {
	if w.since.IsZero() {
		w.since = time.Now()
	}
	return max(0, min(quiet, mostQuiet-time.Since(w.since)))
}

// settles reports whether a change of the files is to be told. One that somebody is
// still writing is waited for.
func (w *watcher) settles() bool {
	w.follow() // before the look, so that what changes after that is an event
	now := w.look()
	if maps.Equal(now, w.seen) {
		w.since = time.Time{}
		return false
	}
	for path, at := range now {
		if at != w.seen[path] && isWritten(path) && time.Since(w.since) < mostWriting {
			return false
		}
	}
	w.seen, w.since = now, time.Time{}
	return true
}

// look gives a stamp of each file that there is.
func (w *watcher) look() map[string]stamp {
	all := map[string]stamp{}
	for _, path := range append(w.files(), w.path) {
		if info, err := os.Stat(path); err == nil {
			all[path] = stampOf(info)
		}
	}
	return all
}

// files are those of apps. A directory that cannot be read has none.
func (w *watcher) files() []string {
	all, _ := appsIn(w.apps)
	return all
}

// follow watches the directories by which the files are reached now. A directory that was
// replaced by another one of the same name is watched anew.
func (w *watcher) follow() {
	dirs := map[string]bool{w.apps: true}
	for _, path := range append(w.files(), w.apps, w.path) {
		onTheWay(path, dirs)
	}
	for _, old := range w.notify.WatchList() {
		_ = w.notify.Remove(old)
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		_ = w.notify.Add(dir) // it may be gone; when it comes back, that is an event above it
	}
}

// mostLinks is as many as the kernel follows (path_resolution(7)).
const mostLinks = 40

// onTheWay adds the directories in which a path can be led elsewhere: those of each
// symbolic link on the way, and that of its end.
func onTheWay(path string, dirs map[string]bool) {
	for range mostLinks {
		link, rest := firstLink(path)
		if link == "" {
			dirs[filepath.Dir(path)] = true
			return
		}
		dirs[filepath.Dir(link)] = true
		target, err := os.Readlink(link)
		if err != nil {
			return
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(link), target)
		}
		path = filepath.Join(target, rest)
	}
}

// firstLink gives the first part of a path that is a symbolic link, and what follows it;
// "" is none.
func firstLink(path string) (link, rest string) {
	for at := 1; at <= len(path); at++ {
		if at < len(path) && path[at] != '/' {
			continue
		}
		if info, err := os.Lstat(path[:at]); err == nil && info.Mode()&os.ModeSymlink != 0 {
			return path[:at], strings.TrimPrefix(path[at:], "/")
		}
	}
	return "", ""
}

// isWritten reports whether somebody has the file open for writing: then the kernel
// grants no read lease (fcntl(2), F_SETLEASE: EAGAIN). Where it grants none to anybody,
// nothing is known.
func isWritten(path string) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer f.Close() // which gives the lease back
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	return err == unix.EAGAIN
}
