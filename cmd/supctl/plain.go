package main

import (
	"io"
	"regexp"
	"strings"
	"unicode"
)

// printable leaves out what would move the cursor, since the text may come from a
// worker, and makes one line of several: a table has a line for each worker, and a log
// may have had more to say.
func printable(s string) string { return strings.Map(oneLined, uncolored(s)) }

func oneLined(r rune) rune {
	if r == '\t' || r == '\n' {
		return ' '
	}
	return visible(r)
}

// visible is r, or -1 where a terminal would not show it but act on it: control
// characters, also those of eight bits, and what changes the direction of a text.
func visible(r rune) rune {
	if r == '\t' || r == '\n' || unicode.IsPrint(r) {
		return r
	}
	return -1
}

// sgr is a colour (SGR of ECMA-48). It is left out whole: without its first character
// the rest would be in the way.
var sgr = regexp.MustCompile(`\x1b\[[0-9;:]*m`)

func uncolored(s string) string {
	if strings.IndexByte(s, '\x1b') < 0 {
		return s
	}
	return sgr.ReplaceAllString(s, "")
}

// prose is one of supctl's outputs. Whatever is written to it may have come from a worker,
// from a file or from a command line, so it lets through nothing but printable text and
// the ends of its lines.
type prose struct{ to io.Writer }

func (p prose) Write(text []byte) (int, error) {
	if _, err := io.WriteString(p.to, strings.Map(visible, uncolored(string(text)))); err != nil {
		return 0, err
	}
	return len(text), nil
}

// draw writes what supctl itself has composed of colours, movements of the cursor and
// printable text, as it is.
func draw(w io.Writer, text string) error {
	_, err := io.WriteString(asItIs(w), text)
	return err
}

// asItIs is an output for what is not to be changed.
func asItIs(w io.Writer) io.Writer {
	if p, ok := w.(prose); ok {
		return p.to
	}
	return w
}
