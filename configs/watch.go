package configs

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// quiet is how long nothing may change before the change counts as finished:
// editors and configuration management write and rename in several steps.
const quiet = 200 * time.Millisecond

// Watch calls changed, from a goroutine of its own and never twice at a time,
// each time that supd.toml or an app file of cfg has changed, appeared or gone
// and that was 200 ms ago. It returns at once; the watch ends with ctx.
//
// It watches directories, so that a file that is replaced by a rename goes on
// being watched. A file that one of the names is a symbolic link to is not.
func Watch(ctx context.Context, cfg *Config, changed func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch the configuration: %w", err)
	}
	home, apps := filepath.Dir(cfg.Path), cfg.Daemon.Apps
	for _, dir := range []string{home, apps} {
		if err := w.Add(dir); err != nil {
			w.Close()
			return fmt.Errorf("watch %s: %w", dir, reason(err))
		}
	}
	go watch(ctx, w, cfg.Path, apps, changed)
	return nil
}

func watch(ctx context.Context, w *fsnotify.Watcher, path, apps string, changed func()) {
	defer w.Close()
	finished := time.NewTimer(time.Hour)
	finished.Stop()
	for {
		select {
		case <-ctx.Done():
			finished.Stop()
			return
		case e := <-w.Events:
			if e.Name == apps && e.Has(fsnotify.Create) {
				_ = w.Add(apps) // it was replaced; when it is gone again, that is the next event
			}
			if concerns(e, path, apps) {
				finished.Reset(quiet)
			}
		case <-w.Errors: // events were lost: anything may have changed
			finished.Reset(quiet)
		case <-finished.C:
			changed()
		}
	}
}

// concerns leaves out what happens beside the files, and changes of their mode
// alone, which reading them causes on some file systems.
func concerns(e fsnotify.Event, path, apps string) bool {
	if e.Op == fsnotify.Chmod {
		return false
	}
	return e.Name == path || e.Name == apps || filepath.Dir(e.Name) == apps && isAppFile(filepath.Base(e.Name))
}
