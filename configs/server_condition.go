package configs

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// condition is about what a process is told, and how supd treats it. All that it names
// has to hold; Option and Variable are two places for one setting.
type condition struct {
	Option   []string       // one of them is given
	Variable []string       // or one of these is set
	Value    *regexp.Regexp // to this
	Except   *regexp.Regexp // but not to this
	Lacks    *regexp.Regexp // no value of the options is this, or there is none
	Shared   bool           // and two workers may be told the same at a time
	Absent   []string       // none of these options is given
	Unset    []string       // none of these variables is set
	Word     string         // is an argument
	Sockets  *bool          // it has some
	Statsd   bool
	Count    int      // it has as many workers, or more
	Ready    []string // one of these kinds
	Strategy Strategy
	Reload   []Signal // one of them is its reload_signal
	Versions versions // of the server
}

func conditionKeys[T any](at func(*T) *condition) []key[T] {
	return []key[T]{
		field("option", func(t *T) *[]string { return &at(t).Option }, list(filled)),
		field("variable", func(t *T) *[]string { return &at(t).Variable }, list(filled)),
		field("value", func(t *T) **regexp.Regexp { return &at(t).Value }, expression),
		field("except", func(t *T) **regexp.Regexp { return &at(t).Except }, expression),
		field("lacks", func(t *T) **regexp.Regexp { return &at(t).Lacks }, expression),
		field("shared", func(t *T) *bool { return &at(t).Shared }, boolean),
		field("absent", func(t *T) *[]string { return &at(t).Absent }, list(filled)),
		field("unset", func(t *T) *[]string { return &at(t).Unset }, list(filled)),
		field("word", func(t *T) *string { return &at(t).Word }, filled),
		field("sockets", func(t *T) **bool { return &at(t).Sockets }, pointer(boolean)),
		field("statsd", func(t *T) *bool { return &at(t).Statsd }, boolean),
		field("count", func(t *T) *int { return &at(t).Count }, count(2)),
		field("ready", func(t *T) *[]string { return &at(t).Ready }, list(filled)),
		field("strategy", func(t *T) *Strategy { return &at(t).Strategy }, strategy),
		field("reload", func(t *T) *[]Signal { return &at(t).Reload }, list(signal)),
		field("versions", func(t *T) *versions { return &at(t).Versions }, readVersions),
	}
}

func expression(in input) (*regexp.Regexp, bool) {
	s, ok := regular(in)
	if !ok {
		return nil, false
	}
	return regexp.MustCompile(s), true
}

// facts are what a server is told by its command and its environment.
type facts struct {
	args    []string
	more    []string // of a variable, below args
	moreKey string   // where that is set
	env     map[string]string
	envKey  func(name string) string
	// partial says that there is a file which could not be read: an option that is
	// missing here may be in there.
	partial bool
	process *Process
	app     *App                            // nil: its strategy is no matter yet
	version func(server *server) (v string) // "" where that cannot be told
}

func (t *facts) all() []string { return slices.Concat(t.more, t.args) }

// isShared reports whether an address or a name, which must be a worker's alone, may be that
// of two at a time: of the old and the new one of a slot, or of two slots.
func (t *facts) isShared(name string) bool {
	surges := t.app == nil || t.app.StrategyOf(t.process) == StrategySurge
	return surges && !strings.Contains(name, "{generation") || t.process.Count > 1 && !strings.Contains(name, "{slot")
}

// setting is a value that something was set to, and the key that did.
type setting struct{ key, value, match string }

// settings gives, for each setting that the condition is about, what it is; for one that
// is about none an empty one where it holds.
func (c *condition) settings(s *server, t *facts) []setting {
	if !c.holds(s, t) {
		return nil
	}
	if c.Lacks != nil && slices.ContainsFunc(values(t.all(), c.Option...), c.Lacks.MatchString) {
		return nil
	}
	found := []setting{{}}
	if c.Lacks == nil || c.Value != nil {
		found = c.given(t)
	}
	if len(found) > 0 && c.Versions != nil && !c.Versions.hold(t.version(s)) {
		return nil
	}
	return found
}

