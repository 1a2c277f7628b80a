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
	p.lost = mostLost
	if p.Why() != "its disk does not answer; look at what is mounted there" {
		t.Error(p.Why())
	}
	if p.Answers(func() { t.Error("one more was asked") }) || p.Why() != "not looked at, for too many files are on disks that do not answer" {
		t.Error(p.Why())
	}
	asked := false
	if !(*Patience)(nil).Answers(func() { asked = true }) || !asked {
		t.Error("without a bound it is waited for")
	}
	if (&Patience{}).limit() != Patient {
		t.Error("the first is waited for longer")
	}
}
