package configs

import (
	"maps"
	"slices"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
)

// header is the key under which koanf carries a table's own place. No table of a
// file has it: parse refuses a key with a zero byte.
const header = "\x00"

// stack is tables to be laid over each other. In koanf's maps every leaf is the
// index of its value, so that each setting keeps the place it came from; koanf
// copies all that is in a map, by reflection, and an integer costs it little.
type stack struct {
	values []*value
	koanf  *koanf.Koanf
}

// merge lays tables over each other with koanf, key by key, the last one on top.
func merge(layers ...*value) *value {
	s := stack{koanf: koanf.New(".")}
	layers = slices.Clone(layers)
	for i, layer := range layers {
		layers[i] = layer.withLogTable()
	}
	for i, layer := range layers {
		if layer == nil {
			continue
		}
		m := s.flat(layer)
		for table, kinds := range kindsOf {
			if outranked(layers[i+1:], table, kinds) {
				dropKinds(m, table, kinds)
			}
		}
		// Neither a confmap nor a merge that is not strict can fail.
		_ = s.koanf.Load(confmap.Provider(m, ""), nil)
	}
	return s.table(s.koanf.Raw())
}

// overlay is merge for what each of many processes says: koanf copies all that lies
// below once more each time, and of a thousand processes that is most of the time
// that reading them takes. What is below is shared, not copied.
func overlay(below *value, layers ...*value) *value {
	for _, above := range layers {
		if above != nil {
			below = below.under(above.withLogTable())
		}
	}
	return below
}

// under is a table with another one over it, key by key.
func (v *value) under(above *value) *value {
	both := &value{Kind: aTable, Table: maps.Clone(v.Table), Place: above.Place}
	for name, child := range above.Table {
		below := both.Table[name]
		if below == nil || below.Kind != aTable || child.Kind != aTable {
			both.Table[name] = child
			continue
		}
		if kinds := kindsOf[name]; outranked([]*value{above}, name, kinds) {
			below = below.without(name, kinds)
		}
		both.Table[name] = below.under(child)
	}
	return both
}

// without is a table of kinds without any.
func (v *value) without(table string, kinds []string) *value {
	with := *v
	with.Table = maps.Clone(v.Table)
	maps.DeleteFunc(with.Table, func(key string, _ *value) bool {
		return slices.Contains(kinds, key) || key == "socket" && table != "log" // where it would be an unknown key
	})
	return &with
}

// withLogTable has a log that is a string, which is short for its file, as a table.
func (v *value) withLogTable() *value {
	log := v.child("log")
	if log == nil || log.Kind != aString {
		return v
	}
	with := *v
	with.Table = maps.Clone(v.Table)
	with.Table["log"] = &value{Kind: aTable, Place: log.Place, Table: map[string]*value{"file": log}}
	return &with
}

// flat gives the table as koanf wants it, in maps that it may keep.
func (s *stack) flat(v *value) map[string]any {
	m := make(map[string]any, len(v.Table)+1)
	m[header] = s.index(v)
	for name, child := range v.Table {
		if child.Kind == aTable {
			m[name] = s.flat(child)
		} else {
			m[name] = s.index(child)
		}
	}
	return m
}

func (s *stack) index(v *value) int {
	s.values = append(s.values, v)
	return len(s.values) - 1
}

func (s *stack) table(m map[string]any) *value {
	t := &value{Kind: aTable, Table: make(map[string]*value, len(m))}
	for name, child := range m {
		switch child := child.(type) {
		case map[string]any:
			t.Table[name] = s.table(child)
		case int:
			if name == header {
				t.Place = s.values[child].Place
			} else {
				t.Table[name] = s.values[child]
			}
		}
	}
	return t
}

// kindsOf are the tables with kinds that exclude each other.
var kindsOf = map[string][]string{"ready": readyKinds, "health": healthKinds, "log": logKinds}

// outranked reports whether a layer above names a kind in the table: it replaces the
// one below instead of joining it.
func outranked(above []*value, table string, kinds []string) bool {
	for _, layer := range above {
		for _, kind := range kinds {
			if layer.child(table).child(kind) != nil {
				return true
			}
		}
	}
	return false
}

func dropKinds(m map[string]any, table string, kinds []string) {
	below, ok := m[table].(map[string]any)
	if !ok {
		return
	}
	if table != "log" { // where it would be an unknown key
		delete(below, "socket")
	}
	for _, kind := range kinds {
		delete(below, kind)
	}
}
