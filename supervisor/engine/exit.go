package engine

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"supd/configs"
	"supd/supervisor/api"
)

// isClean reports whether this is how a worker is expected to end: with one of the
// given codes, or by a signal that it was sent.
func (e Exit) isClean(codes []int, sent []configs.Signal) bool {
	if e.Signal != 0 {
		return slices.Contains(sent, e.Signal)
	}
	return e.Reason == "" && slices.Contains(codes, e.Code)
}

func (e Exit) String() string {
	switch {
	case e.Reason != "":
		return e.Reason
	case e.Signal != 0:
		return "killed by " + configs.SignalName(e.Signal)
	default:
		return "exited with code " + strconv.Itoa(e.Code)
	}
}

// of is the end of w as status shows it.
func (e Exit) of(w *worker, now time.Time) *api.Exit {
	shown := &api.Exit{Code: e.Code, At: now, Reason: e.String()}
	if e.Signal != 0 {
		shown.Signal = configs.SignalName(e.Signal)
	}
	if why := cmp.Or(w.Failure, w.Illness); why != "" {
		shown.Reason = why + "; " + shown.Reason
	}
	return shown
}
