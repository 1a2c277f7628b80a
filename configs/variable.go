package configs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// variableError is a {variable} that cannot be expanded. Text around it is not
// in the message: it may be a secret of [env].
type variableError struct {
	Name string // "" when the braces are wrong
	Msg  string
}

func (e *variableError) Error() string {
	if e.Name == "" {
		return e.Msg
	}
	return "{" + e.Name + "}: " + e.Msg
}

const (
	strayOpen  = `"{" begins a variable such as {app}; write "{{" for a brace`
	strayClose = `"}" without "{"; write "}}" for a brace`
)

// Expand replaces {name} by vars[name], "{{" and "}}" by a brace. The names are
// app, process, slot, slot0, generation, socket.NAME (a descriptor number), env.NAME and,
// where the app has releases, version and release. An unknown one is an error that
// names the nearest in vars. {slot:02} has two digits at least.
func Expand(s string, vars map[string]string) (string, error) {
	return expand(s, func(name string) (string, error) {
		if v, ok := vars[name]; ok {
			return v, nil
		}
		return "", unknownVariable(name, slices.Collect(maps.Keys(vars)))
	})
}

func unknownVariable(name string, known []string) error {
	if releaseVariable(name) {
		return &variableError{name, "the app has no [release]"}
	}
	if name == "statsd" {
		return &variableError{name, "the process has no port for it; set statsd = true"}
	}
	if n := nearest(name, slices.DeleteFunc(slices.Clone(known), isPattern)); n != "" {
		return &variableError{name, fmt.Sprintf("unknown variable, did you mean {%s}?", n)}
	}
	switch {
	case strings.HasPrefix(name, "env."):
		return &variableError{name, "no such variable; set it in env or env_file, or name it in env_inherit"}
	case name == strings.ToUpper(name) && isVariableName(name):
		return &variableError{name, `unknown variable; those of the environment are written {env.NAME}, without a $; write "{{" for a brace`}
	}
	return &variableError{name, `unknown variable; write "{{" for a brace`}
}

// expand asks value for each variable in turn.
func expand(s string, value func(name string) (string, error)) (string, error) {
	if !strings.ContainsAny(s, "{}") {
		return s, nil
	}
	var b strings.Builder
	for s != "" {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:i])
		brace, rest := s[i], s[i+1:]
		if rest != "" && rest[0] == brace {
			b.WriteByte(brace)
			s = rest[1:]
			continue
		}
		written, after, err := cutName(brace, rest)
		if err != nil {
			return "", err
		}
		name, width, hasWidth := strings.Cut(written, ":")
		v, err := value(name)
		if err == nil && hasWidth {
			v, err = padded(written, v, width)
		}
		if err != nil {
			return "", err
		}
		b.WriteString(v)
		s = after
	}
	return b.String(), nil
}

// numbers are the variables that may have a width.
var numbers = []string{"slot", "slot0", "generation"}

// padded puts zeros before a number, up to a width such as "02".
func padded(written, number, width string) (string, error) {
	name, _, _ := strings.Cut(written, ":")
	switch {
	case !slices.Contains(numbers, name):
		return "", &variableError{written, `only {slot}, {slot0} and {generation} have a width, as {slot:02}; write "{{" for a brace`}
	case len(width) != 2 || width[0] != '0' || width[1] < '1' || width[1] > '9':
		return "", &variableError{written, "want a width from 01 to 09, as {slot:02} for 01, 02, …"}
	}
	return strings.Repeat("0", max(0, int(width[1]-'0')-len(number))) + number, nil
}

// cutName takes the name off the text behind an opening brace.
func cutName(brace byte, rest string) (name, after string, err error) {
	if brace == '}' {
		return "", "", &variableError{Msg: strayClose}
	}
	name, after, closed := strings.Cut(rest, "}")
	if !closed || name == "" || name[0] == ':' || strings.Trim(name, letters+"0123456789_.-:") != "" {
		return "", "", &variableError{Msg: strayOpen}
	}
	return name, after, nil
}

// launchVariables are known only when a worker is launched.
func launchVariable(name string) bool {
	return slices.Contains(numbers, name) || name == "statsd" || strings.HasPrefix(name, "socket.") || strings.HasPrefix(name, "env.")
}

func releaseVariable(name string) bool { return name == "version" || name == "release" }

// static expands {app} and {process}, and what else vars has: in values that are
// the same for all workers of a process.
func (in input) static(s string) (string, bool) {
	s, err := expand(s, func(name string) (string, error) {
		if v, ok := in.vars[name]; ok {
			return v, nil
		}
		known := sortedKeys(in.vars)
		if launchVariable(name) || releaseVariable(name) && in.version != nil {
			return "", &variableError{name, fmt.Sprintf("is not known here; known: %s", strings.Join(known, ", "))}
		}
		return "", unknownVariable(name, known)
	})
	if err != nil {
		in.fail("%s", err)
	}
	return s, err == nil
}

// dynamic checks the {variables} of a value that is expanded at each launch. With
// secret, no part of the value is told, not even an unknown variable's name.
func (in input) dynamic(s string, known []string, open, secret bool) {
	_, err := expand(s, func(name string) (string, error) {
		if isKnown(known, name) || open && strings.HasPrefix(name, "env.") && isVariableName(name[4:]) {
			return "", nil
		}
		if other, ok := strings.CutPrefix(name, "socket."); ok && !secret {
			return "", &variableError{name, fmt.Sprintf("this process has no such socket; name it in sockets%s", suggest(other, socketsOf(known)))}
		}
		return "", unknownVariable(name, known)
	})
	var wrong *variableError
	switch {
	case err == nil:
	case secret && errors.As(err, &wrong):
		in.fail("%s", wrong.Msg)
	default:
		in.fail("%s", err)
	}
}

// isKnown reports whether a variable is among known, where env. may have patterns.
func isKnown(known []string, name string) bool {
	variable, inEnv := strings.CutPrefix(name, "env.")
	return slices.ContainsFunc(known, func(k string) bool {
		return k == name || inEnv && isPattern(k) && isInherited([]string{strings.TrimPrefix(k, "env.")}, variable)
	})
}

func socketsOf(known []string) []string {
	var names []string
	for _, k := range known {
		if name, ok := strings.CutPrefix(k, "socket."); ok {
			names = append(names, name)
		}
	}
	return names
}
