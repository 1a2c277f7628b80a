package supervisor

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop"
	"supd/privdrop/attend"
	"supd/supervisor/api"
	"supd/supervisor/engine"
	"supd/supervisor/launch"
)

// Caller is who waits for a command that supd runs for him.
type Caller struct {
	// Files are to be the standard descriptors of the command. Whatever they are, they are
	// passed on and closed, and nothing else.
	Files   []int
	Signals <-chan unix.Signal // for the command; closed once the caller is gone
}

// RunFor runs a command for somebody who may run commands of the app, and waits for its
// end. meet is called once it is known what is to be launched, and at most once. The error
// is a *CommandError, or that of meet. What the command has started does not outlive it.
func (s *Supervisor) RunFor(r api.CommandRequest, meet func() (Caller, error)) (*api.CommandEnd, error) {
	log := s.log.With("app", r.App, "process", r.Process, "program", firstWord(r.Argv), "by", r.By)
	c := &engine.Command{App: r.App, By: r.By, Stops: make(chan struct{})}
	refused, err := engine.Ask(s.owner, func(o *engine.Owner) error { return o.AdmitCommand(c) })
	if err = errors.Join(refused, err); err != nil {
		log.Warn("command refused", "error", err)
		return nil, &CommandError{api.CodeFailed, err}
	}
	spec, err := s.guestSpec(r)
	var caller Caller
	if err == nil {
		c.UID = spec.Account.UID
		caller, err = meet()
	}
	if err != nil {
		log.Warn("command refused", "error", err)
		s.owner.Post(func(o *engine.Owner) { o.CommandGone(c) })
		return nil, err
	}
	g := &guest{host: s.host, owner: s.owner, command: c, log: log, reaped: make(chan struct{})}
	return g.run(spec, caller)
}

// firstWord is the part of a command that the log tells: the others may be secret.
func firstWord(argv []string) string { return argv[0][:min(len(argv[0]), 200)] }

// Commands tells which commands run for somebody.
func (s *Supervisor) Commands() []string {
	all, _ := engine.Ask(s.owner, (*engine.Owner).Commands) // none of a supd that has ended
	return all
}

// guestSpec is how the command is to be launched, by the configuration that was applied
// last.
func (s *Supervisor) guestSpec(r api.CommandRequest) (none privdrop.Spec, err error) {
	c := s.newest.Load()
	if a := c.App(r.App); a == nil || !a.AllowRun {
		return none, &CommandError{api.CodeDenied, fmt.Errorf("allow_run is not set for %s", r.App)}
	}
	what := Command{App: r.App, Process: r.Process, Version: r.Version, Argv: r.Argv}
	if r.Term != "" {
		what.Env = []string{"TERM=" + r.Term}
	}
	return what.Spec(c)
}

// guest is a command that runs for somebody. It lives in the goroutine of whoever asks for it.
type guest struct {
	host     *host
	owner    *engine.Owner
	command  *engine.Command
	log      *slog.Logger
	launched *launch.GuestCommand
	process  *privdrop.Process
	exit     engine.Exit   // once it is reaped
	reaped   chan struct{} // closed then, or when it was not started
}

func (g *guest) run(spec privdrop.Spec, caller Caller) (*api.CommandEnd, error) {
	begin := time.Now()
	err := g.start(spec, caller.Files)
	go g.leave(caller.Files)
	if err != nil {
		close(g.reaped)
		g.log.Warn("command not started", "error", err)
		return nil, &CommandError{api.CodeNotStarted, err}
	}
	defer g.process.Close()
	g.log.Info("command", "pid", g.process.Pid)
	ended := g.attend(caller.Signals)
	g.host.sweepTask(g.launched.Left(), g.log, "a command")
	g.cleanUp()
	g.owner.Post(func(o *engine.Owner) { o.CommandEnded(g.command) })
	if !ended {
		g.log.Error("a command does not end", "pid", g.process.Pid)
		return nil, &CommandError{api.CodeFailed, fmt.Errorf("pid %d does not end, not even by KILL; does it wait for a disk?", g.process.Pid)}
	}
	g.log.Info("command ended", "pid", g.process.Pid, "how", g.exit.String(), "took", time.Since(begin).Round(time.Millisecond))
	return &api.CommandEnd{ExitCode: g.exit.Code, Signal: int(g.exit.Signal)}, nil
}

