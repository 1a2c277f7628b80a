package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"supd/supervisor/api"
)

// States of supervisord.
const (
	oldStopped  = "STOPPED"
	oldStarting = "STARTING"
	oldRunning  = "RUNNING"
	oldBackoff  = "BACKOFF"
	oldStopping = "STOPPING"
	oldExited   = "EXITED"
	oldFatal    = "FATAL"
	oldNoState  = "UNKNOWN"
)

// oldStates are supervisord's words for ours. What is unhealthy runs: that it does not
// answer is more than supervisord knows.
var oldStates = map[api.State]string{
	api.Starting: oldStarting, api.Running: oldRunning, api.Unhealthy: oldRunning, api.Stopping: oldStopping,
	api.Backoff: oldBackoff, api.Exited: oldExited, api.Failed: oldFatal, api.Stopped: oldStopped,
}

func (l *listed) state() string {
	if l.worker == nil {
		return oldNoState
	}
	if state, is := oldStates[l.worker.State]; is {
		return state
	}
	return oldNoState
}

// details are the third column.
func (l *listed) details(now time.Time) string {
	w := l.worker
	switch state := l.state(); {
	case w == nil:
		return l.app.Note
	case state == oldRunning && w.StartedAt != nil:
		return fmt.Sprintf("pid %d, uptime %s", w.Pid, clock(now.Sub(*w.StartedAt)))
	case state == oldStarting || state == oldStopping:
		return ""
	case w.LastExit == nil && state == oldStopped:
		return "Not started"
	case w.LastExit == nil:
		return cmp.Or(w.Note, l.app.Note)
	case (state == oldBackoff || state == oldFatal) && w.LastExit.Code >= 0:
		return "Exited too quickly (" + w.LastExit.Reason + ")"
	case state == oldBackoff || state == oldFatal:
		return w.LastExit.Reason
	}
	return w.LastExit.At.Local().Format("Jan 02 03:04 PM")
}

// oldNameWidth is that of the first column, unless a name is longer.
const oldNameWidth = 30

func (o *old) status(ctx context.Context, names []string) error {
	all, err := o.listing(ctx)
	if err != nil {
		return err
	}
	shown := all
	if len(names) > 0 {
		shown = nil
		for _, w := range all.asked(names) {
			if len(w.all) == 0 {
				o.missing(w, oldUnknown)
			}
			shown = append(shown, w.all...)
		}
	}
	width := oldNameWidth
	for _, l := range shown {
		width = max(width, len(l.String()))
	}
	for _, l := range shown {
		o.say("%-*s%-10s%s", width+3, l, l.state(), printable(l.details(time.Now())))
		switch l.state() {
		case oldStopped, oldExited, oldFatal, oldNoState:
			o.code = oldDead
		}
	}
	return nil
}

func (o *old) pid(ctx context.Context, names []string) error {
	if len(names) == 0 {
		v, err := o.client().Version(ctx)
		if err == nil {
			o.say("%d", v.Pid)
		}
		return err
	}
	all, err := o.listing(ctx)
	if err != nil {
		return err
	}
	for _, w := range all.asked(names) {
		if len(w.all) == 0 {
			o.say("No such process %s", w.name)
			o.code = oldFailed
		}
		for _, l := range w.all {
			pid := 0
			if l.worker != nil {
				pid = l.worker.Pid
			}
			o.say("%d", pid)
			if pid == 0 && !w.isGroup {
				o.code = oldNotRunning
			}
		}
	}
	return nil
}

// avail lists what is configured, whether it is applied or not, by the processes' names.
func (o *old) avail(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return o.usage(oldFailed, "avail takes no argument")
	}
	all, err := o.listing(ctx)
	if err != nil {
		return err
	}
	var lines []availLine
	for _, l := range all {
		lines = append(lines, availLine{l.group, l.name, "in use", l.process != nil && l.process.Autostart})
	}
	changes, err := o.client().Diff(ctx)
	if err != nil {
		o.because("avail", "what is not applied is left out: "+err.Error())
		changes = &api.Changes{}
	}
	o.writeAvail(append(lines, available(changes)...))
	return nil
}

// available lists what an apply would add.
func available(changes *api.Changes) (lines []availLine) {
	for _, a := range changes.Apps {
		if a.Kind != api.AppAdded {
			continue
		}
		counts := map[string]int{}
		for _, w := range a.Workers {
			process, _ := slotOf(w.Name)
			counts[process]++
		}
		for _, w := range a.Workers {
			process, slot := slotOf(w.Name)
			lines = append(lines, availLine{a.Name, oldProcess(process, slot, counts[process]), "avail", w.What == api.FateStart})
		}
		if len(a.Workers) == 0 {
			lines = append(lines, availLine{a.Name, a.Name, "avail", false})
		}
	}
	return lines
}

// slotOf takes the name of a worker apart.
func slotOf(worker string) (process string, slot int) {
	_, rest, _ := strings.Cut(worker, "/")
	process, number, _ := cutLast(rest, ".")
	slot, _ = strconv.Atoi(number)
	return process, slot
}
