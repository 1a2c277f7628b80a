package convert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"supd/configs"
)

// Error is what cannot be read in a file; it concerns no key.
type Error = configs.Error

// Errors are all that cannot be read, by file and line.
type Errors configs.Errors

// Error gives one line for each.
func (e Errors) Error() string { return configs.Errors(e).Error() }

const mostErrors = 100

func (e *Errors) add(at place, format string, args ...any) {
	switch {
	case len(*e) < mostErrors:
		*e = append(*e, Error{File: at.file, Line: at.line, Msg: fmt.Sprintf(format, args...)})
	case len(*e) == mostErrors:
		*e = append(*e, Error{File: at.file, Line: at.line, Msg: "more is wrong from here on"})
	}
}

// sorted gives each once, by file and line.
func (e Errors) sorted() Errors {
	slices.SortStableFunc(e, func(a, b Error) int { return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line) })
	return slices.Compact(e)
}
