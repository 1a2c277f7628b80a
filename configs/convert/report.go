package convert

import (
	"path/filepath"
	"slices"
)

// Kind says what a note is about.
type Kind string

// The kinds, in the order in which they matter to who reads them.
const (
	ByHand    Kind = "by_hand"      // somebody has to do something before it works as before
	AsRoot    Kind = "as_root"      // it runs as root, and may do less than before
	Different Kind = "different"    // it is converted, and means something else here
	Never     Kind = "never_worked" // it had no effect, or another one than meant, before too
	Dropped   Kind = "dropped"      // it has no place here, and nothing has to be done
	Converted Kind = "converted"    // it means the same, and was read or is written otherwise
	Host      Kind = "host"         // what supctl check says of the result on this machine
)

// Kinds are all, the most urgent first.
var Kinds = []Kind{ByHand, AsRoot, Different, Never, Dropped, Converted, Host}

// Note is one thing to know, of all the programs that it concerns.
type Note struct {
	Kind     Kind     `json:"kind"`
	Text     string   `json:"text"`
	Programs []string `json:"programs,omitempty"` // by their old names; none: of all, or of none
	Lines    []string `json:"lines,omitempty"`    // FILE:LINE

	mentions []mention
}

// mention is a program ("" is none) that a note concerns, and where it was written.
type mention struct {
	program string
	place   place
}

// Name is what a program was called, and the target that it is for supctl.
type Name struct {
	Old    string `json:"old"`
	Target string `json:"target"`
}

// Report says what a conversion has come to.
type Report struct {
	Notes []Note `json:"notes"` // by kind
	Names []Name `json:"names"`

	// Daemon is what to write in supd.toml, in TOML; "" is nothing.
	Daemon string `json:"supd_toml,omitempty"`

	// The number of programs, and how many of them need a hand, mean something else, or
	// run as before.
	Programs int `json:"programs"`
	Hand     int `json:"by_hand"`
	Changed  int `json:"different"`
	Clean    int `json:"clean"`

	programs []string // old names
}

// NeedsHand reports whether somebody has to do something.
func (r *Report) NeedsHand() bool {
	return slices.ContainsFunc(r.Notes, func(n Note) bool { return n.Kind == ByHand })
}

// add notes something of a program ("" is none), and where it was written.
func (r *Report) add(kind Kind, program string, at place, text string) {
	i := slices.IndexFunc(r.Notes, func(n Note) bool { return n.Kind == kind && n.Text == text })
	if i < 0 {
		i = len(r.Notes)
		r.Notes = append(r.Notes, Note{Kind: kind, Text: text})
	}
	r.Notes[i].mentions = append(r.Notes[i].mentions, mention{program, at})
}

// leftOut takes back what was said of a program that is not converted after all, but for
// what is to be done, or was wrong before.
func (r *Report) leftOut(program string) {
	for i := range r.Notes {
		if n := &r.Notes[i]; n.Kind != ByHand && n.Kind != Never {
			n.mentions = slices.DeleteFunc(n.mentions, func(m mention) bool { return m.program == program })
		}
	}
	r.Notes = slices.DeleteFunc(r.Notes, func(n Note) bool { return len(n.mentions) == 0 })
}

// shortNames gives what a file is called: its name alone, where no other has that.
func (r *Report) shortNames() map[string]string {
	short, others := map[string]string{}, map[string]string{}
	for _, n := range r.Notes {
		for _, m := range n.mentions {
			base := filepath.Base(m.place.file)
			if other, is := others[base]; is && other != m.place.file {
				short[m.place.file], short[other] = m.place.file, other
				continue
			}
			others[base] = m.place.file
			if short[m.place.file] == "" {
				short[m.place.file] = base
			}
		}
	}
	return short
}

func (n *Note) name(short map[string]string) {
	for _, m := range n.mentions {
		if m.program != "" && !slices.Contains(n.Programs, m.program) {
			n.Programs = append(n.Programs, m.program)
		}
		line := short[m.place.file] + ":" + itoa(m.place.line)
		if m.place.line > 0 && !slices.Contains(n.Lines, line) {
			n.Lines = append(n.Lines, line)
		}
	}
}

// program counts one by its old name.
func (r *Report) program(old string) {
	if !slices.Contains(r.programs, old) {
		r.programs = append(r.programs, old)
	}
}

func (r *Report) has(kind Kind, program string) bool {
	return slices.ContainsFunc(r.Notes, func(n Note) bool { return n.Kind == kind && slices.Contains(n.Programs, program) })
}

// finish names the programs and lines of each note, sorts the notes by kind, and counts.
func (r *Report) finish() {
	short := r.shortNames()
	for i := range r.Notes {
		r.Notes[i].name(short)
	}
	slices.SortStableFunc(r.Notes, func(a, b Note) int { return slices.Index(Kinds, a.Kind) - slices.Index(Kinds, b.Kind) })
	r.Programs = len(r.programs)
	for _, program := range r.programs {
		switch {
		case r.has(ByHand, program):
			r.Hand++
		case r.has(AsRoot, program), r.has(Different, program):
			r.Changed++
		default:
			r.Clean++
		}
	}
}
