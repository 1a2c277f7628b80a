package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"supd/supervisor/api"
)

// column is one of top's.
type column struct {
	title string
	key   byte // that sorts by it; 0: none does
	width int  // at least, so that it does not move with every look
	left  bool // aligned; figures are not
	rank  int  // the column with the highest is left out first where there is no room
	text  func(load) string
	value func(load) float64 // to sort by, the highest first; nil: by name
	color func(load) string  // nil: none
}

const (
	yellow = "\x1b[33m"
	red    = "\x1b[31m"
)

// columns are all of them, in their order. Those that have nothing to say are left out.
func columns(apps bool) []column {
	ready := ""
	if apps {
		ready = "READY"
	}
	return []column{
		{title: "NAME", key: 'n', left: true, text: func(l load) string { return l.name }},
		{title: "STATE", width: 7, left: true, rank: 1, text: func(l load) string { return string(l.state) }, color: func(l load) string { return colors[l.state] }},
		{title: ready, rank: 2, text: func(l load) string {
			if !apps {
				return ""
			}
			return fmt.Sprintf("%d/%d", l.ready, l.desired)
		}},
		{title: "RELEASE", left: true, rank: 9, text: func(l load) string { return printable(l.release) }},
		{title: "CPU%", key: 'c', width: 5, rank: 3, text: func(l load) string { return percent(l.cpu) }, value: func(l load) float64 { return l.cpu }},
		{title: "MEM", key: 'm', width: 5, rank: 4, text: func(l load) string { return size(l.memory) }, value: func(l load) float64 { return float64(l.memory) },
			color: func(l load) string { return grade(l.fullness, 0.8, 0.95) }},
		{title: "FDS", key: 'f', width: 4, rank: 10, text: fdsOf, value: func(l load) float64 { return float64(l.fds) },
			color: func(l load) string { return grade(l.fdsUsed, 0.8, 0.95) }},
		{title: "RST", key: 'r', width: 3, rank: 8, text: func(l load) string { return strconv.Itoa(l.restarts) }, value: func(l load) float64 { return float64(l.restarts) },
			color: func(l load) string { return grade(float64(l.lastHour), 1, 10) }},
		{title: "QUEUE", key: 'w', rank: 5, text: queueOf, value: queueShare,
			color: func(l load) string { return grade(queueShare(l), 0.5, 0.9) }},
		{title: "REQ/S", key: 's', rank: 6, text: rateOf, value: func(l load) float64 { return l.requests }},
		{title: "5XX%", key: 'e', rank: 7, text: errorsOf, value: func(l load) float64 { return l.errors },
			color: func(l load) string { return grade(l.errors, 0.01, 0.05) }},
	}
}

func grade(value, warn, crit float64) string {
	switch {
	case value >= crit:
		return red
	case value >= warn:
		return yellow
	}
	return ""
}

func queueShare(l load) float64 {
	if l.queue == nil {
		return -1
	}
	return l.queue.Share()
}

func fdsOf(l load) string {
	if l.fds == 0 {
		return "-"
	}
	return strconv.Itoa(l.fds)
}

func queueOf(l load) string {
	if l.queue == nil {
		return ""
	}
	return fmt.Sprintf("%d/%d", l.queue.Length, l.queue.Limit)
}

func rateOf(l load) string {
	if l.requests < 0 {
		return ""
	}
	return short(l.requests)
}

func errorsOf(l load) string {
	if l.errors < 0 {
		return ""
	}
	return percent(l.errors)
}

// percent of a share; "-": it is not known.
func percent(share float64) string {
	if share < 0 {
		return "-"
	}
	return short(100 * share)
}

// short gives three digits or so: "0.4", "12.3", "123", "12k".
func short(n float64) string {
	switch {
	case n < 99.95:
		return strconv.FormatFloat(n, 'f', 1, 64)
	case n < 9999.5:
		return strconv.FormatFloat(n, 'f', 0, 64)
	default:
		return strconv.FormatFloat(n/1000, 'f', 0, 64) + "k"
	}
}

