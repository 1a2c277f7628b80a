package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"supd/supervisor/api"
	"supd/supervisor/release"
)

func (c *call) status() *cobra.Command {
	watch := false
	cmd := &cobra.Command{
		Use:   "status [TARGET…]",
		Short: "Show what runs, a worker a line",
		Long: "Show what runs, a worker a line. Of a process that is named alone it shows the last lines as\n" +
			"well, on standard error like all that is no line of a worker.\n\n" +
			"It exits with 3 if something is not as wished: if it does not run, and is no one-off\n" +
			"(autostart = false) that has never run or has ended well.",
		ValidArgsFunction: c.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			if watch {
				return c.watch(cmd, args)
			}
			s, err := c.client().Status(cmd.Context(), args...)
			if err != nil {
				return err
			}
			c.worst(codeOf(s))
			if err := c.show(s); err != nil || c.json {
				return err
			}
			c.lastLines(cmd.Context(), s, args)
			return nil
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "show it again whenever it changes, until interrupted")
	return cmd
}

// statusLines is how many of the last lines of a process status shows.
const statusLines = 10

// lastLines shows what a process has printed last, where it is the one that was named.
func (c *call) lastLines(ctx context.Context, s *api.Status, targets []string) {
	if !namesProcess(targets) || len(s.Apps) != 1 || len(s.Apps[0].Processes) != 1 {
		return
	}
	lines, err := c.tail(ctx, s.Apps[0].Name+"/"+s.Apps[0].Processes[0].Name, statusLines)
	switch {
	case codeOfError(err) == api.CodeDenied: // the state is what was asked for
		return
	case err != nil: // it says where to look
		lines = []string{err.Error()}
	}
	c.quote(lines)
}

// namesProcess reports whether each of the targets says which process it is about.
func namesProcess(targets []string) bool {
	names := func(text string) bool {
		t, err := api.ParseTarget(text)
		return err == nil && t.NamesProcess()
	}
	return len(targets) > 0 && !slices.ContainsFunc(targets, func(text string) bool { return !names(text) })
}

// codeOf is 3 when anything is not as wished, or runs an older configuration than the
// one that was applied.
func codeOf(s *api.Status) int {
	for _, a := range s.Apps {
		if a.Note != "" {
			return api.CodeNotRunning
		}
	}
	for w := range s.Workers() {
		if !w.AsWished && w.State != api.Running || w.Behind != nil { // a supd of another version does not say so
			return api.CodeNotRunning
		}
	}
	return api.CodeDone
}

