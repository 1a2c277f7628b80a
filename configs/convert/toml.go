package convert

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"supd/configs"
)

// quote writes a basic string of TOML.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case !unicode.IsPrint(c) && c > 0xffff:
			fmt.Fprintf(&b, `\U%08X`, c)
		case !unicode.IsPrint(c):
			fmt.Fprintf(&b, `\u%04X`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func list(all []string) string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// commandLine is a string where that gives the same words, for it is easier to read.
func commandLine(argv []string) string {
	line := strings.Join(argv, " ")
	if again, err := configs.Split(line); err == nil && slices.Equal(again, argv) {
		return quote(line)
	}
	return list(argv)
}

// literal doubles the braces of a text in which none is a variable.
var literal = strings.NewReplacer("{", "{{", "}", "}}").Replace

// notLiteral is the reverse.
var notLiteral = strings.NewReplacer("{{", "{", "}}", "}").Replace

func itoa(n int) string { return strconv.Itoa(n) }

// seconds is a duration.
func seconds(n int) string {
	switch {
	case n >= 3600 && n%3600 == 0:
		return quote(itoa(n/3600) + "h")
	case n >= 60 && n%60 == 0:
		return quote(itoa(n/60) + "m")
	}
	return quote(itoa(n) + "s")
}

// size is a number of bytes.
func size(n int64) string {
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n > 0 && n%unit.bytes == 0 {
			return quote(strconv.FormatInt(n/unit.bytes, 10) + unit.name)
		}
	}
	return strconv.FormatInt(n, 10)
}

// inline is an inline table.
func inline(pairs ...pair) string {
	all := make([]string, len(pairs))
	for i, p := range pairs {
		all[i] = p.key + " = " + p.value
	}
	return "{ " + strings.Join(all, ", ") + " }"
}

// printable leaves out of a comment what is none, and what looks like a secret.
func printable(s string) string {
	s = strings.Map(func(c rune) rune {
		if unicode.IsSpace(c) {
			return ' '
		}
		if !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, s)
	return configs.Redact(strings.TrimSpace(s))
}
