package configs

import (
	"errors"
	"strings"
)

// Split splits a command line into words as a shell would: at spaces, with
// '…', "…" and \ quoting. Nothing else is special, for no shell runs: no
// variables, no globs, no pipes, no comments.
func Split(s string) ([]string, error) {
	var words []string
	for {
		s = strings.TrimLeft(s, " \t\r\n")
		if s == "" {
			return words, nil
		}
		word, rest, err := cutWord(s)
		if err != nil {
			return nil, err
		}
		words, s = append(words, word), rest
	}
}

// cutWord takes one word off the beginning of s.
func cutWord(s string) (word, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ' ', '\t', '\r', '\n':
			return b.String(), s[i:], nil
		case '\'':
			end := strings.IndexByte(s[i+1:], '\'')
			if end < 0 {
				return "", "", errors.New("a ' is not closed")
			}
			b.WriteString(s[i+1 : i+1+end])
			i += end + 1
		case '"':
			n, err := quoted(&b, s[i+1:])
			if err != nil {
				return "", "", err
			}
			i += n
		case '\\':
			i++
			if i == len(s) {
				return "", "", errors.New(`ends with a \ that quotes nothing`)
			}
			if s[i] != '\n' {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "", nil
}

// quoted writes what is between double quotes, and tells how many bytes that
// took with the closing quote. A \ quotes $, `, ", \ and a line's end there
// (POSIX shell, 2.2.3), and stands for itself before anything else.
func quoted(b *strings.Builder, s string) (int, error) {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return i + 1, nil
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '\n':
			i++
		case s[i] == '\\' && i+1 < len(s) && strings.IndexByte("$`\"\\", s[i+1]) >= 0:
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return 0, errors.New(`a " is not closed`)
}
