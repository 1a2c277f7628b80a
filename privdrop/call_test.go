package privdrop

import (
	"runtime"
	"strings"
	"testing"
	"weak"
)

// TestTextsAreKept: what calls point to is there until the plan is forgotten, also where
// an earlier plan has left the memory for it.
func TestTextsAreKept(t *testing.T) {
	p := &Plan{}
	p.text("of an earlier plan")
	p.forget()
	p.text("first")
	first := weak.Make(&p.room[0])
	p.text(strings.Repeat("x", 2*textRoom)) // there is no room for that
	runtime.GC()
	if first.Value() == nil {
		t.Error("a text that a call points to is gone")
	}
	runtime.KeepAlive(p)
}
