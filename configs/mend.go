package configs

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// mostMended is how many lines of a file are mended: each costs reading it once more.
const mostMended = 20

var (
	assignment  = regexp.MustCompile(`^\s*([\w.-]+)\s*=\s*(.*?)\s*$`)
	longString  = regexp.MustCompile(`^("""|''')`)
	otherHeader = regexp.MustCompile(`^\s*\[\s*([\w.-]+:[^"\[\]]*?)\s*\]\s*(?:#.*)?$`) // [program:web]
	anyHeader   = regexp.MustCompile(`^\s*\[+\s*([\w-]+(?:\.[\w-]+)*)`)
	octal       = regexp.MustCompile(`^0[0-7]+$`)
	word        = regexp.MustCompile(`^[A-Za-z/~$%*.]`)
)

// mend gives a text without the syntax error that was found in one of its lines, so that
// what else is wrong in it is told at the same time; in which line the error is, and the
// message, none where a later stage says it better. It gives no text where nobody knows
// what the line was to be. All other lines stay where they are.
func mend(text []byte, line int, message string) (mended []byte, at int, said string) {
	all := bytes.Split(text, []byte("\n"))
	if line < 1 || line > len(all) {
		return nil, line, message
	}
	at = line
	m := assignment.FindSubmatch(all[line-1])
	if from := opened(text, line); m != nil && from > 0 {
		if m = assignment.FindSubmatch(all[from-1]); m != nil {
			clear(all[from : line-1])
			at, message = from, "the brackets of its value are not closed"
		}
	}
	with := func(this string) []byte {
		all[at-1] = []byte(this)
		return bytes.Join(all, []byte("\n"))
	}
	this := string(all[at-1])
	if m := otherHeader.FindStringSubmatch(this); m != nil {
		return with(`["` + m[1] + `"]`), at, ""
	}
	if m := anyHeader.FindStringSubmatch(this); m != nil {
		return with("[" + m[1] + "]"), at, message
	}
	switch {
	case m != nil && longString.Match(m[2]): // the lines that follow are no keys
		clear(all[at:])
		return with(string(m[1]) + ` = ""`), at, message
	case m != nil:
		return with(string(m[1]) + ` = ""`), at, valueMessage(string(m[2]), message)
	case strings.HasPrefix(strings.TrimSpace(this), ";"):
		message = "a comment begins with #, not with ;"
	}
	return with(""), at, message
}

// opened gives the line of the outermost bracket that is open where another line begins,
// 0 if there is none.
func opened(text []byte, line int) int {
	number, first, depth := 1, 0, 0
	for i := 0; i < len(text) && number < line; i++ {
		switch text[i] {
		case '\n':
			number++
		case '#':
			i = lineEnd(text, i) - 1
		case '"', '\'':
			end := stringEnd(text, i)
			number += bytes.Count(text[i:end], []byte("\n"))
			i = end - 1
		case '[', '{':
			if depth++; depth == 1 {
				first = number
			}
		case ']', '}':
			depth = max(0, depth-1)
		}
	}
	if depth == 0 {
		return 0
	}
	return first
}

// valueMessage says how a value that is no TOML is written, or else what the parser says.
func valueMessage(value, parser string) string {
	switch {
	case value == "":
		return "has no value"
	case strings.EqualFold(value, "true") || strings.EqualFold(value, "false"):
		return "write " + strings.ToLower(value) + ", in small letters"
	case octal.MatchString(value):
		return fmt.Sprintf("permission bits are written in quotes: %q", value)
	case word.MatchString(value):
		return `text is written in quotes: "…"`
	}
	return parser
}
