package release

import "time"

// Rollout is the one record of a rollout: as it is journaled, published and listed
// in the history.
type Rollout struct {
	ID        int       `json:"id"` // counts the rollouts of an app
	Kind      Kind      `json:"kind"`
	From      string    `json:"from"` // version; "" is none
	To        string    `json:"to"`
	Step      Step      `json:"step,omitempty"`   // of one under way
	StepAt    time.Time `json:"step_at,omitzero"` // since when
	By        string    `json:"by"`               // who asked: "root (uid 0, pid 4711)"
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	Result    Result    `json:"result,omitempty"` // of one that has ended
	Reason    string    `json:"reason,omitempty"` // of a failure, in one line
}

// Ended reports whether nothing more will come.
func (r *Rollout) Ended() bool { return !r.EndedAt.IsZero() }

// Kind is what a rollout was asked for as.
type Kind string

// The kinds of rollouts.
const (
	KindDeploy   Kind = "deploy"
	KindRollback Kind = "rollback"
)

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

// Steps are those of a rollout under way.
var Steps = []Step{StepCheck, StepSmoke, StepReplace, StepBake, StepPaused, StepUndo}

// Result is how a rollout has ended.
type Result string

// The results.
const (
	Done       Result = "done"
	RolledBack Result = "rolled back" // the old release serves
	Failed     Result = "failed"
)
