package api

// CommandRequest asks for a command that is run as the user of an app, with what its
// workers have; see supctl run. It is the one request that carries a command line.
type CommandRequest struct {
	App     string   `json:"app"`
	Process string   `json:"process,omitempty"` // whose user, environment and limits it has; "": what holds for all
	Version string   `json:"version,omitempty"` // of a release; "": the active one
	Argv    []string `json:"argv"`
	Term    string   `json:"term,omitempty"` // the TERM of whoever asks; "": it has none

	By string `json:"-"` // who asked, for the log
}

// CommandEnd is how the command has ended.
type CommandEnd struct {
	ExitCode int `json:"exit_code"`
	Signal   int `json:"signal,omitempty"` // that has ended it; 0: it has exited
}
