package prose

import (
	"io"
	"regexp"
	"strings"
	"unicode"
)

// Line leaves out what would move the cursor, and makes one line of several: a table has a
// line for each worker, and a log may have had more to say.
func Line(s string) string { return strings.Map(oneLined, uncolored(s)) }

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

// Writer lets through nothing but printable text and the ends of its lines. What is written
// at once is whole characters.
type Writer struct{ To io.Writer }

func (w Writer) Write(text []byte) (int, error) {
	if _, err := io.WriteString(w.To, strings.Map(visible, uncolored(string(text)))); err != nil {
		return 0, err
	}
	return len(text), nil
}
