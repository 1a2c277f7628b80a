package supervisor

import (
	"errors"
	"log/slog"
	"time"

	"supd/supervisor/engine"
	"supd/supervisor/release"
)

// waiting is how many states of one app may wait to be journaled. A rollout waits
// for each of its own, so that they are few.
const waiting = 64

// journal writes the release state of an app: engine.Journal.
type journal struct{ *writing[release.State] }

// journalFile is what an app's state is written to.
type journalFile interface {
	State() release.State
	Write(release.State) error
	Close() error
}

func newJournal(file journalFile, post func(engine.Event)) *journal {
	return &journal{startWriting(waiting, post, func(s release.State) error {
		err := file.Write(s)
		if err == nil {
			journaled(stepOf(s))
		}
		return err
	}, func() { file.Close() })}
}

// Write runs in the owner's goroutine.
func (j *journal) Write(s release.State, written func(error) engine.Event) { j.add(s.Clone(), written) }

func (j *journal) Close() { j.close() }

// stepOf is what a state says that is begun.
func stepOf(s release.State) string {
	if s.Rollout == nil {
		return "end"
	}
	return string(s.Rollout.Step)
}

const (
	journalTime     = 5 * time.Second // for what waits to be written
	journalInterval = 5 * time.Millisecond
)

// openState is the state of an app's releases, and what it is written to from now on.
func (s *Supervisor) openState(app string) (release.State, engine.Journal, error) {
	file, err := s.openJournal(app)
	if err != nil {
		return release.State{}, nil, err
	}
	return file.State(), newJournal(file, s.owner.Post), nil
}

// openJournal waits for the journal of an app that the configuration did not have
// for a while: it is open until its last state is written.
func (s *Supervisor) openJournal(app string) (file journalFile, err error) {
	for end := time.Now().Add(journalTime); ; time.Sleep(journalInterval) {
		file, err = openJournalFile(s.store, app, s.log)
		if !errors.Is(err, release.ErrBusy) || time.Now().After(end) {
			return file, err
		}
	}
}

// openJournalFile opens an app's journal. One that can only be read is opened at the next
// write, and its app goes on meanwhile: what runs is more than what can be written of it.
// Where nothing is known of its releases the error says why.
func openJournalFile(store *release.Store, app string, log *slog.Logger) (journalFile, error) {
	path := store.StatePath(app)
	file, err := release.OpenJournal(path)
	switch {
	case errors.Is(err, release.ErrBusy):
		return nil, err
	case file != nil && err != nil:
		log.Error("release state cannot be read", "app", app, "error", err)
		return file, nil
	case err != nil:
		state, unread := release.ReadState(path)
		if unread != nil {
			return nil, err
		}
		log.Error("release state can only be read, no rollout is possible before that is mended", "app", app, "error", err)
		return &unopened{path: path, state: state.Clone()}, nil
	}
	return file, nil
}

// unopened stands for a journal that cannot be opened, and is tried again at each write.
type unopened struct {
	path  string
	state release.State
	file  *release.Journal // nil: not yet
}

func (u *unopened) State() release.State { return u.state }

func (u *unopened) Write(s release.State) (err error) {
	if u.file == nil {
		if u.file, err = release.OpenJournal(u.path); u.file == nil {
			return err
		}
	}
	return u.file.Write(s)
}

func (u *unopened) Close() error {
	if u.file == nil {
		return nil
	}
	return u.file.Close()
}
