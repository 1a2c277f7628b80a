package supervisor

import (
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop"
)

// death is how a process ended: with a code, by a signal, or before it ran at
// all (code -1, no signal, and a reason).
type death struct {
	pid    int
	code   int
	signal unix.Signal
	reason string
}

func deathOf(pid int, status unix.WaitStatus) death {
	if status.Signaled() {
		return death{pid: pid, code: -1, signal: status.Signal()}
	}
	return death{pid: pid, code: status.ExitStatus()}
}

// clean tells whether this is how a worker is expected to end: with one of the
// given codes, or by a signal that it was sent.
func (d death) clean(codes []int, sent []unix.Signal) bool {
	if d.signal != 0 {
		return slices.Contains(sent, d.signal)
	}
	return d.reason == "" && slices.Contains(codes, d.code)
}

func (d death) String() string {
	switch {
	case d.reason != "":
		return d.reason
	case d.signal != 0:
		return "killed by " + privdrop.SignalName(d.signal)
	default:
		return "exited with code " + strconv.Itoa(d.code)
	}
}

// exit is the death of w as status shows it.
func (d death) exit(w *worker, now time.Time) *Exit {
	e := &Exit{Code: d.code, At: now, Reason: d.String()}
	if d.signal != 0 {
		e.Signal = privdrop.SignalName(d.signal)
	}
	if w.failure != "" {
		e.Reason = w.failure + "; " + e.Reason
	}
	return e
}
