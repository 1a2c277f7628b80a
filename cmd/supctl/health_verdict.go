package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"supd/supervisor/api"
)

// verdict is what check-health says, also as JSON.
type verdict struct {
	State    level     `json:"state"`
	Code     int       `json:"code"`
	Summary  string    `json:"summary"`
	Checks   []checked `json:"checks"`
	Problems []problem `json:"problems"` // the worst first

	known map[string]int // index in Problems, by text
}

// checked is what came of a check.
type checked struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Warn  string  `json:"warn"`
	Crit  string  `json:"crit"`
	State level   `json:"state"`

	most int
}

type problem struct {
	State level  `json:"state"`
	Check string `json:"check"`
	Text  string `json:"text"`
}

// How long an answer may be, in bytes. What Nagios and its kin keep of it: at least the
// first 4 KiB (MAX_PLUGIN_OUTPUT_LENGTH is 8 KiB, NRPE 3 sends 64 KiB).
const (
	longestText    = 160 // of one problem
	longestSummary = 320
	longestAnswer  = 4000
)

// add adds a problem, once: a worker that has FAILED is not ready either.
func (v *verdict) add(p problem) {
	i, is := v.known[p.Text]
	if !is {
		v.known[p.Text] = len(v.Problems)
		v.Problems = append(v.Problems, p)
		return
	}
	v.Problems[i].State = max(v.Problems[i].State, p.State)
}

// summary names as many problems as there is room for.
func (v *verdict) summary(f *api.Figures) string {
	if len(v.Problems) == 0 {
		return allWell(f)
	}
	text := v.Problems[0].Text
	for i, p := range v.Problems[1:] {
		if len(text)+len(p.Text) > longestSummary {
			return fmt.Sprintf("%s; and %d more", text, len(v.Problems)-1-i)
		}
		text += "; " + p.Text
	}
	return text
}

// allWell gives `workers: 12 ready, 1 stopped`.
func allWell(f *api.Figures) string {
	ready, stopped := 0, 0
	for w := range figuresOf(f) {
		ready, stopped = ready+one(w.Ready), stopped+one(!w.Desired)
	}
	text := fmt.Sprintf("workers: %d ready", ready)
	if stopped > 0 {
		text += fmt.Sprintf(", %d stopped", stopped)
	}
	return text
}

// String is the answer of a Nagios plug-in.
func (v verdict) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "SUPD %s - %s", v.State, v.Summary)
	for i, c := range v.Checks {
		if i == 0 {
			b.WriteString(" |")
		}
		b.WriteString(" " + c.performance())
	}
	b.WriteString("\n")
	if len(v.Problems) < 2 { // the first line has it all
		return b.String()
	}
	for i, p := range v.Problems {
		line := fmt.Sprintf("%s %s\n", p.State, p.Text)
		if b.Len()+len(line) > longestAnswer {
			fmt.Fprintf(&b, "and %d more\n", len(v.Problems)-i)
			break
		}
		b.WriteString(line)
	}
	return b.String()
}

// performance is "label=value[unit];[warn];[crit];[min];[max]" of the Nagios plug-in
// guidelines. The labels are names of checks, which need no quotes.
func (c checked) performance() string {
	text := fmt.Sprintf("%s=%s%s;%s;%s", c.Name, number(c.Value), c.Unit, c.Warn, c.Crit)
	switch {
	case c.Unit == "%": // has its bounds
	case c.most > 0:
		text += fmt.Sprintf(";0;%d", c.most)
	default:
		text += ";0"
	}
	return text
}

// number has no more than one digit after the point.
func number(n float64) string {
	return strconv.FormatFloat(math.Round(10*n)/10, 'f', -1, 64)
}

// oneLine bounds a text, of which a part may be a worker's, and leaves out the sign that
// performance data begin with.
func oneLine(text string) string {
	text = strings.ReplaceAll(printable(text), "|", "/")
	if len(text) <= longestText {
		return text
	}
	return strings.ToValidUTF8(text[:longestText-len("…")], "") + "…"
}
