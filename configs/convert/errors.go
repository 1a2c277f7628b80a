package convert

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Error is what cannot be read in a file.
type Error struct {
	File string
	Line int // from 1; 0 is the file as a whole
	Msg  string
}

// Error gives `supervisord.conf:12: what is wrong`.
func (e Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Msg)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
}

// Errors are all that cannot be read, by file and line.
type Errors []Error

// Error gives one line for each.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

const mostErrors = 100

func (e *Errors) add(at place, format string, args ...any) {
	switch {
	case len(*e) < mostErrors:
		*e = append(*e, Error{at.file, at.line, fmt.Sprintf(format, args...)})
	case len(*e) == mostErrors:
		*e = append(*e, Error{at.file, at.line, "more is wrong from here on"})
	}
}

// sorted gives each once, by file and line.
func (e Errors) sorted() Errors {
	slices.SortStableFunc(e, func(a, b Error) int { return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line) })
	return slices.Compact(e)
}

// String gives `supervisord.conf:12`.
func (p place) String() string { return fmt.Sprintf("%s:%d", filepath.Base(p.file), p.line) }
