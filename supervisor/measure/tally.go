package measure

import (
	"maps"
	"slices"
	"time"
)

// Tally is what a slot remembers of its workers that have ended, and of its launches.
type Tally struct {
	Past       Usage          `json:"past,omitzero"`
	RestartsBy map[Reason]int `json:"restarts_by,omitempty"` // launches but the first; never changed, but replaced
	Starts     Durations      `json:"starts,omitzero"`       // from launch to ready
	Cause      Reason         `json:"cause,omitempty"`       // of the next launch; "": it is asked for
	Recent     Recent         `json:"recent,omitempty"`      // launches after a failure; never changed, but replaced
}

// Relaunched counts a launch that is not the slot's first.
func (t *Tally) Relaunched(now time.Time) {
	all := maps.Clone(t.RestartsBy)
	if all == nil {
		all = map[Reason]int{}
	}
	if t.Cause == "" {
		t.Cause = Requested
	}
	all[t.Cause]++
	t.RestartsBy = all
	if slices.Contains(failures, t.Cause) {
		t.Recent = t.Recent.With(now)
	}
}

// Reason is why a worker was launched in the place of another.
type Reason string

// The reasons.
const (
	Exited     Reason = "exited"      // by itself, or nobody knows how
	Signaled   Reason = "signal"      // by a signal that supd has not sent
	NotStarted Reason = "not_started" // there was no process
	NotReady   Reason = "not_ready"   // it did not become ready
	Unhealthy  Reason = "unhealthy"   // it did not answer any more
	Watchdog   Reason = "watchdog"    // no WATCHDOG=1
	Requested  Reason = "requested"   // by a person
	Config     Reason = "config"      // the configuration has changed, or a socket was opened anew
	Release    Reason = "release"     // a rollout, or one that is undone
)

// Reasons are all of them.
var Reasons = []Reason{Exited, Signaled, NotStarted, NotReady, Unhealthy, Watchdog, Requested, Config, Release}

// failures are those that nobody has asked for.
var failures = []Reason{Exited, Signaled, NotStarted, NotReady, Unhealthy, Watchdog}
