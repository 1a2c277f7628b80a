package engine

import (
	"errors"
	"fmt"
	"slices"
)

var (
	errStopping = errors.New("supd is stopping")
	errGivesWay = errors.New("supd is about to be replaced by the installed one; try again")
	errClearing = errors.New("what the last worker of this user has left in the background is being killed; try again")
)

// mostCommands is how many commands one app may have at a time.
const mostCommands = 4

// Command is a task that somebody else has asked for, who waits for its end. supd does not
// end before it, nor gives way to another supd, which would know nothing of it.
type Command struct {
	App   string
	UID   int           // whom it runs as; set before CommandStarts
	Pid   int           // 0: it does not run yet
	By    string        // who has asked for it
	Stops chan struct{} // closed once supd is to stop

	runs, gone bool
}

// AdmitCommand finds a place for a command, which it has until CommandGone.
func (o *Owner) AdmitCommand(c *Command) error {
	count := 0
	for other := range o.commands {
		if other.App == c.App {
			count++
		}
	}
	if count >= mostCommands {
		return fmt.Errorf("%s has %d commands already, as many as it may have at a time; wait for one of them to end", c.App, count)
	}
	o.commands[c] = true
	return nil
}

// CommandGone gives the place back, once nothing runs any more of the command.
func (o *Owner) CommandGone(c *Command) {
	if c.gone = true; !c.runs {
		delete(o.commands, c)
	}
}

// CommandStarts says that a command is about to be started. CommandFailed follows, or
// TaskStarted and in the end CommandEnded.
func (o *Owner) CommandStarts(c *Command) error {
	u := o.userOf(c.UID)
	switch {
	case o.quitting:
		return errStopping
	case o.frozen != nil:
		return errGivesWay
	case u.clearing: // it would be taken for one of what is killed
		return errClearing
	}
	c.runs = true
	u.commands++ // what it has started is not a worker's
	o.TaskStarts()
	return nil
}

// CommandFailed says that the command was not started after all.
func (o *Owner) CommandFailed(c *Command) {
	o.TaskFailed()
	o.CommandEnded(c)
}

// CommandEnded says that nothing runs any more of the command.
func (o *Owner) CommandEnded(c *Command) {
	c.runs = false
	u := o.userOf(c.UID)
	if u.commands--; u.strays.Count > 0 { // that were seen before it began
		o.clearIdle(u)
	}
	if c.gone {
		delete(o.commands, c)
	}
}

// Commands are those that run, as people are told of them.
func (o *Owner) Commands() (all []string) {
	for c := range o.commands {
		if c.runs {
			all = append(all, fmt.Sprintf("pid %d of %s, for %s", c.Pid, c.App, c.By))
		}
	}
	slices.Sort(all)
	return all
}

// runsCommands reports whether a command runs, or is about to.
func (o *Owner) runsCommands() bool {
	for c := range o.commands {
		if c.runs {
			return true
		}
	}
	return false
}

// stopCommands tells those that run that supd is to stop.
func (o *Owner) stopCommands() {
	for c := range o.commands {
		if c.runs {
			close(c.Stops)
		}
	}
}
