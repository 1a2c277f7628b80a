package measure

import (
	"reflect"
	"testing"
	"time"
)

func TestUsage(t *testing.T) {
	a, b := Usage{CPU: 3 * time.Second, Read: 10}, Usage{CPU: time.Second, Read: 20, Written: 5}
	if got := a.Plus(b); got != (Usage{CPU: 4 * time.Second, Read: 30, Written: 5}) {
		t.Errorf("Plus: %+v", got)
	}
	if got := a.Less(b); got != (Usage{CPU: 2 * time.Second}) {
		t.Errorf("Less: %+v", got)
	}
	if got := a.Most(b); got != (Usage{CPU: 3 * time.Second, Read: 20, Written: 5}) {
		t.Errorf("Most: %+v", got)
	}
}

// No figure is forgotten, nor mixed up with another.
func TestEachFigureOfUsage(t *testing.T) {
	var u, twice Usage
	for i := range reflect.TypeFor[Usage]().NumField() {
		reflect.ValueOf(&u).Elem().Field(i).SetInt(int64(i + 1))
		reflect.ValueOf(&twice).Elem().Field(i).SetInt(int64(2 * (i + 1)))
	}
	if got := u.Plus(u); got != twice {
		t.Errorf("Plus: %+v", got)
	}
	if got := twice.Less(u); got != u {
		t.Errorf("Less: %+v", got)
	}
	if got := u.Most(twice); got != twice {
		t.Errorf("Most: %+v", got)
	}
}
