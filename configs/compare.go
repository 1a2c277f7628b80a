package configs

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// KeyChange is a key that says something else in one state of the files than in another.
// Old and New are as they are written, with the defaults; "" is not set. What may be
// secret is left out of both: values of env, and parts of texts, see Redact.
type KeyChange struct {
	Key string `json:"key"` // "command", "env.DEBUG", "socket.web.listen"
	Old string `json:"old"`
	New string `json:"new"`
}

// hidden stands for what may be secret.
const hidden = "(hidden)"

// CompareProcess gives the keys of a process that two states of an app have otherwise,
// those of the app that hold for each process included. Of an app that is nil, or lacks
// the process, nothing is known.
func CompareProcess(old, now *App, name string) []KeyChange {
	if old == nil || now == nil || old.places[name] == nil || now.places[name] == nil {
		return nil
	}
	return compareTables(old.places.whole(name), now.places.whole(name))
}

// whole lays the tables over each other.
func (p places) whole(of string) (v *value) {
	for _, table := range slices.Backward(p[of]) {
		switch {
		case v == nil:
			v = table
		case table != nil:
			v = overlay(v, table)
		}
	}
	return v
}

// CompareSocket does the same for a socket.
func CompareSocket(old, now *App, name string) []KeyChange {
	table := func(a *App) *value { return a.places.whole("").child("socket").child(name) }
	return under("socket."+name, compareTables(table(old), table(now)))
}

// CompareApp does the same for what concerns the app as a whole, its releases and
// rollouts.
func CompareApp(old, now *App) []KeyChange {
	all := under("rollout", compareTables(merge(old.rollout...), merge(now.rollout...)))
	return append(all, compareTables(old.places.whole("").asWhole(), now.places.whole("").asWhole())...)
}

// asWhole is an app's table without what is compared elsewhere.
func (v *value) asWhole() *value {
	if v == nil {
		return nil
	}
	whole := *v
	whole.Table = maps.Clone(v.Table)
	for _, name := range append([]string{"process", "socket", "rollout"}, ofProcesses...) {
		delete(whole.Table, name)
	}
	return &whole
}

// CompareDaemon does the same for supd.toml, but for the defaults of apps, and for who may
// do what: a running supd learns of that.
func CompareDaemon(old, now *Config) (all []KeyChange) {
	for _, table := range []string{"daemon", "control", "metrics"} {
		all = append(all, under(table, compareTables(old.places.whole("").child(table), now.places.whole("").child(table)))...)
	}
	return slices.DeleteFunc(all, func(k KeyChange) bool { return k.Key == "control.operators" || k.Key == "control.readers" })
}

func under(table string, all []KeyChange) []KeyChange {
	for i := range all {
		all[i].Key = table + "." + all[i].Key
	}
	return all
}

func compareTables(old, now *value) (all []KeyChange) {
	before, after := map[string]string{}, map[string]string{}
	old.flatten("", before)
	now.flatten("", after)
	keys := maps.Clone(before)
	maps.Copy(keys, after)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if before[key] != after[key] {
			all = append(all, KeyChange{key, redactKey(key, before[key]), redactKey(key, after[key])})
		}
	}
	return all
}

// redactKey hides values of env as a whole: no rule tells the secret ones.
func redactKey(key, text string) string {
	if text != "" && (key == "env" || strings.HasPrefix(key, "env.")) {
		return hidden
	}
	return shortened(Redact(text))
}

// flatten puts what is written in a table, and below it, into all, by dotted key.
func (v *value) flatten(at string, all map[string]string) {
	switch {
	case v == nil:
	case v.Kind != aTable:
		all[at] = v.written()
	default:
		for name, child := range v.Table {
			child.flatten(dotted(at, name), all)
		}
	}
}

// written gives a value as TOML has it.
func (v *value) written() string {
	switch v.Kind {
	case aString, anyText:
		return strconv.Quote(v.Text)
	case anArray:
		items := make([]string, len(v.Items))
		for i := range v.Items {
			items[i] = v.Items[i].written()
		}
		return "[" + strings.Join(items, ", ") + "]"
	case aTable:
		fields := make([]string, 0, len(v.Table))
		for _, name := range sortedKeys(v.Table) {
			fields = append(fields, dotted("", name)+" = "+v.Table[name].written())
		}
		return "{ " + strings.Join(fields, ", ") + " }"
	default:
		return v.Text
	}
}

// mostShown is how many bytes of a value are shown.
const mostShown = 500

func shortened(s string) string {
	if len(s) <= mostShown {
		return s
	}
	return strings.ToValidUTF8(s[:mostShown], "") + "…"
}
