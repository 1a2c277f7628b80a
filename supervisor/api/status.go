package api

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"supd/configs"
	"supd/supervisor/measure"
	"supd/supervisor/release"
)

// State is what a worker is doing, as status prints it.
type State string

// WorkerName is the name of a slot and of its worker, "whois/web.1".
func WorkerName(app, process string, slot int) string {
	return fmt.Sprintf("%s/%s.%d", app, process, slot)
}

// The states of a worker.
const (
	Starting State = "STARTING" // launched, not yet ready
	Running  State = "RUNNING"  // ready
	// Unhealthy was ready, and does not answer any more: it is replaced.
	Unhealthy State = "UNHEALTHY"
	Stopping  State = "STOPPING" // told to stop
	Backoff   State = "BACKOFF"  // waits to be started again
	Exited    State = "EXITED"   // ended by itself, and is not to be restarted
	Failed    State = "FAILED"   // given up
	Stopped   State = "STOPPED"  // not wanted
	Invalid   State = "INVALID"  // of an app: its file is, and it is left out
)

// Status is what runs, at one moment. It is published by the owner and never
// changed afterwards.
type Status struct {
	Apps    []AppStatus `json:"apps"`
	Refused *Refusal    `json:"refused,omitempty"` // the last apply, unless it is mended
	// Files are those of the configuration that are not as they were applied. The owner
	// does not know them.
	Files []configs.File `json:"files,omitempty"`

	next chan struct{} // closed when a newer Status is published
}

// NewStatus is the Status of apps that is to be published next.
func NewStatus(apps []AppStatus) *Status { return &Status{Apps: apps, next: make(chan struct{})} }

// Supersede says that a newer Status has been published. It is called once, by
// whoever publishes.
func (s *Status) Supersede() { close(s.next) }

// Next is closed when a newer Status has been published.
func (s *Status) Next() <-chan struct{} { return s.next }

// Workers ranges over the slots of all apps, in place: nothing is copied.
func (s *Status) Workers() iter.Seq[*WorkerStatus] {
	return func(yield func(*WorkerStatus) bool) {
		for i := range s.Apps {
			for w := range s.Apps[i].Workers() {
				if !yield(w) {
					return
				}
			}
		}
	}
}

// AppStatus is one app. State is the worst of its workers'.
type AppStatus struct {
	Name      string          `json:"name"`
	Release   string          `json:"release"`
	Previous  string          `json:"previous"`
	State     State           `json:"state"`
	Processes []ProcessStatus `json:"processes"`
	Held      *release.Hold   `json:"held,omitempty"`
	Rollout   *RolloutStatus  `json:"rollout,omitempty"` // under way, or the last one since supd started
	Note      string          `json:"note,omitempty"`    // what keeps the app from running

	// For metrics.
	Totals release.Totals `json:"-"`
	Last   release.Result `json:"-"` // of the last rollout, also of one before supd started; "": there was none
}

// Workers ranges over the slots of the app, in place.
func (a *AppStatus) Workers() iter.Seq[*WorkerStatus] {
	return func(yield func(*WorkerStatus) bool) {
		for i := range a.Processes {
			workers := a.Processes[i].Workers
			for k := range workers {
				if !yield(&workers[k]) {
					return
				}
			}
		}
	}
}

// Releases are those that the app runs, can go back to or goes to.
func (a *AppStatus) Releases() (all []string) {
	to := ""
	if a.Rollout != nil && !a.Rollout.Ended() {
		to = a.Rollout.To
	}
	for _, name := range []string{a.Release, a.Previous, to} {
		if name != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// ProcessStatus is one process; Count is the number of workers desired by
// the configuration.
type ProcessStatus struct {
	Name      string         `json:"name"`
	Count     int            `json:"count"`
	Scaled    int            `json:"scaled,omitempty"`  // workers that are desired instead, until the next apply
	Lasting   *Lasting       `json:"lasting,omitempty"` // what was asked for instead of autostart
	Log       string         `json:"log"`
	LogPrefix configs.Prefix `json:"log_prefix,omitempty"` // what each line there begins with
	Autostart bool           `json:"autostart"`            // they are desired unless somebody has asked for something else
	Workers   []WorkerStatus `json:"workers"`

	Sockets []string `json:"-"` // names of those that its workers accept from, for metrics
}

// Lasting is what was asked of a process for longer than supd lives: `supctl stop
// --persist`, and start.
type Lasting struct {
	Up bool      `json:"up"`
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// WorkerStatus is one slot. While it is replaced it tells of the worker that
// serves, and Note of the other one.
type WorkerStatus struct {
	Name          string     `json:"name"`
	Slot          int        `json:"slot"`
	State         State      `json:"state"`
	Pid           int        `json:"pid"` // 0: no process
	Release       string     `json:"release"`
	Ready         bool       `json:"ready"`
	Generation    int        `json:"generation"`
	StartedAt     *time.Time `json:"started_at"`
	UptimeSeconds float64    `json:"uptime_seconds"`
	Restarts      int        `json:"restarts"` // launches that nobody has asked for
	LastExit      *Exit      `json:"last_exit"`
	NextStart     *time.Time `json:"next_start,omitempty"` // of a worker in BACKOFF
	Try           int        `json:"try,omitempty"`        // of the start under way, or the next: one more than failures in a row
	AsWished      bool       `json:"as_wished,omitempty"`  // it runs, or has no reason to
	Note          string     `json:"note,omitempty"`
	Behind        *Behind    `json:"behind,omitempty"` // nil: it is of the configuration that was applied

	// For metrics.
	Desired bool          `json:"-"` // a worker is
	Done    bool          `json:"-"` // it has ended well, and is not to be started again
	Tally   measure.Tally `json:"-"`
	Runs    []Run         `json:"-"` // oldest first
}

// Behind says that a worker is of an older configuration than the one that was applied,
// since none of that could be started in its place.
type Behind struct {
	AppliedAt *time.Time `json:"applied_at"` // the one that it runs; null: that is not known
	Why       string     `json:"why"`        // the newer one does not run
}

// IsMissed reports whether a worker is desired, is not ready, and has not done its work
// either.
func (w *WorkerStatus) IsMissed() bool { return w.Desired && !w.Ready && !w.Done }

// Run is the process of a worker. A slot has several while one takes the place of
// another.
type Run struct {
	Pid        int
	Start      uint64 // clock ticks after boot
	Generation int
	Release    string
	Launched   time.Time
	Ready      time.Time     // zero: it is not yet
	Used       measure.Usage // as it was seen last, with its descendants
	Cgroup     string        // its directory; "": it has none of its own
}

// Exit is how a worker ended. Code is -1 when a signal ended it or it never ran.
type Exit struct {
	Code   int       `json:"code"`
	Signal string    `json:"signal"` // "SIGKILL"; "" when it exited
	At     time.Time `json:"at"`
	Reason string    `json:"reason"` // a sentence for people
}
