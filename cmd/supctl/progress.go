package main

import (
	"context"
	"fmt"
	"io"

	"supd/supervisor/control"
	"supd/supervisor/release"
)

// shown chooses how a rollout is shown.
func (c *call) shown(ctx context.Context, f *followed) shown {
	switch {
	case c.json:
		return documents{c}
	case isTerminal(c.out) && ansi():
		return newTerminal(ctx, c, f)
	default:
		return &lines{out: c.out, pids: map[string]int{}}
	}
}

// documents shows a rollout as the JSON lines of the API.
type documents struct{ call *call }

func (d documents) add(l control.RolloutLine) { _ = d.call.print(l) } // it fails if the reader has gone

func (d documents) note(text string) { d.call.warn("%s", text) }

func (d documents) close() {}

// lines shows a rollout, one thing a line.
type lines struct {
	out  io.Writer
	pids map[string]int // by worker, as last shown
}

func (s *lines) add(l control.RolloutLine) {
	if l.Progress == nil || l.Step == release.StepDone { // the verdict comes next
		return
	}
	fmt.Fprintf(s.out, "%s %s %s: %s\n", l.At.Local().Format("15:04:05"), l.Step, subject(l), s.message(l))
}

func (s *lines) note(text string) { fmt.Fprintln(s.out, text) }

func (s *lines) close() {}

// subject is the worker that a line is about, or the app if it is about all of it.
func subject(l control.RolloutLine) string {
	if l.Worker == "" {
		return l.App
	}
	return l.Worker
}

// message names the pid of each process once.
func (s *lines) message(l control.RolloutLine) string {
	if l.Pid == 0 || l.Pid == s.pids[l.Worker] {
		return printable(l.Message)
	}
	s.pids[l.Worker] = l.Pid
	return fmt.Sprintf("%s, pid %d", printable(l.Message), l.Pid)
}
