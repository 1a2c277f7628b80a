package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"supd/configs"
	"supd/supervisor/api"
)

// wouldChange prints what an apply would change.
func (c *call) wouldChange(changes *api.Changes) {
	width := 0
	for _, a := range changes.Apps {
		width = max(width, len(a.Name))
		for _, w := range a.Workers {
			width = max(width, len(w.Name))
		}
	}
	for _, a := range changes.Apps {
		if isOfItself(a) {
			c.line(width, a.Name, string(a.Kind), appDetails(a))
		}
		for _, w := range a.Workers {
			c.line(width, w.Name, string(w.What), because(w, strings.ToLower(string(w.State))))
		}
		if a.Note != "" {
			c.warn("%s: %s", a.Name, printable(a.Note))
		}
	}
	c.ofDaemon(changes)
	if changes.IsEmpty() {
		fmt.Fprintln(c.out, "nothing would change")
	}
}

// line is one of three columns.
func (c *call) line(width int, name, what, details string) {
	fmt.Fprintln(c.out, strings.TrimRight(fmt.Sprintf("%-*s   %-7s   %s", width, name, what, printable(details)), " "))
}

// isOfItself reports whether there is more to be said of an app than of its workers.
func isOfItself(a api.AppChange) bool { return a.Kind != api.AppChanged || appDetails(a) != "" }

// appDetails are what is said of an app as a whole.
func appDetails(a api.AppChange) string {
	parts := settingsOf(a.Keys)
	switch {
	case a.Deferred:
		parts = append(parts, "after the rollout that is under way")
	case a.Kind == api.AppAdded:
		parts = append(parts, a.File)
	case a.Kind == api.AppRemoved && a.File != "":
		parts = append(parts, a.File+" is gone")
	}
	return strings.Join(parts, "; ")
}

// because says why something becomes of a worker; first is said before, if it is anything.
func because(w api.WorkerChange, first string) string {
	var parts []string
	for _, part := range slices.Concat([]string{first}, settingsOf(w.Keys), []string{w.Why}) {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "; ")
}

func settingsOf(keys []configs.KeyChange) (parts []string) {
	for _, k := range keys {
		text := k.Key + ": " + orUnset(k.Old) + " → " + orUnset(k.New)
		if k.Old == k.New {
			text = k.Key + ": " + k.New + ", a hidden part has changed"
		}
		parts = append(parts, text)
	}
	return parts
}

func orUnset(text string) string {
	if text == "" {
		return "unset"
	}
	return text
}

func (c *call) ofDaemon(changes *api.Changes) {
	for _, part := range settingsOf(changes.Daemon) {
		c.warn("supd.toml: %s; this counts from the next start of supd on (`supctl reexec`)", printable(part))
	}
}

// hasChanged prints what an apply has changed, and what has become of it.
func (c *call) hasChanged(r *api.Result, detached bool) {
	became := map[string]api.Outcome{}
	for _, o := range r.Outcomes {
		became[o.Name] = o
	}
	shown := map[string]bool{}
	for _, a := range r.Changes.Apps {
		shown[a.Name] = true
		if isOfItself(a) {
			fmt.Fprintln(c.out, printable(strings.TrimRight(fmt.Sprintf("%s: %s, %s", a.Name, a.Kind, appDetails(a)), ", ")))
		}
		if o, is := became[a.Name]; is {
			c.outcomes(&api.Result{Outcomes: []api.Outcome{o}})
		} else if a.Note != "" {
			c.warn("%s: %s", a.Name, printable(a.Note))
		}
		for _, w := range a.Workers {
			shown[w.Name] = true
			c.becameOf(w, became, detached)
		}
	}
	c.ofDaemon(r.Changes)
	if r.Changes.IsEmpty() {
		fmt.Fprintln(c.out, "nothing has changed")
	}
	for _, o := range r.Outcomes { // what is held back, or others have begun
		if !shown[o.Name] {
			c.outcomes(&api.Result{Outcomes: []api.Outcome{o}})
		}
	}
}

// becameOf prints what has become of a worker, and why.
func (c *call) becameOf(w api.WorkerChange, became map[string]api.Outcome, detached bool) {
	why := because(w, "")
	if why != "" {
		why = " (" + why + ")"
	}
	switch o, is := became[w.Name]; {
	case is:
		o.Message += why
		c.outcomes(&api.Result{Outcomes: []api.Outcome{o}})
	case w.What == api.FateKeep:
		fmt.Fprintf(c.out, "%s: goes on%s\n", w.Name, printable(why))
	case w.What == api.FateStay:
		fmt.Fprintf(c.out, "%s: stays %s%s\n", w.Name, strings.ToLower(string(w.State)), printable(why))
	case detached:
		fmt.Fprintf(c.out, "%s: %s%s\n", w.Name, begun[w.What], printable(why))
	}
}

// begun are words for what is under way.
var begun = map[api.WorkerFate]string{api.FateStart: "starts", api.FateStop: "stops", api.FateReplace: "is being replaced"}

// refusal says of the last apply that was refused by whom, when and why, and what to do;
// "" where there was none.
func refusal(s *api.Status, now time.Time) string {
	r := s.Refused
	if r == nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(r.Why), "\n")
	more := ""
	if len(lines) > 1 {
		more = fmt.Sprintf("; and %d more, `supctl check` shows all", len(lines)-1)
	}
	return fmt.Sprintf("not applied: what %s asked for at %s: %s%s", r.By, clockOrDay(r.At, now), lines[0], more)
}

// unapplied says how a file differs from what was applied, and what to do.
func unapplied(f configs.File) string {
	app := ""
	if f.App != "" {
		app = " " + f.App
	}
	state := map[configs.FileState]string{
		configs.FileNew: "was never applied", configs.FileChanged: "has changed since it was applied", configs.FileGone: "is gone since it was applied",
	}[f.State]
	return fmt.Sprintf("%s %s; `supctl diff%s` shows what `supctl apply%s` would do", f.Path, state, app, app)
}

// writeFiles writes what of the configuration is not applied. Like writeApps it does not
// go to standard output.
func writeFiles(w io.Writer, s *api.Status, now time.Time) {
	if text := refusal(s, now); text != "" {
		fmt.Fprintln(w, printable(text))
	}
	for _, f := range s.Files {
		fmt.Fprintln(w, printable(unapplied(f)))
	}
}
