package api

import (
	"time"

	"supd/configs"
)

// Changes is what an apply of the files changes, or would change.
type Changes struct {
	Apps []AppChange `json:"apps"` // those of which anything changes, by name
	// Daemon is what supd.toml says of supd itself that counts from its next start on.
	Daemon []configs.KeyChange `json:"daemon,omitempty"`
}

// IsEmpty reports whether nothing changes.
func (c *Changes) IsEmpty() bool { return len(c.Apps) == 0 }

// AppChange is what changes of an app.
type AppChange struct {
	Name string     `json:"name"`
	File string     `json:"file"`
	Kind ChangeKind `json:"kind"`
	// Note is what keeps it, or a part of it, from being applied or started.
	Note     string              `json:"note,omitempty"`
	Deferred bool                `json:"deferred,omitempty"` // it is applied after the rollout that is under way
	Keys     []configs.KeyChange `json:"keys,omitempty"`     // of the app as a whole
	Workers  []WorkerChange      `json:"workers,omitempty"`
}

// ChangeKind is what becomes of an app.
type ChangeKind string

// The kinds.
const (
	AppAdded   ChangeKind = "added"
	AppRemoved ChangeKind = "removed"
	AppChanged ChangeKind = "changed"
)

// WorkerChange is what becomes of a worker, and why.
type WorkerChange struct {
	Name  string              `json:"name"`
	What  WorkerFate          `json:"what"`
	State State               `json:"state,omitempty"` // that it stays in
	Keys  []configs.KeyChange `json:"keys,omitempty"`
	Why   string              `json:"why,omitempty"` // beside the keys
}

// WorkerFate is what becomes of a worker.
type WorkerFate string

// The fates. Keep is of one that goes on and is treated otherwise, Stay of one that does
// not run, and would run something else.
const (
	FateStart   WorkerFate = "start"
	FateStop    WorkerFate = "stop"
	FateReplace WorkerFate = "replace"
	FateKeep    WorkerFate = "keep"
	FateStay    WorkerFate = "stay"
)

// Refusal is an apply that was refused: nothing of it has changed anything.
type Refusal struct {
	By   string    `json:"by"`
	At   time.Time `json:"at"`
	Why  string    `json:"why"`            // a line for each error
	Apps []string  `json:"apps,omitempty"` // that were to be applied alone
}
