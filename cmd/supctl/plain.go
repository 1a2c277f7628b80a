package main

import (
	"strings"
	"unicode"
)

// printable leaves out what would move the cursor, since the text may come from a
// worker, and makes one line of several: a table has a line for each worker, and a log
// may have had more to say.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n':
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, s)
}
