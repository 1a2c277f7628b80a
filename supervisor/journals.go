package supervisor

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"

	"supd/configs"
	"supd/supervisor/release"
)

// waiting is how many records of one app may wait to be written. A rollout waits
// for each of its own, so that they are few.
const waiting = 64

// journals writes the release state of apps, each in a goroutine of its own. The
// map is the owner's.
type journals struct {
	log    *slog.Logger
	post   func(event)
	queues map[string]chan write
}

// write is a state to be written, and what to do then.
type write struct {
	state   release.State
	written func(*owner, error)
}

// journal is what an app's state is written to.
type journal interface {
	State() release.State
	Write(release.State) error
	Close() error
}

// openJournal gives an app's journal. Where there can be none its app goes on
// without: what runs is more than what is known of it, and each write fails.
func openJournal(store *release.Store, app string, log *slog.Logger) (journal, error) {
	j, err := release.OpenJournal(store.StatePath(app))
	switch {
	case errors.Is(err, release.ErrBusy):
		return nil, err
	case j != nil && err != nil:
		log.Error("release state cannot be read", "app", app, "error", err)
		return j, nil
	case err != nil:
		log.Error("release state cannot be opened, no rollout is possible", "app", app, "error", err)
		state, unread := release.ReadState(store.StatePath(app))
		if unread != nil && !errors.Is(unread, fs.ErrNotExist) {
			log.Error("release state cannot be read either, nothing of it is started", "app", app, "error", unread)
		}
		return unwritable{state.Clone(), err}, nil
	}
	return j, nil
}

// unwritable stands for a journal that cannot be opened.
type unwritable struct {
	state release.State
	why   error
}

func (u unwritable) State() release.State      { return u.state }
func (u unwritable) Write(release.State) error { return u.why }
func (unwritable) Close() error                { return nil }

// keep begins to write an app's journal.
func (l *linux) keep(app string, journal journal) {
	j := l.journals
	queue := make(chan write, waiting)
	j.queues[app] = queue
	go func() {
		for w := range queue {
			err := journal.Write(w.state)
			if err == nil {
				journaled(stepOf(w.state))
			}
			if w.written != nil {
				j.post(func(o *owner) { w.written(o, err) })
			}
		}
		journal.Close()
	}()
}

// letGo closes an app's journal once all is written.
func (l *linux) letGo(app string) {
	close(l.journals.queues[app])
	delete(l.journals.queues, app)
}

func (j *journals) close() {
	for _, queue := range j.queues {
		close(queue)
	}
}

// stepOf is what a state says that is begun.
func stepOf(s release.State) string {
	if s.Rollout == nil {
		return "end"
	}
	return s.Rollout.Step
}

var errForgotten = errors.New("the configuration has the app no more")

// journal is the kernel's: the write is done elsewhere.
func (l *linux) journal(app string, s release.State, written func(*owner, error)) {
	queue, ok := l.journals.queues[app]
	if ok {
		queue <- write{s.Clone(), written}
	} else if written != nil {
		go l.post(func(o *owner) { written(o, errForgotten) })
	}
}

// record journals the app's state and does next then, in the owner's goroutine.
func (o *owner) record(a *app, s release.State, next func(*owner, error)) {
	o.kernel.journal(a.name, s, next)
}

// committed is told that another release is active: the symlink for people and
// cron jobs follows, and what nobody needs any more goes.
func (l *linux) committed(app string, s release.State, now preparedApp) {
	keep := now.config.Release.Keep
	protected := func(_, version string) bool { return version == s.Active || version == s.Previous }
	go func() {
		if err := l.supervisor.store.SetCurrent(app, now.release.Files); err != nil {
			l.log.Error("cannot switch the symlink to the active release", "app", app, "error", err)
		}
		removed, err := l.supervisor.store.Prune(context.Background(), app, keep, protected)
		if len(removed) > 0 {
			l.log.Info("old snapshots removed", "app", app, "removed", removed)
		}
		if err != nil {
			l.log.Error("cannot remove old snapshots", "app", app, "error", err)
		}
	}()
}

// versionOfRelease is what a configuration needs to know of a registered release.
func versionOfRelease(r release.Release) configs.Version {
	return configs.Version{Name: r.Version, Path: r.Path, Files: r.Files()}
}

// afterRollout lets go on what had to wait for the end of a rollout: a changed
// configuration, and a release that was registered to be deployed meanwhile.
func (l *linux) afterRollout(app string, postponed bool) {
	go func() {
		if postponed {
			l.supervisor.again()
		}
		l.supervisor.takeUp(app)
	}()
}
