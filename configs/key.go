package configs

import "slices"

// input is a value to be read into the schema.
type input struct {
	*value
	*scope
}

// scope is what holds for all values of an app or a process.
type scope struct {
	report  *report
	root    bool              // supd is, or will be
	home    string            // directory that relative paths without a file are relative to
	vars    map[string]string // variables known already at load: app, process
	app     string            // its file
	version *Version          // nil: the app has no releases; an empty one: none is known yet
}

// open reports whether a release may still bring what is not there.
func (s *scope) open() bool { return s.version != nil && s.version.Path == "" }

// settled reports whether no release can change some keys below: none is to come, or
// the app's file states them all, which outranks it.
func (in input) settled(names ...string) bool {
	changeable := func(name string) bool {
		child := in.Table[name]
		return child == nil || child.Place.File != in.app
	}
	return !in.open() || len(names) > 0 && !slices.ContainsFunc(names, changeable)
}

func (in input) fail(format string, args ...any) { in.report.add(in.Place, format, args...) }

// at gives the value of a key below, or the table itself when there is none, for
// messages that concern more than one key.
func (in input) at(names ...string) input {
	for _, name := range names {
		child := in.Table[name]
		if child == nil {
			return in
		}
		in = input{child, in.scope}
	}
	return in
}

// written gives the first of some keys below that a file sets, for messages about
// two of them; the table itself when there is none.
func (in input) written(names ...string) input {
	for _, name := range names {
		if child := in.Table[name]; child != nil && child.Place.File != "" {
			return input{child, in.scope}
		}
	}
	return in
}

// key is one key of a table that becomes a T.
type key[T any] struct {
	name string
	read func(in input, into *T) // nil: it comes with a later version
	sub  []string                // of a table, its own keys
}

// field is a key whose value becomes one field, and changes nothing when wrong.
func field[T, V any](name string, at func(*T) *V, read func(input) (V, bool)) key[T] {
	return key[T]{name: name, read: func(in input, into *T) {
		if v, ok := read(in); ok {
			*at(into) = v
		}
	}}
}

// part is a key whose value is a table with keys of its own.
func part[T, V any](name string, at func(*T) *V, keys []key[V]) key[T] {
	return key[T]{name: name, sub: names(keys), read: func(in input, into *T) {
		readTable(in, keys, at(into))
	}}
}

// later are keys of the contract that this version does not act on. They are
// refused: a setting that does nothing is worse than an error.
func later[T any](names ...string) []key[T] {
	keys := make([]key[T], len(names))
	for i, name := range names {
		keys[i] = key[T]{name: name}
	}
	return keys
}

// names gives the supported keys, those of tables below as "log.file".
func names[T any](keys []key[T]) []string {
	var all []string
	for _, k := range keys {
		switch {
		case k.read == nil:
		case k.sub == nil:
			all = append(all, k.name)
		default:
			for _, sub := range k.sub {
				all = append(all, k.name+"."+sub)
			}
		}
	}
	return all
}

// readTable reads every key of a table, and refuses what is not among keys.
func readTable[T any](in input, keys []key[T], into *T) {
	if !in.is(aTable) {
		return
	}
	for _, name := range sortedKeys(in.Table) {
		child := input{in.Table[name], in.scope}
		i := slices.IndexFunc(keys, func(k key[T]) bool { return k.name == name })
		switch {
		case i < 0:
			child.fail("%s", unknown(name, foreignTo[T](), first(keys)))
		case child.Kind == unreadable: // which has been said
		case keys[i].read == nil:
			child.fail("not yet supported")
		default:
			keys[i].read(child, into)
		}
	}
}

// unknown says of a key that there is none, and what may be meant.
func unknown(name string, others map[string]counterpart, known []string) string {
	if f, is := others[name]; is {
		return f.String()
	}
	return "unknown key" + suggest(name, known)
}

// first gives the supported keys of the table itself.
func first[T any](keys []key[T]) []string {
	var all []string
	for _, k := range keys {
		if k.read != nil {
			all = append(all, k.name)
		}
	}
	return all
}

func (in input) is(want kind) bool {
	if in.Kind != want && in.Kind != unreadable {
		in.fail("want %s, got %s", want, in.Kind)
	}
	return in.Kind == want
}
