package configs

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Place is where a value was written.
type Place struct {
	File string // absolute; "environment"; "" is a built-in default
	Line int    // from 1; 0 is the file as a whole
	Key  string // "process.web.command", or an environment variable's name
}

// places are those of tables and of all that is below them, by the name of what the
// tables make ("" for a file's top, else a process), the upper ones first. They are
// looked for when somebody has to be told: of a thousand processes hardly any.
type places map[string][]*value

// find gives where a key was written; that of "" is the table itself. It is the zero
// Place for what is a built-in default.
func (p places) find(of, key string) (at Place) {
	for _, table := range p[of] {
		if at = table.place(key); at.File != "" {
			break
		}
	}
	return at
}

// place gives where a key below the table was written.
func (v *value) place(key string) Place {
	for at := ""; v != nil && at != key; {
		at, v = v.toward(at, key)
	}
	if v == nil {
		return Place{}
	}
	return v.Place
}

// toward gives the child that has the key at, or below it, and the child's own key.
func (v *value) toward(at, key string) (string, *value) {
	for name, child := range v.Table {
		below := dotted(at, name)
		if below == key || strings.HasPrefix(key, below+".") {
			return below, child
		}
	}
	return at, nil
}

// at gives where a key was written; what holds by default is in the table that
// does not mention it.
func (p places) at(of, key string) Place {
	if at := p.find(of, key); at.File != "" {
		return at
	}
	at := p.find(of, "")
	at.Key = strings.TrimPrefix(at.Key+"."+key, ".")
	return at
}

// place is at of a key of supd.toml.
func (c *Config) place(key string) Place {
	if at := c.places.find("", key); at.File != "" {
		return at
	}
	return Place{c.Path, 0, key}
}

// states reports whether the app's file sets a key of a process.
func (a *App) states(process, key string) bool { return a.places.find(process, key).File == a.File }

// place gives where a key of the app's file ("") or of a process was written.
func (a *App) place(of, key string) Place { return a.places.at(of, key) }

// Error is one thing that is wrong in one place.
type Error struct {
	File string // relative to supd.toml's directory where it lies below it
	Line int    // from 1; 0 is the file as a whole
	Key  string // "" where no key is concerned
	Msg  string // what, then why or the remedy; one line, never a value of [env]
}

// Error gives `apps/whois.toml:12: process.web.count: want …`.
func (e Error) Error() string { return join(e.File, e.Line, e.Key, e.Msg) }

// Warning is a known trap: valid, and yet hardly what is wanted.
type Warning struct {
	File string
	Line int
	Key  string
	Msg  string
}

// String has the form of Error.Error.
func (w Warning) String() string { return join(w.File, w.Line, w.Key, w.Msg) }

// Errors is everything that is wrong, in all files, by file and line. Load and
// ReadEnvFile give a *Errors.
type Errors []Error

// Error gives one line for each.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives each Error to errors.As.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, one := range e {
		errs[i] = one
	}
	return errs
}

// Fault places an error of the host at a key of an app, or of one of its processes: what
// Load cannot know. Unlike an Error it says to errors.Is what it is.
func (c *Config) Fault(a *App, process, key string, err error) error {
	return c.fault(a.place(process, key), err)
}

// FaultOf is Fault for a key of supd.toml.
func (c *Config) FaultOf(key string, err error) error { return c.fault(c.place(key), err) }

func (c *Config) fault(at Place, err error) error {
	return fault{Error{displayed(c.home, at.File), at.Line, at.Key, oneLine(err.Error())}, err}
}

type fault struct {
	at  Error
	why error
}

func (f fault) Error() string { return f.at.Error() }

func (f fault) Unwrap() error { return f.why }

// As gives the Error to errors.As.
func (f fault) As(target any) bool {
	e, ok := target.(*Error)
	if ok {
		*e = f.at
	}
	return ok
}

// Sort brings errors into the order of the files and lines. What is in none comes
// last.
func Sort(errs []error) {
	slices.SortStableFunc(errs, func(a, b error) int {
		one, placed := errors.AsType[Error](a)
		other, both := errors.AsType[Error](b)
		switch {
		case placed && both:
			return compare(one, other)
		case placed:
			return -1
		case both:
			return 1
		}
		return 0
	})
}

func join(file string, line int, key, msg string) string {
	var b strings.Builder
	b.WriteString(file)
	if line > 0 {
		fmt.Fprintf(&b, ":%d", line)
	}
	if file != "" {
		b.WriteString(": ")
	}
	if key != "" {
		b.WriteString(key + ": ")
	}
	b.WriteString(msg)
	return b.String()
}

// report collects errors, each once: a value of [defaults.process] is read again
// for each process.
type report struct {
	home  string // supd.toml's directory
	seen  map[Error]bool
	count map[string]int // by file
}

func (r *report) add(at Place, format string, args ...any) {
	e := Error{displayed(r.home, at.File), at.Line, at.Key, oneLine(fmt.Sprintf(format, args...))}
	if r.seen == nil {
		r.seen, r.count = map[Error]bool{}, map[string]int{}
	}
	if r.seen[e] {
		return
	}
	if r.count[e.File]++; r.count[e.File] <= mostErrors {
		r.seen[e] = true
	}
}

// include takes over what another one has collected.
func (r *report) include(other *report) {
	if r.seen == nil {
		r.seen, r.count = map[Error]bool{}, map[string]int{}
	}
	for e := range other.seen {
		if r.seen[e] {
			continue
		}
		if r.count[e.File]++; r.count[e.File] <= mostErrors {
			r.seen[e] = true
		}
	}
	for file, n := range other.count {
		r.count[file] += max(0, n-mostErrors)
	}
}

// sorted gives the errors in the order of the files and lines.
func (r *report) sorted() Errors {
	errs := make(Errors, 0, len(r.seen))
	for e := range r.seen {
		errs = append(errs, e)
	}
	for file, n := range r.count {
		if n > mostErrors {
			errs = append(errs, Error{File: file, Msg: fmt.Sprintf("has %d errors, and these are %d of them", n, mostErrors)})
		}
	}
	slices.SortFunc(errs, compare)
	return errs
}

func compare(a, b Error) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Msg, b.Msg))
}

// displayed shortens the path of a file below home.
func displayed(home, file string) string {
	if rel, err := filepath.Rel(home, file); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return file
}

// oneLine keeps a message from others (the TOML parser, the kernel) on a line.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
