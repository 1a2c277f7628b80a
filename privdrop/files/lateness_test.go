package files

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestLateness: what is late is not tried again until it has ended, which is told.
func TestLateness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		l := Lateness{Back: func() { told++ }}
		end := make(chan struct{})
		if !l.Answers("a", time.Second, func() {}) || l.Any() {
			t.Error("what ends at once is late")
		}
		if l.Answers("a", time.Second, func() { <-end }) || !l.Has("a") || !l.Any() {
			t.Error("what does not end is not late")
		}
		if l.Answers("a", time.Second, func() { t.Error("tried again") }) {
			t.Error("what is late answers")
		}
		if !l.Answers("b", time.Second, func() {}) || l.Has("b") {
			t.Error("another key is late")
		}
		close(end)
		synctest.Wait()
		if l.Has("a") || l.Any() || told != 1 {
			t.Errorf("after the end: late %v, told %d times", l.Has("a"), told)
		}
		if !l.Answers("a", time.Second, func() {}) {
			t.Error("it is not tried again")
		}
	})
}
