package configs

import (
	"maps"
	"slices"
	"strings"

	"supd/privdrop"
)

// list reads an array of whatever read reads; never nil when it is right.
func list[V any](read func(input) (V, bool)) func(input) ([]V, bool) {
	return func(in input) ([]V, bool) {
		if !in.is(anArray) {
			return nil, false
		}
		all, right := []V{}, true
		for i := range in.Items {
			v, ok := read(input{&in.Items[i], in.scope})
			all, right = append(all, v), right && ok
		}
		return all, right
	}
}

// distinct is a list without repetitions.
func distinct[V comparable](read func(input) (V, bool)) func(input) ([]V, bool) {
	return func(in input) ([]V, bool) {
		all, ok := list(read)(in)
		seen := map[V]bool{}
		for i, v := range all {
			if ok && seen[v] {
				input{&in.Items[i], in.scope}.fail("%#v is there twice", v)
				return nil, false
			}
			seen[v] = true
		}
		return all, ok
	}
}

// command reads a command line: a string to be split, or a list.
func command(in input) ([]string, bool) {
	if in.Kind == anArray {
		argv, ok := list(text)(in)
		if ok && (len(argv) == 0 || argv[0] == "") {
			in.fail("names no program")
			return nil, false
		}
		return argv, ok
	}
	if in.Kind != aString {
		in.fail("want a command as a string or a list of strings, got %s", in.Kind)
		return nil, false
	}
	s, ok := text(in)
	if !ok {
		return nil, false
	}
	argv, err := Split(s)
	switch {
	case err != nil:
		in.fail("%s", err)
	case len(argv) == 0 || argv[0] == "":
		in.fail("names no program")
	default:
		return argv, true
	}
	return nil, false
}

// stepGroup is the word in a step of stop that is for more than the main process.
const stepGroup = "group"

// steps reads stop: a signal, how long to wait after it, and whom else it is for.
func steps(in input) ([]StopStep, bool) {
	const want = `want a list of steps such as [["TERM", "30s"], ["QUIT", "10s"]], or ["TERM", "30s", "group"] for all that the worker has started`
	if in.Kind != anArray || len(in.Items) == 0 {
		in.fail("%s", want)
		return nil, false
	}
	return list(func(step input) (StopStep, bool) {
		if step.Kind != anArray || len(step.Items) != 2 && len(step.Items) != 3 {
			step.fail("%s", want)
			return StopStep{}, false
		}
		sig, ok := signal(input{&step.Items[0], step.scope})
		wait, fine := duration(positive)(input{&step.Items[1], step.scope})
		if len(step.Items) == 2 {
			return StopStep{Signal: sig, Wait: wait}, ok && fine
		}
		_, right := one(stepGroup)(input{&step.Items[2], step.scope})
		return StopStep{Signal: sig, Wait: wait, Group: true}, ok && fine && right
	})(in)
}

// variables reads [env]. Values may hold {variables}; they appear in no message.
func variables(in input) (map[string]string, bool) {
	if !in.is(aTable) {
		return nil, false
	}
	env, right := map[string]string{}, true
	for _, name := range sortedKeys(in.Table) {
		child := input{in.Table[name], in.scope}
		ok := child.variableName(name)
		s, fine := text(child)
		if right = right && ok && fine; right {
			env[name] = s
		}
	}
	return env, right
}

// variableName refuses names that no program reads, and those that supd sets.
func (in input) variableName(name string) bool {
	if problem := checkVariableName(name); problem != "" {
		in.fail("%s", problem)
		return false
	}
	return true
}

// VariableProblem says why a file cannot set an environment variable of this name, or "".
func VariableProblem(name string) string { return checkVariableName(name) }

func checkVariableName(name string) string {
	switch {
	case !isVariableName(name):
		return "want a name of letters, digits and _, not beginning with a digit"
	case ownVariables[name]:
		return "is set by supd for each worker; remove it"
	}
	return ""
}

func isVariableName(name string) bool {
	return name != "" && (name[0] < '0' || name[0] > '9') && strings.Trim(name, letters+"_0123456789") == ""
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// ownVariables are set for each worker, whatever else says so.
var ownVariables = map[string]bool{
	"LISTEN_FDS": true, "LISTEN_PID": true, "LISTEN_FDNAMES": true,
	"NOTIFY_SOCKET": true, "WATCHDOG_USEC": true, "WATCHDOG_PID": true, "XDG_RUNTIME_DIR": true,
	"SUPD_APP": true, "SUPD_PROCESS": true, "SUPD_SLOT": true, "SUPD_WORKER": true,
	"SUPD_VERSION": true, "SUPD_RELEASE": true, "SUPD_GENERATION": true, "SUPD_TOKEN": true,
	"SUPD_HOOK": true, "SUPD_PID": true, "SUPD_EXIT_CODE": true, "SUPD_EXIT_SIGNAL": true, "SUPD_EXIT_REASON": true,
}

// inherited reads one name or pattern of env_inherit.
func inherited(in input) (string, bool) {
	name, ok := text(in)
	if !ok {
		return "", false
	}
	if isPattern(name) && isVariableName(strings.ReplaceAll(name, "*", "_")) {
		return name, true
	}
	if problem := checkVariableName(name); problem != "" {
		in.fail("%q: %s", name, problem)
		return "", false
	}
	return name, true
}

// limits reads limits, by name.
func limits(in input) (privdrop.Limits, bool) {
	if !in.is(aTable) {
		return nil, false
	}
	all, right := privdrop.Limits{}, true
	for _, name := range sortedKeys(in.Table) {
		child := input{in.Table[name], in.scope}
		limit, ok := child.limit(name)
		all[name], right = limit, right && ok
	}
	return all, right
}

func (in input) limit(name string) (limit privdrop.Limit, ok bool) {
	switch {
	case slices.Contains(laterLimits, name):
		in.fail("not yet supported")
		return limit, false
	case !slices.Contains(limitNames, name):
		in.fail("unknown key%s", suggest(name, limitNames))
		return limit, false
	case in.Kind != anInt && in.Kind != aString:
		in.fail(`want a number, "512MiB", "unlimited" or "soft:hard", got %s`, in.Kind)
		return limit, false
	}
	if err := limit.UnmarshalText([]byte(in.Text)); err != nil {
		in.fail("%s", err)
		return limit, false
	}
	return limit, true
}

var (
	limitNames  = privdrop.LimitNames()
	laterLimits = []string{"memory", "cpu", "tasks"} // by cgroup
)

func umask(in input) (mask privdrop.Umask, ok bool) {
	if in.Kind == anInt {
		in.fail(`want the umask in quotes: "0027" (TOML reads %s as a decimal number)`, in.Text)
		return 0, false
	}
	s, ok := text(in)
	if !ok {
		return 0, false
	}
	if err := mask.UnmarshalText([]byte(s)); err != nil {
		in.fail("%s", err)
		return 0, false
	}
	return mask, true
}

func capability(in input) (string, bool) {
	s, ok := text(in)
	if !ok || s == privdrop.Container {
		return s, ok
	}
	if _, err := privdrop.ParseCapability(s); err != nil {
		known := append(privdrop.Capabilities(), privdrop.Container)
		bare := strings.TrimPrefix(strings.ToLower(s), "cap_")
		in.fail("%q: no capability of this kernel's interface%s", s, suggest(bare, known))
		return "", false
	}
	return s, true
}

// sortedKeys gives a map's keys in order.
func sortedKeys[K ~string, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
