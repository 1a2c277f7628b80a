package supervisor

import "time"

// Step is how far a rollout has come. It is journaled before the step begins, so
// that the next supd knows where one that died stood.
type Step string

// The steps, in their order. A rollout that fails goes to StepUndo from any of
// them, or to StepPaused where on_failure says so.
const (
	StepCheck   Step = "check"   // the release is looked at; nothing has changed
	StepSmoke   Step = "smoke"   // a candidate on private sockets is asked
	StepReplace Step = "replace" // worker by worker
	StepBake    Step = "bake"    // all are replaced, and watched
	StepPaused  Step = "paused"  // waits for a person
	StepUndo    Step = "undo"    // the old release is put back
	StepDone    Step = "done"
)

// Kinds of rollouts.
const (
	KindDeploy   = "deploy"
	KindRollback = "rollback"
)

// RolloutStatus is a rollout under way, or the last one of an app.
type RolloutStatus struct {
	ID        int        `json:"id"` // counts the rollouts of an app
	Kind      string     `json:"kind"`
	From      string     `json:"from"` // version; "" is none
	To        string     `json:"to"`
	Step      Step       `json:"step"`
	By        string     `json:"by"` // who asked: "root (uid 0, pid 4711)"
	StartedAt time.Time  `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
	Code      int        `json:"code"`             // exit code, once it has ended
	Reason    string     `json:"reason,omitempty"` // of a failure, in one line
	Output    []string   `json:"output,omitempty"` // the last lines that the worker at fault has printed
	// Progress grows by what happens, and nothing of it changes: a reader goes on
	// where it has left off.
	Progress []Progress `json:"progress"`
}

// Ended tells whether nothing more will come.
func (r *RolloutStatus) Ended() bool { return r.EndedAt != nil }

// Progress is one thing that happened in a rollout.
type Progress struct {
	At      time.Time `json:"at"`
	Step    Step      `json:"step"`
	Worker  string    `json:"worker,omitempty"` // "whois/web.1"; "" is of the rollout as a whole
	Pid     int       `json:"pid,omitempty"`
	Message string    `json:"message"` // "ready after 1.2s", "1.4.0 → 1.5.0, pid 4711"
}

// ReleaseList is what `supctl releases` shows of an app.
type ReleaseList struct {
	App      string          `json:"app"`
	Held     *Held           `json:"held,omitempty"`
	Releases []ReleaseStatus `json:"releases"` // by registration, newest last
	History  []HistoryEntry  `json:"history"`  // of rollouts, newest last
}

// Held says that deploys are refused.
type Held struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
}

// States of a release. Of several the first that holds.
const (
	ReleaseActive    = "active"    // what the workers run
	ReleasePrevious  = "previous"  // what a rollback goes to
	ReleaseFailed    = "failed"    // its last rollout failed: deployed again only by name
	ReleaseMissing   = "missing"   // its files are gone
	ReleaseInstalled = "installed" // registered, none of the above
)

// ReleaseStatus is one registered release.
type ReleaseStatus struct {
	Version      string     `json:"version"`
	Path         string     `json:"path"`
	State        string     `json:"state"`
	RegisteredAt time.Time  `json:"registered_at"`
	DeployedAt   *time.Time `json:"deployed_at"` // when it last became active
	By           string     `json:"by"`          // who registered it: "root (uid 0)"
	Reason       string     `json:"reason,omitempty"`
}

// HistoryEntry is how a rollout ended.
type HistoryEntry struct {
	ID        int       `json:"id"`
	Kind      string    `json:"kind"`
	From      string    `json:"from"`
	To        string    `json:"to"`
	By        string    `json:"by"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at"`
	Result    string    `json:"result"` // "done", "rolled back", "failed"
	Reason    string    `json:"reason,omitempty"`
}

// Finding is something wrong with an app that nobody else would notice.
type Finding struct {
	App     string `json:"app"`
	Release string `json:"release,omitempty"` // version
	Path    string `json:"path,omitempty"`
	Message string `json:"message"` // "size 12, was 10 when it was registered"
}