// size of memory: "512K", "1.2G"; "-": none.
func size(bytes int64) string {
	if bytes == 0 {
		return "-"
	}
	n, units := float64(bytes)/1024, "KMGT"
	for n >= 999.5 && len(units) > 1 {
		n, units = n/1024, units[1:]
	}
	if n < 9.95 && units[0] != 'K' {
		return strconv.FormatFloat(n, 'f', 1, 64) + units[:1]
	}
	return strconv.FormatFloat(n, 'f', 0, 64) + units[:1]
}

// sorted puts the rows in the order of the column with that key.
func sorted(all []load, columns []column, key byte) []load {
	i := slices.IndexFunc(columns, func(c column) bool { return c.key == key })
	if i >= 0 && columns[i].value != nil {
		slices.SortStableFunc(all, func(a, b load) int { return cmp.Compare(columns[i].value(b), columns[i].value(a)) })
	}
	return all
}

// grid is top's, laid out.
type grid struct {
	columns []column
	gap     int
	widths  []int
	cells   [][]string
	rows    []load
	key     byte // it is sorted by
}

// layOut chooses the columns that have something to say and for which there is room, and
// their widths. The last resort, a line that is cut, is the caller's.
func layOut(rows []load, all []column, key byte, width int) grid {
	t := grid{rows: rows, key: key, gap: 2}
	for _, c := range all {
		if len(rows) == 0 || slices.ContainsFunc(rows, func(l load) bool { return c.text(l) != "" }) {
			t.columns = append(t.columns, c)
		}
	}
	for {
		t.measure()
		if t.width() <= width {
			return t
		}
		if t.gap = 1; t.width() <= width || len(t.columns) <= 2 {
			return t
		}
		t.gap = 2
		worst := slices.MaxFunc(t.columns, func(a, b column) int { return cmp.Compare(a.rank, b.rank) })
		t.columns = slices.DeleteFunc(t.columns, func(c column) bool { return c.rank == worst.rank })
	}
}

func (t *grid) measure() {
	t.widths, t.cells = make([]int, len(t.columns)), make([][]string, len(t.rows))
	for i, c := range t.columns {
		t.widths[i] = max(c.width, length(t.title(c)))
	}
	for r, l := range t.rows {
		t.cells[r] = make([]string, len(t.columns))
		for i, c := range t.columns {
			t.cells[r][i] = c.text(l)
			t.widths[i] = max(t.widths[i], length(t.cells[r][i]))
		}
	}
}

func (t *grid) width() int {
	n := t.gap * (len(t.widths) - 1)
	for _, w := range t.widths {
		n += w
	}
	return n
}

// title marks the column that the table is sorted by.
func (t *grid) title(c column) string {
	if c.key == t.key && c.value != nil {
		return c.title + "↓"
	}
	return c.title
}

// header is the line above the rows.
func (t *grid) header() string {
	titles := make([]string, len(t.columns))
	for i, c := range t.columns {
		titles[i] = t.title(c)
	}
	return t.line(titles, nil)
}

// row is the line of one row. One that is cut has no colours.
func (t *grid) row(r, width int, colored bool) string {
	if !colored || t.width() > width {
		return cut(t.line(t.cells[r], nil), width)
	}
	return t.line(t.cells[r], &t.rows[r])
}

func (t *grid) line(cells []string, colored *load) string {
	var b strings.Builder
	for i, c := range t.columns {
		if i > 0 {
			b.WriteString(strings.Repeat(" ", t.gap))
		}
		padding, text := strings.Repeat(" ", t.widths[i]-length(cells[i])), cells[i]
		if colored != nil && c.color != nil {
			if color := c.color(*colored); color != "" {
				text = color + text + plain
			}
		}
		if c.left {
			text += padding
		} else {
			text = padding + text
		}
		b.WriteString(text)
	}
	return strings.TrimRight(b.String(), " ")
}

// notes are lines about apps as a whole.
func notes(f *api.Figures) (all []string) {
	for _, a := range f.Apps {
		if a.Paused != nil {
			all = append(all, fmt.Sprintf("%s: %s of %s is paused since %s: %s", a.Name, a.Paused.Kind, a.Paused.To, coarse(f.At.Sub(a.Paused.Since)), printable(a.Paused.Reason)))
		}
		if a.Note != "" {
			all = append(all, a.Name+": "+printable(a.Note))
		}
	}
	return all
}