// given are the settings that are there, if they are to be.
func (c *condition) given(t *facts) (all []setting) {
	if len(c.Option)+len(c.Variable) == 0 {
		return []setting{{}}
	}
	add := func(key string, values ...string) {
		for _, v := range values {
			if c.Value != nil && !c.Value.MatchString(v) || c.Except != nil && c.Except.MatchString(v) || c.Shared && !t.isShared(v) {
				continue
			}
			match := v
			if c.Value != nil {
				match = c.Value.FindString(v)
			}
			all = append(all, setting{key, v, match})
		}
	}
	add("command", values(t.args, c.Option...)...)
	add(t.moreKey, values(t.more, c.Option...)...)
	for _, name := range c.Variable {
		if v, set := t.env[name]; set {
			add(t.envKey(name), v)
		}
	}
	return all
}

// holds is about all but the settings.
func (c *condition) holds(s *server, t *facts) bool {
	p := t.process
	switch {
	case t.partial && (c.Lacks != nil || len(c.Absent) > 0),
		c.Word != "" && !slices.Contains(t.args, c.Word),
		has(t.all(), c.Absent...),
		slices.ContainsFunc(c.Unset, func(name string) bool { _, set := t.env[name]; return set }),
		c.Sockets != nil && *c.Sockets != (len(p.Sockets) > 0),
		c.Statsd && !p.Statsd,
		p.Count < c.Count,
		len(c.Ready) > 0 && !slices.Contains(c.Ready, p.Ready.kind()),
		c.Strategy != "" && (t.app == nil || t.app.StrategyOf(p) != c.Strategy),
		len(c.Reload) > 0 && !slices.Contains(c.Reload, p.ReloadSignal):
		return false
	}
	return true
}

// kind is the key of ready that says how it is told.
func (r Ready) kind() string {
	switch {
	case r.Notify:
		return "notify"
	case r.HTTP != "":
		return "http"
	case r.TCP != "":
		return "tcp"
	case r.Log != "":
		return "log"
	case len(r.Exec) > 0:
		return "exec"
	case r.File != "":
		return "file"
	case r.Exit:
		return "exit"
	}
	return "uptime"
}

// versions are bounds such as ">= 25.1, < 26.1". A "?" before them lets them hold for a
// version that is not known as well.
type versions []bound

type bound struct {
	operator string
	than     []int
}

func readVersions(in input) (versions, bool) {
	s, ok := filled(in)
	if !ok {
		return nil, false
	}
	var all versions
	if rest, unknown := strings.CutPrefix(s, "? "); unknown {
		all, s = append(all, bound{operator: "?"}), rest
	}
	for one := range strings.SplitSeq(s, ", ") {
		operator, than, _ := strings.Cut(one, " ")
		if operator != ">=" && operator != "<" || len(numbersOf(than)) == 0 {
			in.fail(`%q: want bounds such as ">= 25.1, < 26.1"`, s)
			return nil, false
		}
		all = append(all, bound{operator, numbersOf(than)})
	}
	return all, true
}

func (v versions) hold(version string) bool {
	is := numbersOf(version)
	if len(is) == 0 {
		return v[0].operator == "?"
	}
	return !slices.ContainsFunc(v, func(b bound) bool {
		order := slices.Compare(is, b.than)
		return b.operator == "<" && order >= 0 || b.operator == ">=" && order < 0
	})
}

// numbersOf gives the release numbers of a version: 26, 1 of "26.1.0rc1" and of "26.1",
// so that they compare as the same.
func numbersOf(version string) (all []int) {
	for part := range strings.SplitSeq(version, ".") {
		digits := part[:len(part)-len(strings.TrimLeft(part, "0123456789"))]
		n, err := strconv.Atoi(digits)
		if err != nil {
			break
		}
		all = append(all, n)
		if digits != part {
			break
		}
	}
	for len(all) > 1 && all[len(all)-1] == 0 {
		all = all[:len(all)-1]
	}
	return all
}
