package tree

import "testing"

// TestCommandIsOf: what a command has left is told by its own word alone, and nothing of a
// worker is taken for it.
func TestCommandIsOf(t *testing.T) {
	command, worker := Worker{Name: "a", Command: "T1"}, Worker{Name: "a/web.1", Generation: 2}
	for _, c := range []struct {
		of   origin
		w    Worker
		want bool
	}{
		{origin{command: "T1"}, command, true},
		{origin{command: "T2"}, command, false},
		{origin{}, command, false},
		{origin{worker: "a"}, command, false},
		{origin{worker: "a/web.1", generation: 2}, command, false},
		{origin{command: "T1"}, worker, false},
		{origin{worker: "a/web.1", generation: 2}, worker, true},
	} {
		if got := c.of.isOf(c.w); got != c.want {
			t.Errorf("%+v of %+v: %v", c.of, c.w, got)
		}
	}
}