// start launches the command as a task of the owner.
func (g *guest) start(spec privdrop.Spec, files []int) (err error) {
	if g.launched, err = g.host.launcher.Guest(spec, g.command.App, files); err != nil {
		return err
	}
	refused, err := engine.Ask(g.owner, func(o *engine.Owner) error { return o.CommandStarts(g.command) })
	if err = errors.Join(refused, err); err != nil {
		g.cleanUp()
		return err
	}
	if g.process, err = g.launched.Start(); err != nil {
		g.owner.Post(func(o *engine.Owner) { o.CommandFailed(g.command) })
		g.cleanUp()
		return err
	}
	g.host.deaths.watch(g.process.Fd())
	ended := make(chan engine.Exit, 1)
	g.owner.Post(func(o *engine.Owner) {
		g.command.Pid = g.process.Pid
		o.TaskStarted(g.process.Pid, g.process.Alive, ended)
	})
	go func() {
		select {
		case g.exit = <-ended:
			close(g.reaped)
		case <-g.owner.Done():
		}
	}()
	return nil
}

func (g *guest) cleanUp() {
	if err := g.launched.Close(); err != nil {
		g.log.Warn("cleaning up after a command", "error", err)
	}
}

// leave closes the command's descriptors, and gives its place back once it is reaped. Who
// has opened a file may let its close take as long as he likes, which takes a thread each
// time; so it counts as long as that.
func (g *guest) leave(files []int) {
	closeAll(files)
	select {
	case <-g.reaped:
	case <-g.owner.Done():
	}
	g.owner.Post(func(o *engine.Owner) { o.CommandGone(g.command) })
}

// What a command gets whose caller is gone, and when supd is to stop; KILL comes then. A
// shell at a terminal does not heed TERM.
var (
	goneSteps = []configs.StopStep{{Signal: unix.SIGHUP, Wait: 5 * time.Second}}
	stopSteps = []configs.StopStep{{Signal: unix.SIGTERM, Wait: 10 * time.Second}, {Signal: unix.SIGHUP, Wait: 5 * time.Second}}
)

// killTime is how long the end of a command is waited for that was killed.
const killTime = 10 * time.Second

// attend passes signals on until the command has ended, and reports whether it has.
func (g *guest) attend(signals <-chan unix.Signal) (ended bool) {
	var steps []configs.StopStep
	var next <-chan time.Time
	killed, stops := false, g.command.Stops
	step := func() {
		if killed = len(steps) == 0; killed {
			g.signalAll(unix.SIGKILL)
			next = time.After(killTime)
			return
		}
		g.signalAll(steps[0].Signal)
		g.signalAll(unix.SIGCONT) // it may have been stopped
		next, steps = time.After(steps[0].Wait), steps[1:]
	}
	for {
		select {
		case <-g.reaped:
			return true
		case <-g.owner.Done():
			return false
		case sig, there := <-signals:
			if there {
				g.pass(sig)
				continue
			}
			signals, steps = nil, goneSteps
			g.log.Warn("who has asked for a command is gone, and it is ended", "pid", g.process.Pid)
			step()
		case <-stops:
			if stops = nil; signals != nil { // else it is about to end
				steps = stopSteps
				step()
			}
		case <-next:
			if killed {
				return false
			}
			step()
		}
	}
}

// pass gives the command a signal of its caller's.
func (g *guest) pass(sig unix.Signal) {
	to := g.process.Pid
	sig, all := attend.Route(sig)
	if all {
		to = -to
	}
	g.host.signalTask(g.process.Pid, to, sig)
	if attend.Ends(sig) {
		g.signalAll(unix.SIGCONT)
	}
}

func (g *guest) signalAll(sig unix.Signal) { g.host.signalTask(g.process.Pid, -g.process.Pid, sig) }
