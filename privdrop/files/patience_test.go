package files

import (
	"testing"
	"time"
)

// TestPatience: once a disk has not answered, the others get less time.
func TestPatience(t *testing.T) {
	hangs := make(chan struct{})
	defer close(hangs)
	p := &Patience{First: time.Millisecond}
	if p.Answers(func() { <-hangs }) || p.limit() != Impatient {
		t.Error("it has answered")
	}
	if !p.Answers(func() {}) {
		t.Error("another one has not answered")
	}
	asked := false
	if !(*Patience)(nil).Answers(func() { asked = true }) || !asked {
		t.Error("without a bound it is waited for")
	}
	if (&Patience{}).limit() != Patient {
		t.Error("the first is waited for longer")
	}
}
