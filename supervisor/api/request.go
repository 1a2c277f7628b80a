package api

import (
	"fmt"
	"time"
)

// Action is what a Request asks for.
type Action string

// The actions of the control API.
const (
	ActionStart    Action = "start"
	ActionStop     Action = "stop"
	ActionRestart  Action = "restart"
	ActionReload   Action = "reload" // reload_signal, or a restart where there is none
	ActionSignal   Action = "signal"
	ActionScale    Action = "scale"    // to Count workers, until the next configuration is applied
	ActionReopen   Action = "reopen"   // log files
	ActionClear    Action = "clear"    // log files: they are empty then
	ActionRotate   Action = "rotate"   // log files, now; without a target all of them
	ActionShutdown Action = "shutdown" // of supd
	ActionReexec   Action = "reexec"   // supd gives way to the installed one
	ActionApply    Action = "apply"    // what the files say now; the targets are apps that are applied alone

	// Of an app with releases: the one target is its name.
	ActionDeploy     Action = "deploy"     // a rollout to Version, by default the newest that has not failed
	ActionRollback   Action = "rollback"   // a rollout to Version, by default the previous one
	ActionResume     Action = "resume"     // a paused rollout goes on
	ActionHold       Action = "hold"       // deploys are refused from now on
	ActionUnhold     Action = "unhold"     // and are not any more
	ActionUnregister Action = "unregister" // Version is forgotten; of the only release the app is stopped first
	ActionRefresh    Action = "refresh"    // take up what was registered to be deployed; without a target of all apps
)

// Request asks the owner to do something and to answer when it is done.
type Request struct {
	Action  Action        `json:"action"`
	Targets []string      `json:"targets"`
	Hard    bool          `json:"hard,omitempty"`    // restart: stop, then start
	Signal  string        `json:"signal,omitempty"`  // "HUP", "SIGHUP" or a number
	Timeout time.Duration `json:"timeout,omitempty"` // how long to wait for the end; 0 is without limit

	Persist bool   `json:"persist,omitempty"` // start, stop: also of the next supd, and after a reboot
	Count   int    `json:"count,omitempty"`   // scale: of workers
	Version string `json:"version,omitempty"` // of a release
	Detach  bool   `json:"detach,omitempty"`  // deploy, rollback, resume, apply: answer once it has begun
	Force   bool   `json:"force,omitempty"`   // unregister: also the active release
	Reason  string `json:"reason,omitempty"`  // hold

	By string `json:"-"` // who asked, for the log
}

// Exit codes of supctl, and of the outcomes it prints; see the README.
const (
	CodeDone       = 0
	CodeFailed     = 1
	CodeUsage      = 2
	CodeNotRunning = 3
	CodeNoTarget   = 4
	CodeDenied     = 5
	CodeInvalid    = 6
	CodeNotStarted = 7
	CodeTimeout    = 8
	CodeRolledBack = 9
)

// Result is the answer to a Request. Code is the worst of the outcomes'.
type Result struct {
	Code     int       `json:"code"`
	Error    string    `json:"error,omitempty"` // about the request as a whole
	Outcomes []Outcome `json:"outcomes"`

	Rollout  *RolloutStatus `json:"rollout,omitempty"`  // that was begun, joined or has ended
	Warnings []string       `json:"warnings,omitempty"` // of a release whose files have changed
	Changes  *Changes       `json:"changes,omitempty"`  // of an apply
	Socket   string         `json:"socket,omitempty"`   // where supd answers from now on, after a reexec that has moved it
}

// Outcome is what came of a Request for one worker.
type Outcome struct {
	Name    string `json:"name"`
	Code    int    `json:"code"`
	Message string `json:"message"` // "started", "already running", "did not become ready: …"
	// Output is the last lines that a worker has printed that did not start.
	Output []string `json:"output,omitempty"`
}

// Add adds what came of a Request for one more worker.
func (r *Result) Add(o Outcome) {
	r.Outcomes = append(r.Outcomes, o)
	r.Code = max(r.Code, o.Code)
}

// Refuse makes the answer to a request that came to nothing.
func Refuse(code int, format string, args ...any) *Result {
	return &Result{Code: code, Error: fmt.Sprintf(format, args...)}
}
