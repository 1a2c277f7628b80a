package convert

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// words splits a command as Python's shlex.split does, but for a \ at a line's end, which
// was meant to join the lines and there makes the newline part of a word. joined tells
// of such.
func words(s string) (all []string, joined bool, err error) {
	var word strings.Builder
	begun := false
	end := func() {
		if begun {
			all = append(all, word.String())
		}
		word.Reset()
		begun = false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ' ', '\t', '\r', '\n':
			end()
		case '\'', '"':
			n, err := quoted(&word, s[i+1:], c)
			if err != nil {
				return nil, joined, err
			}
			begun = true
			i += n
		case '\\':
			i++
			if i == len(s) {
				return nil, joined, errors.New(`a \ at the end quotes nothing`)
			}
			if s[i] == '\n' {
				joined = true
				end()
				continue
			}
			begun = true
			word.WriteByte(s[i])
		default:
			begun = true
			word.WriteByte(c)
		}
	}
	end()
	return all, joined, nil
}

// quoted writes what is before the closing quote, and tells how many bytes that took with
// the quote. In "…" a \ quotes the quote and itself, and stands for itself otherwise.
func quoted(b *strings.Builder, s string, quote byte) (int, error) {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return i + 1, nil
		case s[i] == '\\' && quote == '"' && i+1 < len(s) && (s[i+1] == quote || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return 0, errors.New("a " + string(quote) + " is not closed")
}

// variable is one of an environment.
type variable struct{ name, value string }

// assignments reads NAME=value,OTHER="a, b" as supervisord does: by words of Python's
// shlex that is not POSIX, in which a quote inside of a word is a letter.
func assignments(s string) ([]variable, error) {
	tokens, err := tokens(s)
	if err != nil {
		return nil, err
	}
	var all []variable
	for i := 0; i < len(tokens); i += 4 {
		if i+2 >= len(tokens) || tokens[i+1] != "=" {
			return nil, errors.New(`want NAME="value",OTHER="value"; a value with other characters than letters, digits and /.+-(): is written in quotes`)
		}
		all = setVariable(all, variable{tokens[i], strings.Trim(tokens[i+2], `'"`)})
	}
	return all, nil
}

// setVariable puts a variable in the place of the one with its name.
func setVariable(all []variable, v variable) []variable {
	for i := range all {
		if all[i].name == v.name {
			all[i].value = v.value
			return all
		}
	}
	return append(all, v)
}

func tokens(s string) (all []string, err error) {
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			i++
		case c == '#':
			line, _, _ := strings.Cut(s[i:], "\n")
			i += len(line)
		case c == '\'' || c == '"':
			end := strings.IndexByte(s[i+1:], c)
			if end < 0 {
				return nil, errors.New("a " + string(c) + " is not closed")
			}
			all = append(all, s[i:i+end+2])
			i += end + 2
		case isWordByte(c) || strings.HasPrefix(s[i:], string(firstMark)):
			n := len(s[i:]) - len(strings.TrimLeftFunc(s[i:], func(c rune) bool {
				return c == '\'' || c == '"' || c < 0x80 && isWordByte(byte(c)) || c == firstMark || c == lastMark
			}))
			all = append(all, s[i:i+n])
			i += n
		default:
			_, n := utf8.DecodeRuneInString(s[i:])
			all = append(all, s[i:i+n])
			i += n
		}
	}
	return all, nil
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_/.+-():", c) >= 0
}
