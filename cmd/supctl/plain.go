package main

import (
	"strings"
	"unicode"
)

// printable leaves out what would move the cursor, since the text may come from a
// worker.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, s)
}
