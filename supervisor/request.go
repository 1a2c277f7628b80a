package supervisor

import "time"

// Action is what a Request asks for.
type Action string

// The actions of the control API.
const (
	ActionStart    Action = "start"
	ActionStop     Action = "stop"
	ActionRestart  Action = "restart"
	ActionSignal   Action = "signal"
	ActionReopen   Action = "reopen"   // log files
	ActionShutdown Action = "shutdown" // of supd
)

// Request asks the owner to do something and to answer when it is done.
type Request struct {
	Action  Action        `json:"action"`
	Targets []string      `json:"targets"`
	Hard    bool          `json:"hard,omitempty"`    // restart: stop, then start
	Signal  string        `json:"signal,omitempty"`  // "HUP", "SIGHUP" or a number
	Timeout time.Duration `json:"timeout,omitempty"` // how long to wait for the end; 0 is without limit
	By      string        `json:"-"`                 // who asked, for the log
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
}

// Outcome is what came of a Request for one worker.
type Outcome struct {
	Name    string `json:"name"`
	Code    int    `json:"code"`
	Message string `json:"message"` // "started", "already running", "did not become ready: …"
}
