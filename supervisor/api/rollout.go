package api

import (
	"time"

	"supd/supervisor/release"
)

// RolloutStatus is a rollout under way, or the last one of an app.
type RolloutStatus struct {
	release.Rollout
	Code   int      `json:"code"`             // exit code, once it has ended
	Output []string `json:"output,omitempty"` // the last lines that the worker at fault has printed
	// Progress grows by what happens, and nothing of it changes: a reader goes on
	// where it has left off.
	Progress []Progress `json:"progress"`
}

// Progress is one thing that happened in a rollout.
type Progress struct {
	At      time.Time    `json:"at"`
	Step    release.Step `json:"step"`
	Worker  string       `json:"worker,omitempty"` // "whois/web.1"; "" is of the rollout as a whole
	Pid     int          `json:"pid,omitempty"`
	Message string       `json:"message"` // "ready after 1.2s", "1.4.0 → 1.5.0, pid 4711"
}
