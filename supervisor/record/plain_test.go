package record

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"supd/configs"
	"supd/privdrop"
)

// TestPlain: the key of a launch is that of its JSON, as an earlier supd has recorded it,
// whatever is set.
func TestPlain(t *testing.T) {
	type launch struct {
		Config  configs.Process
		Account *privdrop.Account
		Release *configs.Version
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var one launch
		fill(r, reflect.ValueOf(&one).Elem())
		want, err := json.Marshal(byJSON(reflect.ValueOf(one)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(plain(reflect.ValueOf(one)))
		if diff := cmp.Diff(string(want), string(got)); diff != "" || err != nil {
			t.Fatalf("%v, -JSON +plain:\n%s", err, diff)
		}
	}
}

// fill sets about half of what there is, and leaves the rest zero.
func fill(r *rand.Rand, v reflect.Value) {
	if v.Kind() != reflect.Struct && r.IntN(2) == 0 {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for field, value := range v.Fields() {
			if field.IsExported() {
				fill(r, value)
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(3), 3))
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range r.IntN(3) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(r, key)
			fill(r, value)
			v.SetMapIndex(key, value)
		}
	case reflect.String:
		v.SetString([]string{"", "x", "ä <&>", "broken \xff\xfe"}[r.IntN(4)])
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(r.Float64())
	case reflect.Uint32:
		v.SetUint(uint64(r.IntN(0o777)))
	case reflect.Uint64:
		v.SetUint([]uint64{1, privdrop.Unlimited, 1 << 40}[r.IntN(3)])
	case reflect.Int, reflect.Int64:
		v.SetInt([]int64{-1, 1, 1e9, math.MaxInt64}[r.IntN(4)])
	default:
		panic("no " + v.Kind().String() + " before")
	}
}
