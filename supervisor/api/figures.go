package api

import (
	"time"

	"supd/supervisor/release"
)

// Figures are what workers use at one moment. They are read when somebody asks.
type Figures struct {
	At          time.Time    `json:"at"`
	MemoryBytes int64        `json:"memory_bytes"` // of the machine
	Apps        []AppFigures `json:"apps"`
}

// AppFigures are those of one app. State is the worst of its workers'.
type AppFigures struct {
	Name      string           `json:"name"`
	Release   string           `json:"release"`
	State     State            `json:"state"`
	Note      string           `json:"note,omitempty"`   // what keeps the app from running
	Paused    *Pause           `json:"paused,omitempty"` // a rollout waits for a person
	Sockets   []SocketFigures  `json:"sockets"`
	Processes []ProcessFigures `json:"processes"`
}

// Pause is a rollout that waits for a person.
type Pause struct {
	Kind   release.Kind `json:"kind"`
	To     string       `json:"to"` // version
	Since  time.Time    `json:"since"`
	Reason string       `json:"reason"`
}

// SocketFigures are those of a listening socket.
type SocketFigures struct {
	Name   string `json:"name"`
	Length int    `json:"accept_queue_length"`    // connections that wait to be accepted
	Limit  int    `json:"accept_queue_limit"`     // and that may
	Drops  *int64 `json:"accept_drops,omitempty"` // of connections since it was opened, where the kernel counts them
}

// ProcessFigures are those of one process.
type ProcessFigures struct {
	Name    string          `json:"name"`
	Sockets []string        `json:"sockets"` // names of those that its workers accept from
	Workers []WorkerFigures `json:"workers"`
}

// WorkerFigures are those of one slot: of its workers, of which there are two while one
// takes the place of the other, and of all their descendants. What the kernel or the
// application does not tell is left out.
type WorkerFigures struct {
	Name      string     `json:"name"`
	Slot      int        `json:"slot"`
	State     State      `json:"state"`
	Pid       int        `json:"pid"` // 0: no process
	Release   string     `json:"release"`
	Ready     bool       `json:"ready"`
	Desired   bool       `json:"desired"` // a worker is
	Missed    bool       `json:"missed"`  // it is desired, not ready, and has not done its work either
	StartedAt *time.Time `json:"started_at"`

	Restarts         int `json:"restarts"` // that nobody has asked for
	RestartsLastHour int `json:"restarts_last_hour"`

	CPUSeconds        float64   `json:"cpu_seconds"`           // since the first launch of the slot
	ResidentBytes     int64     `json:"resident_memory_bytes"` // what processes share counts for each of them
	ProportionalBytes int64     `json:"proportional_memory_bytes,omitempty"`
	LimitBytes        int64     `json:"memory_limit_bytes,omitempty"`
	OpenFDs           int       `json:"open_fds"`
	MaxFDs            uint64    `json:"max_fds"`
	FDsUsedRatio      float64   `json:"fds_used_ratio"` // of the process that is nearest to its own limit
	Threads           int       `json:"threads"`
	Processes         int       `json:"processes"`
	Requests          *Requests `json:"requests,omitempty"`
}

// Requests are what a worker says that it has answered. They begin anew when a release
// is forgotten.
type Requests struct {
	Total  int64 `json:"total"`
	Errors int64 `json:"errors"` // 5xx
}

// Memory is what the worker takes of the machine's, as well as that is known.
func (w *WorkerFigures) Memory() int64 {
	if w.ProportionalBytes > 0 {
		return w.ProportionalBytes
	}
	return w.ResidentBytes
}

// MemoryShare is what the worker takes of what it may take: its limit, or the memory of
// the machine.
func (w *WorkerFigures) MemoryShare(machine int64) float64 {
	if w.LimitBytes > 0 {
		machine = w.LimitBytes
	}
	if machine <= 0 {
		return 0
	}
	return float64(w.Memory()) / float64(machine)
}

// Share is how full the accept queue is.
func (s *SocketFigures) Share() float64 {
	if s.Limit <= 0 {
		return 0
	}
	return float64(s.Length) / float64(s.Limit)
}
