package convert

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// unitWords splits a line as systemd does: quotes wherever they begin, and escapes of C
// within and without them.
func unitWords(s string) (all []string, err error) {
	var word strings.Builder
	begun, quote := false, byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			n, err := unescape(&word, s[i+1:])
			if err != nil {
				return nil, err
			}
			begun = true
			i += n
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, begun = c, true
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n'):
			if begun {
				all = append(all, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a " + string(quote) + " is not closed")
	}
	if begun {
		all = append(all, word.String())
	}
	return all, nil
}

// simpleEscapes are those of one letter (systemd.syntax(7)).
var simpleEscapes = map[byte]byte{'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v', '\\': '\\', '"': '"', '\'': '\'', 's': ' '}

// unescape writes what an escape stands for, and tells how many bytes it has behind \.
func unescape(b *strings.Builder, s string) (int, error) {
	if s == "" {
		return 0, errors.New(`a \ at the end quotes nothing`)
	}
	if c, is := simpleEscapes[s[0]]; is {
		b.WriteByte(c)
		return 1, nil
	}
	for _, form := range []struct {
		letter       byte
		skip, digits int
		base         int
	}{{'x', 1, 2, 16}, {'u', 1, 4, 16}, {'U', 1, 8, 16}, {s[0], 0, 3, 8}} {
		if s[0] != form.letter || len(s) < form.skip+form.digits {
			continue
		}
		n, err := strconv.ParseUint(s[form.skip:form.skip+form.digits], form.base, 32)
		if err != nil || n == 0 || n > utf8.MaxRune {
			continue
		}
		if form.digits < 4 {
			b.WriteByte(byte(n))
		} else {
			b.WriteRune(rune(n))
		}
		return form.skip + form.digits, nil
	}
	b.WriteByte('\\') // what is no escape stays, with a warning of systemd's
	return 0, nil
}

// spans gives a number of seconds, of a time span of systemd's: "90", "5min 20s", "infinity".
func spans(s string) (seconds float64, ok bool) {
	if s == "infinity" {
		return 24 * 3600, true
	}
	rest := strings.ReplaceAll(s, " ", "")
	for rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
		letters := len(rest[digits:]) - len(strings.TrimLeft(rest[digits:], "abcdefghijklmnopqrstuvwxyzMµ"))
		n, err := strconv.ParseFloat(rest[:digits], 64)
		unit, is := spanUnits[rest[digits:digits+letters]]
		if err != nil || !is {
			return 0, false
		}
		seconds += n * unit
		rest = rest[digits+letters:]
	}
	return seconds, s != "" && seconds < 1e9
}

var spanUnits = map[string]float64{
	"": 1, "s": 1, "sec": 1, "second": 1, "seconds": 1, "ms": 1e-3, "msec": 1e-3, "us": 1e-6, "usec": 1e-6, "µs": 1e-6,
	"m": 60, "min": 60, "minute": 60, "minutes": 60, "h": 3600, "hr": 3600, "hour": 3600, "hours": 3600, "d": 86400, "day": 86400, "days": 86400,
	"w": 604800, "week": 604800, "weeks": 604800,
}
