package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"supd/supervisor/api"
	"supd/supervisor/control"
	"supd/supervisor/release"
)

// board is what a terminal shows of a rollout.
type board struct {
	app     string
	rollout control.RolloutLine // the newest line: where it stands
	step    release.Step
	message string // about all of it
	note    string // about the connection
	rows    []*row // in the order of the status; before there is one, as they appeared in the rollout
	final   bool
}

// row is a worker.
type row struct {
	name    string
	status  api.WorkerStatus // of its serving process
	message string
	since   time.Time // when its replacement began
	settled time.Time // when its replacement ended
}

func newBoard(app string, r *api.RolloutStatus) board {
	return board{app: app, step: r.Step, rollout: control.RolloutLine{App: app, ID: r.ID, Kind: r.Kind, From: r.From, To: r.To, StartedAt: r.StartedAt}}
}

// add enters a line of the rollout.
func (b *board) add(l control.RolloutLine) {
	b.rollout, b.note = l, ""
	switch {
	case l.Progress == nil || l.Step == release.StepDone: // the verdict comes next
		b.step, b.message = release.StepDone, ""
	case l.Worker == "":
		b.step, b.message = l.Step, printable(l.Message)
	default:
		r := b.row(l.Worker)
		b.step, r.message = l.Step, printable(l.Message)
		if r.since.IsZero() {
			r.since = l.At
		}
	}
}

// status enters the workers and their states.
func (b *board) status(s *api.Status) {
	var rows []*row
	for w := range s.Workers() {
		r := b.row(w.Name)
		r.status = *w
		if !r.since.IsZero() && r.settled.IsZero() && w.Ready && w.Release == b.rollout.To {
			r.settled = time.Now()
		}
		rows = append(rows, r)
	}
	for _, r := range b.rows { // such as the smoke test's candidate, which no status has
		if !slices.Contains(rows, r) {
			r.status = api.WorkerStatus{}
			rows = append(rows, r)
		}
	}
	b.rows = rows
}

func (b *board) row(name string) *row {
	for _, r := range b.rows {
		if r.name == name {
			return r
		}
	}
	b.rows = append(b.rows, &row{name: name})
	return b.rows[len(b.rows)-1]
}

// lines gives the board for a terminal of this size: a line that is too long is
// cut, and if there are too many workers, those that are being replaced stay.
func (b *board) lines(now time.Time, width, height int, colored bool) []string {
	all := []string{cut(b.header(now), width)}
	rows, left := b.fitting(height - 4) // 4 lines: header, number of rows left out, message, cursor
	for _, text := range b.columns(rows, now) {
		all = append(all, cut(text, width))
	}
	if colored {
		for i, r := range rows {
			all[i+1] = paint(all[i+1], r.status.State)
		}
	}
	if left > 0 {
		all = append(all, cut(fmt.Sprintf("  and %d more", left), width))
	}
	if text := b.below(); text != "" {
		all = append(all, cut("  "+text, width))
	}
	return all
}

func (b *board) below() string {
	if b.note != "" {
		return b.note
	}
	return b.message
}

// header gives `whois: 1.4.0 → 1.5.0, replacing, 0:00:12`.
func (b *board) header(now time.Time) string {
	if b.rollout.RolloutEnd != nil {
		now = b.rollout.EndedAt
	}
	return fmt.Sprintf("%s: %s, %s, %s", b.app, fromTo(b.rollout.From, b.rollout.To), b.doing(), clock(now.Sub(b.rollout.StartedAt)))
}

func (b *board) doing() string {
	switch b.step {
	case release.StepCheck:
		return "checking"
	case release.StepSmoke:
		return "smoke test"
	case release.StepReplace:
		return "replacing"
	case release.StepBake:
		return "watching"
	case release.StepUndo:
		return "putting back"
	}
	return string(b.step)
}

// fitting gives the rows for which there is room, in their order, and the number of
// those left out.
func (b *board) fitting(room int) (rows []*row, left int) {
	left = len(b.rows) - max(room, 1)
	if left <= 0 {
		return b.rows, 0
	}
	out := map[*row]bool{}
	for _, busy := range []bool{false, true} {
		for _, r := range b.rows {
			if r.busy() == busy && len(out) < left {
				out[r] = true
			}
		}
	}
	for _, r := range b.rows {
		if !out[r] {
			rows = append(rows, r)
		}
	}
	return rows, left
}

// busy reports whether the worker is being replaced right now.
func (r *row) busy() bool { return !r.since.IsZero() && r.settled.IsZero() }

// columns gives the text of each row.
func (b *board) columns(rows []*row, now time.Time) []string {
	cells := make([][4]string, len(rows))
	var widths [4]int
	for i, r := range rows {
		cells[i] = [4]string{r.name, r.process(), string(r.status.State), r.message}
		for k, cell := range cells[i] {
			widths[k] = max(widths[k], length(cell))
		}
	}
	all := make([]string, len(rows))
	for i, r := range rows {
		text := ""
		for k, cell := range cells[i] {
			text += "  " + cell + strings.Repeat(" ", widths[k]-length(cell))
		}
		all[i] = strings.TrimRight(text+"  "+b.elapsed(r, now), " ")
	}
	return all
}

// process gives release and pid of the serving process: `1.4.0, pid 4711`.
func (r *row) process() string {
	switch {
	case r.status.Pid == 0:
		return printable(r.status.Release)
	case r.status.Release == "":
		return fmt.Sprintf("pid %d", r.status.Pid)
	}
	return fmt.Sprintf("%s, pid %d", printable(r.status.Release), r.status.Pid)
}

// elapsed is how long the replacement of r has taken so far, or took.
func (b *board) elapsed(r *row, now time.Time) string {
	switch {
	case r.since.IsZero():
		return ""
	case !r.settled.IsZero():
		now = r.settled
	case b.rollout.RolloutEnd != nil:
		now = b.rollout.EndedAt
	case b.final:
		return ""
	}
	return clock(now.Sub(r.since))
}

// length is the number of columns, one for each character: the text is printable,
// and versions and names are ASCII.
func length(s string) int { return len([]rune(s)) }

// cut shortens a line to the width: the terminal would wrap a longer one, and the
// next drawing would begin in the wrong place.
func cut(s string, width int) string {
	if length(s) <= width {
		return s
	}
	return string([]rune(s)[:max(width-1, 0)]) + "…"
}

// paint colours the state, which two spaces are before, unless the line was cut before it.
func paint(line string, s api.State) string {
	color, state := colors[s], "  "+string(s)
	if color == "" {
		return line
	}
	before, after, found := strings.Cut(line, state)
	if !found {
		return line
	}
	return before + "  " + color + string(s) + plain + after
}
