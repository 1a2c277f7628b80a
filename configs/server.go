package configs

import (
	_ "embed"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed servers.toml
var serversFile []byte

// server is a table of servers.toml: what is known of a program that serves requests or
// runs tasks. What is for people alone is for configs/docs/servers.md.
type server struct {
	Name      string // in server = "…"
	Title     string
	Programs  []*regexp.Regexp    // of whole names
	Words     []string            // one of them is an argument; none: no matter
	Django    map[string][]string // commands of manage.py, and those that they stand for
	Package   string              // the Python distribution whose version counts; "": no trap asks
	Work      string              // what it does: "requests"
	Arguments string              // a variable with more arguments
	Known     string              // versions that all this is known of, for people
	Restart   string              // what one loses, for people
	Ready     string              // how that is told, for people
	Sources   string              // of what is known, for people
	App       string              // an app file but for its user, for people
	Also      []string            // what code of ours looks at besides, for people
	Sockets   taking
	Stop      manners
	Presets   map[string]preset
	Adds      map[string]argument
	Traps     map[string]knownTrap
}

// take says how a program takes the sockets that a worker inherits.
type take string

const (
	takeListenFDs take = "listen_fds" // all, by LISTEN_FDS
	takeOption    take = "option"     // by an option for each
	takeVariable  take = "variable"   // by a variable with all
	takeCode      take = "code"       // if the application's own code does
	takeNone      take = "none"
)

type taking struct {
	Take   take
	Most   int      // so many at most; 0 is no limit
	Option []string // of takeOption, its names
	Add    []string // likewise, for each socket: {fd} is its number
	Absent []string // options of which each says otherwise
	Name   string   // of takeVariable
	Each   string   // of takeVariable, for each socket: {address} and {fd}
	Says   string   // where none is taken
}

// manners are how a program is stopped so that nothing is lost.
type manners struct {
	Steps    *value
	Signals  []Signal      // any of which lets it end its work
	Other    string        // what others do
	Option   string        // how long it lets the work go on
	Unit     time.Duration // of the option
	Default  time.Duration // of the option; 0: there is none
	Margin   time.Duration // that it needs beyond
	Least    time.Duration // that the first step of stop is to wait; 0: no matter
	Twice    string        // what a second signal does; "": nothing bad
	Children bool          // which get the signal by "group", and must not
}

// preset is what a process with that server is by default, where a condition holds.
type preset struct {
	condition
	Set *value
}

// argument is what the command of a process with that server has besides.
type argument struct {
	condition
	Add []string
}

// knownTrap is a setting that is valid, and yet loses something.
type knownTrap struct {
	condition
	Key     string // that is blamed; "" is that of the setting
	Says    string
	Cured   bool   // server = "…" does what it says
	Fact    bool   // nothing mends it: whoever writes server = "…" knows
	Alone   bool   // nothing else is of interest then
	Example string // a command that it is about,
	With    string // and more keys of the process
}

// servers are all tables, by name. That the file is right is for a test.
var servers = sync.OnceValue(func() map[string]*server {
	var r report
	all := readServers(serversFile, &r)
	if errs := r.sorted(); len(errs) > 0 {
		panic("servers.toml: " + errs.Error())
	}
	return all
})

func readServers(data []byte, r *report) map[string]*server {
	all := map[string]*server{}
	top, ok := parse("servers.toml", data, r)
	if !ok {
		return nil
	}
	for name, table := range top.Table {
		s := &server{Name: name}
		in := input{table, &scope{report: r}}
		readTable(in, serverKeys, s)
		if s.Title == "" || len(s.Programs) == 0 || s.Work == "" || s.Known == "" || s.Restart == "" || s.Ready == "" || s.Sources == "" || s.App == "" || s.Sockets.Take == "" || s.Stop.Steps == nil {
			in.fail("lacks one of title, programs, work, known, restart, ready, sources, app, sockets.take and stop.steps")
		}
		all[name] = s
	}
	return all
}

var serverKeys = []key[server]{
	field("title", func(s *server) *string { return &s.Title }, filled),
	field("programs", func(s *server) *[]*regexp.Regexp { return &s.Programs }, list(wholeName)),
	field("words", func(s *server) *[]string { return &s.Words }, list(filled)),
	field("django", func(s *server) *map[string][]string { return &s.Django }, tableOf(list(filled))),
	field("package", func(s *server) *string { return &s.Package }, filled),
	field("work", func(s *server) *string { return &s.Work }, filled),
	field("arguments", func(s *server) *string { return &s.Arguments }, filled),
	field("known", func(s *server) *string { return &s.Known }, filled),
	field("restart", func(s *server) *string { return &s.Restart }, filled),
	field("ready", func(s *server) *string { return &s.Ready }, filled),
	field("sources", func(s *server) *string { return &s.Sources }, filled),
	field("app", func(s *server) *string { return &s.App }, filled),
	field("also", func(s *server) *[]string { return &s.Also }, list(filled)),
	part("sockets", func(s *server) *taking { return &s.Sockets }, takingKeys),
	part("stop", func(s *server) *manners { return &s.Stop }, mannersKeys),
	field("preset", func(s *server) *map[string]preset { return &s.Presets }, tableOf(tableRead(presetKeys))),
	field("argument", func(s *server) *map[string]argument { return &s.Adds }, tableOf(tableRead(argumentKeys))),
	field("trap", func(s *server) *map[string]knownTrap { return &s.Traps }, tableOf(tableRead(trapKeys))),
}

var takingKeys = []key[taking]{
	field("take", func(t *taking) *take { return &t.Take }, one(takeListenFDs, takeOption, takeVariable, takeCode, takeNone)),
	field("most", func(t *taking) *int { return &t.Most }, count(1)),
	field("option", func(t *taking) *[]string { return &t.Option }, list(filled)),
	field("add", func(t *taking) *[]string { return &t.Add }, list(filled)),
	field("absent", func(t *taking) *[]string { return &t.Absent }, list(filled)),
	field("name", func(t *taking) *string { return &t.Name }, filled),
	field("each", func(t *taking) *string { return &t.Each }, filled),
	field("says", func(t *taking) *string { return &t.Says }, filled),
}

var mannersKeys = []key[manners]{
	field("steps", func(m *manners) **value { return &m.Steps }, asWrittenValue),
	field("signals", func(m *manners) *[]Signal { return &m.Signals }, list(signal)),
	field("other", func(m *manners) *string { return &m.Other }, filled),
	field("option", func(m *manners) *string { return &m.Option }, filled),
	field("unit", func(m *manners) *time.Duration { return &m.Unit }, duration(positive)),
	field("default", func(m *manners) *time.Duration { return &m.Default }, duration(positive)),
	field("margin", func(m *manners) *time.Duration { return &m.Margin }, duration(positive)),
	field("least", func(m *manners) *time.Duration { return &m.Least }, duration(positive)),
	field("twice", func(m *manners) *string { return &m.Twice }, filled),
	field("children", func(m *manners) *bool { return &m.Children }, boolean),
}

var presetKeys = append(conditionKeys(func(p *preset) *condition { return &p.condition }),
	field("set", func(p *preset) **value { return &p.Set }, asWrittenValue),
)

var argumentKeys = append(conditionKeys(func(a *argument) *condition { return &a.condition }),
	field("add", func(a *argument) *[]string { return &a.Add }, list(filled)),
)

var trapKeys = append(conditionKeys(func(t *knownTrap) *condition { return &t.condition }),
	field("key", func(t *knownTrap) *string { return &t.Key }, filled),
	field("says", func(t *knownTrap) *string { return &t.Says }, filled),
	field("cured", func(t *knownTrap) *bool { return &t.Cured }, boolean),
	field("fact", func(t *knownTrap) *bool { return &t.Fact }, boolean),
	field("alone", func(t *knownTrap) *bool { return &t.Alone }, boolean),
	field("example", func(t *knownTrap) *string { return &t.Example }, filled),
	field("with", func(t *knownTrap) *string { return &t.With }, filled),
)

// asWrittenValue keeps a value for the layer that it becomes a part of, where it has no
// place: it is in no file of anybody's.
func asWrittenValue(in input) (*value, bool) {
	unplace(in.value)
	return in.value, true
}

func unplace(v *value) {
	v.Place = Place{}
	for i := range v.Items {
		unplace(&v.Items[i])
	}
	for _, child := range v.Table {
		unplace(child)
	}
}

// tableOf reads a table of what read reads, by name.
func tableOf[V any](read func(input) (V, bool)) func(input) (map[string]V, bool) {
	return func(in input) (map[string]V, bool) {
		if !in.is(aTable) {
			return nil, false
		}
		all, right := map[string]V{}, true
		for _, name := range sortedKeys(in.Table) {
			v, ok := read(input{in.Table[name], in.scope})
			all[name], right = v, right && ok
		}
		return all, right
	}
}

func tableRead[T any](keys []key[T]) func(input) (T, bool) {
	return func(in input) (into T, ok bool) {
		readTable(in, keys, &into)
		return into, true
	}
}

func wholeName(in input) (*regexp.Regexp, bool) {
	s, ok := regular(in)
	if !ok {
		return nil, false
	}
	return regexp.MustCompile(`^(?:` + s + `)$`), true
}

// recognise gives the server that a program with its arguments is, nil for any other.
func recognise(program string, args []string) *server {
	for _, s := range servers() {
		if s.runs(program) && (len(s.Words) == 0 || slices.ContainsFunc(args, func(arg string) bool { return slices.Contains(s.Words, arg) })) {
			return s
		}
	}
	return nil
}

func (s *server) runs(program string) bool {
	return slices.ContainsFunc(s.Programs, func(p *regexp.Regexp) bool { return p.MatchString(program) })
}

// is reports whether it is the server of a name; a nil one is none.
func (s *server) is(name string) bool { return s != nil && s.Name == name }

// management is the command that one of manage.py stands for, nil where it is no server.
func management(name string) []string {
	for _, s := range servers() {
		if argv := s.Django[name]; argv != nil {
			return argv
		}
	}
	return nil
}

// serverNamed reads the name of a server.
func serverNamed(in input) (string, bool) {
	name, ok := filled(in)
	if ok && servers()[name] == nil {
		known := sortedKeys(servers())
		in.fail("%q: nothing is known of such a server%s; remove it, or name one of %s", name, suggest(name, known), strings.Join(known, ", "))
		return "", false
	}
	return name, ok
}