// watch shows the status at each change. An interrupt is its normal end.
func (c *call) watch(cmd *cobra.Command, targets []string) error {
	ctx, first := cmd.Context(), true
	err := c.client().Watch(ctx, targets, func(s *api.Status) error {
		switch {
		case c.json:
		case isTerminal(c.out):
			_ = draw(c.out, "\x1b[H\x1b[2J") // cursor home, erase the screen: ECMA-48
		case !first:
			fmt.Fprintln(c.out)
		}
		first = false
		return c.show(s)
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (c *call) show(s *api.Status) error {
	if c.json {
		return c.print(s)
	}
	width := unlimited
	if isTerminal(c.out) {
		width, _ = sizeOf(c.out)()
	}
	whole := writeStatus(c.out, s, time.Now(), width, c.colored())
	writeApps(c.err, s, whole)
	writeFiles(c.err, s, time.Now())
	return nil
}

// lasting says what was asked of a process for good.
func lasting(l *api.Lasting) string {
	what := "stopped"
	if l.Up {
		what = "started"
	}
	return fmt.Sprintf("stays %s, also under the next supd (--persist, by %s, %s)", what, printable(l.By), clockOrDay(l.At, time.Now()))
}

// writeApps writes what concerns an app as a whole. It does not go to standard
// output, from which scripts read a line a worker. What a worker's line has said whole is
// not said again.
func writeApps(w io.Writer, s *api.Status, whole []string) {
	if len(s.Apps) == 0 {
		fmt.Fprintln(w, "nothing runs: no app is configured")
	}
	for _, a := range s.Apps {
		for _, p := range a.Processes {
			switch {
			case p.Scaled > 0:
				fmt.Fprintf(w, "%s/%s   scaled to %d until the next apply; count = %d\n", a.Name, p.Name, p.Scaled, p.Count)
			case p.Lasting != nil:
				fmt.Fprintf(w, "%s/%s   %s\n", a.Name, p.Name, lasting(p.Lasting))
			case p.Count == 0 && len(p.Workers) == 0:
				fmt.Fprintf(w, "%s/%s   has no workers: count = 0\n", a.Name, p.Name)
			}
		}
		if r := a.Rollout; r != nil && !r.Ended() {
			fmt.Fprintf(w, "%s   %s %s: %s\n", a.Name, r.Kind, fromTo(r.From, r.To), stepOf(a))
		}
		if a.Held != nil {
			fmt.Fprintf(w, "%s   held by %s: %s\n", a.Name, a.Held.By, cmp.Or(printable(a.Held.Reason), "no reason given"))
		}
		if a.Note != "" && a.State != api.Invalid && !isSaid(a, whole) { // the first has a line of its own
			fmt.Fprintf(w, "%s   %s\n", a.Name, printable(a.Note))
		}
	}
}

// isSaid reports whether the line of a worker says what keeps its app from running.
func isSaid(a api.AppStatus, whole []string) bool {
	why := a.Note
	if _, after, is := strings.Cut(why, "cannot be started: "); is {
		why = after
	}
	return slices.ContainsFunc(whole, func(line string) bool {
		return strings.HasPrefix(line, a.Name+"/") && strings.Contains(line, printable(why))
	})
}

// stepOf says how far the rollout of an app has come.
func stepOf(a api.AppStatus) string {
	if a.Rollout.Step == release.StepPaused {
		return paused(a.Name, a.Rollout.Reason)
	}
	return string(a.Rollout.Step)
}

// fromTo gives `1.4.0 → 1.5.0`.
func fromTo(from, to string) string {
	if from == "" {
		return to
	}
	return from + " → " + to
}

// writeStatus writes a line for each worker, in columns, and before them one for each
// app that is left out. Of several lines those that are longer than width are cut; of one
// worker all is told. It gives the workers' lines that are whole.
func writeStatus(w io.Writer, s *api.Status, now time.Time, width int, colored bool) (whole []string) {
	name, state := 0, 0
	for worker := range s.Workers() {
		name, state = max(name, len(worker.Name)), max(state, len(worker.State))
	}
	var lines []string
	line := func(who string, what api.State, more string) {
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%-*s   %-*s   %s", name, printable(who), state, what, more), " "))
	}
	var states []api.State
	for _, a := range s.Apps {
		if a.State == api.Invalid {
			line(a.Name, a.State, printable(a.Note))
			states = append(states, a.State)
		}
	}
	for worker := range s.Workers() {
		line(worker.Name, worker.State, details(worker, now))
		states = append(states, worker.State)
		if last := lines[len(lines)-1]; cut(last, width) == last {
			whole = append(whole, last)
		}
	}
	var b strings.Builder
	for i, text := range lines {
		if len(lines) > 1 {
			text = cut(text, width)
		}
		if colored {
			text = paint(text, states[i])
		}
		b.WriteString(text + "\n")
	}
	_ = draw(w, b.String()) // written tells
	return whole
}

// details is the rest of a worker's line.
func details(w *api.WorkerStatus, now time.Time) string {
	text := history(w, now)
	if w.Pid != 0 {
		text = life(w, now)
	}
	if note := remarks(w, now); note != "" {
		text = strings.TrimLeft(text+" ("+note+")", " ")
	}
	return printable(text)
}

// life describes the process of a worker.
func life(w *api.WorkerStatus, now time.Time) string {
	text := fmt.Sprintf("pid %d", w.Pid)
	if w.StartedAt != nil {
		text += ", uptime " + clock(now.Sub(*w.StartedAt))
	}
	if w.Release != "" {
		text += ", release " + w.Release
	}
	switch {
	case w.State == api.Starting && w.LastExit != nil && w.Restarts > 0: // it may never become ready
		text += tryOf(w, ", try %d") + "; before: " + history(w, now)
	case w.Restarts > 0:
		text += ", " + restarts(w)
		if w.LastExit != nil {
			text += ", last: " + ended(w, now)
		}
	}
	return text
}

// ended says how the last worker of a slot has ended, and when.
func ended(w *api.WorkerStatus, now time.Time) string {
	return fmt.Sprintf("%s %s ago", w.LastExit.Reason, coarse(now.Sub(w.LastExit.At)))
}

// restarts gives "1 restart", "7 restarts".
func restarts(w *api.WorkerStatus) string {
	if w.Restarts == 1 {
		return "1 restart"
	}
	return fmt.Sprintf("%d restarts", w.Restarts)
}

// tryOf tells which try to start a worker this is, unless it is the first.
func tryOf(w *api.WorkerStatus, format string) string {
	if w.Try < 2 {
		return ""
	}
	return fmt.Sprintf(format, w.Try)
}

// history says why a worker has no process, and when it gets one.
func history(w *api.WorkerStatus, now time.Time) string {
	var parts []string
	if w.LastExit != nil {
		parts = append(parts, ended(w, now))
	}
	if w.Restarts > 0 {
		parts = append(parts, restarts(w))
	}
	if w.NextStart != nil {
		parts = append(parts, "next in "+coarse(w.NextStart.Sub(now))+tryOf(w, " (try %d)"))
	}
	return strings.Join(parts, ", ")
}

// clock gives "0:01:02", or "3 days, 4:05:06".
func clock(d time.Duration) string {
	seconds := max(0, int(d.Seconds()))
	text := fmt.Sprintf("%d:%02d:%02d", seconds/3600%24, seconds/60%60, seconds%60)
	switch days := seconds / 86400; days {
	case 0:
		return text
	case 1:
		return "1 day, " + text
	default:
		return fmt.Sprintf("%d days, %s", days, text)
	}
}

// coarse gives a duration in its largest unit: "12s", "5m", "3h", "2d".
func coarse(d time.Duration) string {
	day := 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(0, int(d.Round(time.Second).Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 2*day:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", d/day)
	}
}
