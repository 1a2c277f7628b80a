package record

import (
	"cmp"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// hashOf is of the JSON of v without its zero values. A start makes it of each process:
// most of a struct is zero, and its JSON is not made to be taken apart again.
func hashOf(v any) string {
	text, err := json.Marshal(plain(reflect.ValueOf(v))) // the keys of a map are sorted
	if err != nil {
		panic(noJSON + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}

const noJSON = "record: a configuration that is no JSON: "

// plain is what the JSON of v would be decoded into, without its zero values; nil is
// what has none but these.
func plain(v reflect.Value) any {
	switch {
	case v.Kind() == reflect.Pointer && v.IsNil():
		return nil
	case v.Kind() == reflect.Pointer:
		return plain(v.Elem())
	}
	switch s := shapeOf(v.Type()); {
	case s.itself:
		return byJSON(v)
	case v.Kind() == reflect.Struct:
		return members(v, s)
	}
	switch v.Kind() {
	case reflect.Bool, reflect.String, reflect.Int, reflect.Int64:
		if v.IsZero() {
			return nil
		}
	case reflect.Slice, reflect.Map:
		if v.Len() == 0 {
			return nil
		}
	}
	switch v.Kind() {
	case reflect.Bool:
		return true
	case reflect.Int, reflect.Int64:
		return float64(v.Int())
	case reflect.String:
		if text := v.String(); !isBroken(text) {
			return text
		}
	case reflect.Slice:
		if texts, ok := v.Interface().([]string); ok && !slices.ContainsFunc(texts, isBroken) {
			return texts
		}
	}
	return byJSON(v)
}

// isBroken reports whether the JSON of a text is another text.
func isBroken(text string) bool { return !utf8.ValidString(text) }

// shape is what is to be known of a type, once.
type shape struct {
	itself bool // it has a JSON of its own, that of its zero value included
	fields []field
}

// field is a field of a struct that its JSON has.
type field struct {
	name    string
	index   int
	outside bool // it is embedded: its fields are the struct's
}

var shapes sync.Map // by reflect.Type

func shapeOf(t reflect.Type) *shape {
	if known, ok := shapes.Load(t); ok {
		return known.(*shape)
	}
	p := reflect.PointerTo(t)
	s := &shape{itself: p.Implements(reflect.TypeFor[encoding.TextMarshaler]()) || p.Implements(reflect.TypeFor[json.Marshaler]())}
	if t.Kind() == reflect.Struct {
		for i := range t.NumField() {
			f := t.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.IsExported() && name != "-" {
				s.fields = append(s.fields, field{cmp.Or(name, f.Name), i, f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct})
			}
		}
	}
	shapes.Store(t, s)
	return s
}

// members are those of a struct, with those of what it embeds.
func members(v reflect.Value, s *shape) any {
	all := map[string]any{}
	for _, f := range s.fields {
		switch one := plain(v.Field(f.index)); {
		case one == nil:
		case f.outside:
			maps.Copy(all, one.(map[string]any))
		default:
			all[f.name] = one
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// byJSON is plain by way of the JSON, whatever v is.
func byJSON(v reflect.Value) (all any) {
	text, err := json.Marshal(v.Interface())
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		panic(noJSON + err.Error())
	}
	return withoutZeros(all)
}

// withoutZeros takes the zero values out of what JSON was decoded into; nil is what
// has none left.
func withoutZeros(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, child := range v {
			if child = withoutZeros(child); child == nil {
				delete(v, name)
			} else {
				v[name] = child
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		if len(v) == 0 {
			return nil
		}
	case string:
		if v == "" {
			return nil
		}
	case float64:
		if v == 0 {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	}
	return v
}
