package configs

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"strings"
)

// mostPattern bounds a regular expression that a stranger may have written: its bytes,
// and the instructions that it is compiled to. One with so many takes about 100 KB, for
// each worker that is not ready yet; a{1000} alone is a thousand.
const mostPattern = 1000

// regular reads a regular expression.
func regular(in input) (string, bool) {
	s, ok := filled(in)
	if !ok {
		return "", false
	}
	if err := checkPattern(s); err != nil {
		in.fail("%s", err)
		return "", false
	}
	return s, true
}

// checkPattern says what keeps a regular expression from being compiled, without
// compiling it.
func checkPattern(s string) error {
	if len(s) > mostPattern {
		return fmt.Errorf("a regular expression of %d bytes: want at most %d; match a shorter part of the line", len(s), mostPattern)
	}
	parsed, err := syntax.Parse(s, syntax.Perl) // as regexp.Compile reads it
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "error parsing regexp: ") + " (RE2 syntax)")
	}
	if n := instructions(parsed); n > mostPattern {
		return fmt.Errorf("a regular expression as large as one of %d letters, with each {n} written out: want at most %d; repeat less in it", n, mostPattern)
	}
	return nil
}

// instructions is about how many instructions an expression is compiled to: at each repetition
// what is repeated is compiled again. The ranges of a class count by what they take. The
// parser has bounded how deep it goes, and what the repetitions in each other multiply to.
func instructions(e *syntax.Regexp) int {
	within := 0
	for _, sub := range e.Sub {
		within += instructions(sub)
	}
	switch e.Op {
	case syntax.OpLiteral:
		return len(e.Rune)
	case syntax.OpCharClass:
		return 1 + len(e.Rune)/10
	case syntax.OpRepeat:
		if e.Max < 0 {
			return max(1, e.Min)*within + 1
		}
		return e.Max*within + e.Max - e.Min
	case syntax.OpConcat:
		return within
	case syntax.OpAlternate:
		return within + len(e.Sub) - 1
	case syntax.OpCapture:
		return within + 2
	}
	return within + 1
}
