package convert

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// expansion replaces %(NAME)s in a value, as Python's % does. What is known only where a
// worker is launched becomes a mark in the text, see marks.
type expansion struct {
	known  map[string]string
	later  *marks // nil: variables of the environment have to be known
	number bool   // process_num may be used
	twice  bool   // what comes out is expanded again, as supervisord does with some options
}

// with gives an expansion that knows more.
func (x expansion) with(more map[string]string) expansion {
	known := maps.Clone(x.known)
	maps.Copy(known, more)
	x.known = known
	return x
}

// withoutSecrets leaves what seems to be a secret to the launch, for it is to stand in no
// app file.
func (x expansion) withoutSecrets() expansion {
	return x.leave(func(v variable) bool { return isSecret(v) && len(x.later.in(v.value)) == 0 })
}

// afterEnvironment leaves to the launch what is filled in there as well: a command has the
// variables of the environment with all that they extend.
func (x expansion) afterEnvironment() expansion {
	return x.leave(func(v variable) bool {
		return isSecret(v) || slices.ContainsFunc(x.later.in(v.value), func(m mark) bool { return m.env != "" })
	})
}

func (x expansion) leave(which func(variable) bool) expansion {
	x = x.with(nil)
	for name, value := range x.known {
		if env, is := strings.CutPrefix(name, "ENV_"); is && which(variable{env, value}) {
			x.known[name] = x.later.add(mark{env: env})
		}
	}
	return x
}

// unknownEnv is a variable of the environment whose value is wanted for the conversion.
type unknownEnv struct{ name string }

func (e unknownEnv) Error() string {
	return fmt.Sprintf("%%(ENV_%s)s, which is known only where supervisord runs: say --env %[1]s=VALUE", e.name)
}

func (x expansion) expand(s string) (string, error) {
	text, err := x.once(s)
	if err != nil || !x.twice {
		return text, err
	}
	if text, err = x.once(text); err != nil {
		return "", fmt.Errorf("supervisord expands it twice, and the second time %w; a percent sign is %%%%%%%% here", err)
	}
	return text, nil
}

func (x expansion) once(s string) (string, error) {
	var b strings.Builder
	for {
		at := strings.IndexByte(s, '%')
		if at < 0 {
			b.WriteString(s)
			return b.String(), nil
		}
		b.WriteString(s[:at])
		s = s[at+1:]
		if rest, is := strings.CutPrefix(s, "%"); is {
			b.WriteByte('%')
			s = rest
			continue
		}
		name, verb, rest, ok := cutFormat(s)
		if !ok {
			return "", errors.New("a % is no format: want %% for a percent sign, %(NAME)s for a variable") // without the text, which may be a secret
		}
		text, err := x.value(name, verb)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
		s = rest
	}
}

// cutFormat cuts `(NAME)02d`, of which verb is `02d`.
func cutFormat(s string) (name, verb, rest string, ok bool) {
	if s, ok = strings.CutPrefix(s, "("); !ok {
		return "", "", "", false
	}
	if name, s, ok = strings.Cut(s, ")"); !ok {
		return "", "", "", false
	}
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	if digits == len(s) || digits > 3 || strings.IndexByte("sdi", s[digits]) < 0 {
		return "", "", "", false
	}
	return name, s[:digits+1], s[digits+1:], true
}

func (x expansion) value(name, verb string) (string, error) {
	value, known := x.known[name]
	env, isEnv := strings.CutPrefix(name, "ENV_")
	switch {
	case known && strings.HasSuffix(verb, "s"):
		return widened(value, strings.TrimSuffix(verb, "s")), nil
	case known:
		n, err := strconv.Atoi(value)
		if err != nil || name != "numprocs" {
			return "", fmt.Errorf("%%(%s)%s: the value is no number", name, verb)
		}
		return formatNumber(n, verb), nil
	case name == "process_num" && x.number:
		return x.later.add(mark{verb: verb}), nil
	case isEnv && verb == "s" && x.later != nil:
		return x.later.add(mark{env: env}), nil
	case isEnv:
		return "", unknownEnv{env}
	}
	return "", fmt.Errorf("%%(%s)%s: no such variable, known are %s and ENV_NAME", name, verb, strings.Join(slices.Sorted(maps.Keys(x.known)), ", "))
}

// formatNumber does what Python's % does with verbs of cutFormat.
func formatNumber(n int, verb string) string {
	width := strings.TrimRight(verb, "sdi")
	text := strconv.Itoa(n)
	w, err := strconv.Atoi(width)
	if err != nil || len(text) >= w {
		return text
	}
	pad := " "
	if width[0] == '0' && !strings.HasSuffix(verb, "s") {
		pad = "0"
	}
	return strings.Repeat(pad, w-len(text)) + text
}

// widened puts spaces before a text.
func widened(text, width string) string {
	w, _ := strconv.Atoi(width)
	return strings.Repeat(" ", max(0, w-utf8.RuneCountInString(text))) + text
}

// mark stands for what is known at the launch: a variable of the environment or, with a
// verb, the number of the process.
type mark struct{ env, verb string }

// marks are written into texts as a reserved character, the index and another one, so
// that the text can be split into words like any other.
type marks []mark

func (m *marks) add(one mark) string {
	i := slices.Index(*m, one)
	if i < 0 {
		i = len(*m)
		*m = append(*m, one)
	}
	return string(firstMark) + strconv.Itoa(i) + string(lastMark)
}

// replace gives a text with its marks replaced, and what is between them changed.
func (m marks) replace(s string, other func(string) string, value func(mark) string) string {
	var b strings.Builder
	for {
		at := strings.IndexRune(s, firstMark)
		if at < 0 {
			b.WriteString(other(s))
			return b.String()
		}
		b.WriteString(other(s[:at]))
		index, rest, _ := strings.Cut(s[at+len(string(firstMark)):], string(lastMark))
		i, _ := strconv.Atoi(index)
		b.WriteString(value(m[i]))
		s = rest
	}
}

// in gives the marks of a text.
func (m marks) in(s string) (all []mark) {
	m.replace(s, same, func(one mark) string { all = append(all, one); return "" })
	return all
}

func same(s string) string { return s }
