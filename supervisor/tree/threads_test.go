package tree

import (
	"os"
	"testing"
)

func TestIsUnkillable(t *testing.T) {
	for _, c := range []struct {
		state, wchan string
		want         bool
	}{
		{"S", "futex_do_wait", false},
		{"R", "0", false},
		{"D", "folio_wait_bit_common", true},
		{"D", "0", true}, // not known
		{"D", "rpc_wait_bit_killable", false},
		{"D", "kernel_clone", false},
		{"S", "request_wait_answer", true},
		{"D", "request_wait_answer.isra.0", true},
	} {
		stat := "12 (a D) b) " + c.state + " 1 12 12 0"
		if got := isUnkillable([]byte(stat), c.wchan); got != c.want {
			t.Errorf("state %s in %s: %v", c.state, c.wchan, got)
		}
	}
	if isUnkillable([]byte("cut"), "") {
		t.Error("what cannot be read is unkillable")
	}
	if got := Unkillable(os.Getpid()); got != "" {
		t.Logf("a thread of this test waits in %s", got) // for a disk, by chance
	}
}
