package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"supd/configs/convert"
)

// titles are the headings of the kinds of notes.
var titles = map[convert.Kind]string{
	convert.ByHand:    "To be done by hand",
	convert.AsRoot:    "Runs as root",
	convert.Different: "Converted, and means something else",
	convert.Never:     "Had no effect before, or another one than meant",
	convert.Dropped:   "Left out, and nothing has to be done",
	convert.Converted: "Converted, and good to know",
	convert.Host:      "What supctl check says on this machine",
}

// report prints what a conversion has come to, to standard error.
func (v *converting) report(r *convert.Report) {
	programs := "programs"
	if r.Programs == 1 {
		programs = "program"
	}
	fmt.Fprintf(v.err, "%d %s: %d as before, %d with a difference, %d by hand\n", r.Programs, programs, r.Clean, r.Changed, r.Hand)
	for _, kind := range convert.Kinds {
		v.notes(kind, r)
	}
	if r.Daemon != "" {
		fmt.Fprintf(v.err, "\nFor supd.toml:\n%s", indent(r.Daemon))
	}
	v.names(r.Names)
}

func (v *converting) notes(kind convert.Kind, r *convert.Report) {
	title := titles[kind]
	for _, n := range r.Notes {
		if n.Kind != kind {
			continue
		}
		if title != "" {
			fmt.Fprintf(v.err, "\n%s:\n", title)
			title = ""
		}
		fmt.Fprintf(v.err, "- %s%s\n", printable(n.Text), concerning(n, r.Programs))
	}
}

// mostLines are named for a note.
const mostLines = 4

// concerning names the programs of a note, or how many they are, and its lines.
func concerning(n convert.Note, of int) string {
	text := ""
	switch {
	case len(n.Programs) == of && of > 1:
		text += "\n    all programs"
	case len(n.Programs) > 0:
		text += "\n    " + printable(strings.Join(n.Programs, ", "))
	}
	switch lines := n.Lines; {
	case len(lines) > mostLines:
		text += fmt.Sprintf(" (%s and %d more lines)", strings.Join(lines[:mostLines], ", "), len(lines)-mostLines)
	case len(lines) > 0:
		text += " (" + strings.Join(lines, ", ") + ")"
	}
	return text
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
}

func (v *converting) names(names []convert.Name) {
	if len(names) == 0 {
		return
	}
	fmt.Fprintln(v.err, "\nOld names, and what they are for supctl:")
	w := tabwriter.NewWriter(v.err, 0, 0, 2, ' ', 0)
	for _, n := range names {
		fmt.Fprintf(w, "    %s\t%s\n", printable(n.Old), n.Target)
	}
	w.Flush()
}
