package supervisor

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"supd/configs"
	"supd/supervisor/engine"
	"supd/supervisor/output"
	"supd/supervisor/release"
	"supd/supervisor/tree"
)

// New resolves the configuration and opens its sockets and log files; nothing
// runs yet. An app for which that fails is held back, and all others are not. A socket that was inherited is not opened but taken; one that no
// configured socket is like is closed. The process becomes the reaper of its
// descendants' orphans.
func New(c *configs.Config, log *slog.Logger, inherited ...Inherited) (*Supervisor, error) {
	if err := errors.Join(c.Daemon.Runtime.Make(), tree.BecomeSubreaper()); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Daemon.Logs, 0o755); err != nil {
		log.Error("directory of the logs", "error", err) // those that need it are held back
	}
	if err := c.CheckDirectories(); err != nil { // those that were not there are by now, and whose may they be?
		return nil, err
	}
	s := &Supervisor{log: log, apply: make(chan struct{}, 1), looks: make(chan struct{}, 1), files: output.NewFiles(log),
		store: release.Open(c.Daemon.State), began: c}
	s.newest.Store(c)
	s.rights.Store(rightsOf(c, log))
	post := func(e engine.Event) { s.owner.Post(e) }
	var err error
	if s.host, err = newHost(c, log, s.files, post); err != nil {
		return nil, err
	}
	s.owner = engine.New(log, engine.Host{Reaper: s.host, Sockets: s.host.sockets, Save: s.host.save, SaveLasting: s.host.lasting.save, Changed: s.changed, Retry: s.retry}, c.Daemon.ExitOn)
	for _, i := range inherited {
		s.host.sockets.offer(i.Name, i.Fd)
	}
	if err := s.first(c); err != nil {
		s.host.close()
		return nil, err
	}
	s.owner.Publish(time.Now())
	return s, nil
}

// first applies the configuration that supd starts with. The owner does not run
// yet.
func (s *Supervisor) first(c *configs.Config) error {
	if err := s.files.KeepIn(c.Daemon.Runtime.Output()); err != nil {
		return err
	}
	p := s.preparer(c, nil).all(nil)
	s.owner.Last(s.host.lasting.read())
	left, err := s.host.inherit()
	if err == nil {
		err = s.owner.Apply(p.Prepared)
	}
	if err != nil {
		p.leave()
		return err
	}
	s.files.GoOn(left.logs)
	s.host.sockets.warn(left.recorded)
	for _, one := range p.Apps {
		s.resumeRollout(c, one, left.recorded)
	}
	s.takeOver(c, p, left)
	s.host.statsd.Settle()
	if err := s.files.WriteRest(func(launch, log string) string { return logPath(c, launch, log) }); err != nil {
		s.log.Error("what an earlier supd has left of the output of workers that are gone", "error", err)
	}
	return nil
}

// resumeRollout plans the rollout of an app that an earlier supd has not brought to
// its end.
func (s *Supervisor) resumeRollout(c *configs.Config, one engine.App, crashed bool) {
	if one.State.Rollout == nil {
		return
	}
	target, err := s.targetOf(c, one)
	s.owner.Unfinished(one.Config.Name, crashed, target, err)
}

// targetOf prepares what the unfinished rollout of an app goes to, or says that its disk
// does not answer.
func (s *Supervisor) targetOf(c *configs.Config, one engine.App) (engine.App, error) {
	var target engine.App
	var err error
	if !s.preparer(c, nil).answers(one.Config.Name, func() { target, err = s.target(c, one) }) {
		return engine.App{}, errFiles
	}
	return target, err
}

func (s *Supervisor) target(c *configs.Config, one engine.App) (engine.App, error) {
	rollout, place, app := one.State.Rollout, one.State.Target, one.Config.Name
	to, err := s.store.Get(app, rollout.To)
	if err == nil && place != nil && to.Files() != place.Files {
		err = fmt.Errorf("%s was registered anew meanwhile", rollout.To)
	}
	if err != nil {
		return engine.App{}, err
	}
	return s.prepareRelease(c, app, to)
}

// finish ends the rollouts that were under way of apps that an earlier supd has had,
// and this one only has now.
func (s *Supervisor) finish(p prepared) {
	for _, one := range p.Apps {
		if one.Journal != nil && one.State.Rollout != nil {
			target, err := s.targetOf(p.Config, one)
			s.owner.Post(func(o *engine.Owner) { o.Abandoned(one.Config.Name, target, err) })
		}
	}
}
