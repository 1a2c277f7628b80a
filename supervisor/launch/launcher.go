package launch

import (
	"context"
	"log/slog"
	"os"

	"supd/configs"
	"supd/privdrop"
	"supd/supervisor/api"
	"supd/supervisor/output"
	"supd/supervisor/statsd"
	"supd/supervisor/tree"
)

// Launcher is what all launches share. What it is made with does not change.
type Launcher struct {
	Log     *slog.Logger
	Runtime configs.Runtime
	Null    *os.File // every worker's standard input
	Places  *Places
	Rooms   *Rooms
	Cgroups string // the cgroup v2 directory that supd owns, or ""
	Statsd  *statsd.Reader
	// Run starts a command that is no worker, and waits for its end; it is killed
	// with its process group when ctx ends. failure is "" when the command has
	// exited with 0, and else says how it has ended. It is the supervisor's, whose
	// owner reaps every child.
	Run func(ctx context.Context, plan *privdrop.Plan) (failure string, err error)
	// RunAlone is Run, and ends what the command has left behind too: what says so by its
	// environment, as left has it, or is in its session.
	RunAlone func(ctx context.Context, plan *privdrop.Plan, left tree.Worker) (failure string, err error)
	// Late counts by process, such as "whois/web", what was made for launches that came to
	// nothing and is not given back in time. It may wait for the owner.
	Late func(process string, n int)

	firstLooks firstLooks
}

// Report is told what happens to a worker. Its methods may wait for the owner of
// the worker, and are called from any goroutine but that.
type Report interface {
	Ready(how string) // it answered, or its output says so
	Said(s Said, heard func())
	Checked(err error)        // the answer to a health probe; nil is a good one
	Churned(deaths int)       // its child processes die young, one after the other
	Ended(exit privdrop.Exit) // of one that is no child of this process
}

// Spec is all that a launch needs to know. It does not change.
type Spec struct {
	App        string
	Process    *configs.Process
	Account    *privdrop.Account
	Log        *output.Log
	Slot       int
	Generation int
	Release    *configs.Version // nil: the app has none
	Candidate  bool             // of a smoke test: no request may reach it
	Attempt    *Attempt         // nil: nobody gives it up
	Heard      bool             // its last lines of output are remembered, until StopTail
	Address    func(socket string) Address
	Report     Report
}

// Address is where a socket of the app listens now.
type Address struct{ Network, Address string }

// Name is "whois/web.1".
func (s Spec) Name() string { return api.WorkerName(s.App, s.Process.Name, s.Slot) }

// File is the name beneath the runtime directory of what is made for this launch.
func (s Spec) File() string {
	return configs.LaunchName(s.App, s.Process.Name, s.Slot, s.Generation)
}

// listenNames are the worker's sockets, its own last.
func (s Spec) listenNames() []string {
	names := s.Process.Sockets[:len(s.Process.Sockets):len(s.Process.Sockets)]
	if s.hasProbe() {
		names = append(names, "probe")
	}
	return names
}

// hasProbe reports whether the worker gets a socket of its own to be asked on.
func (s Spec) hasProbe() bool { return s.Candidate || s.Process.Probe() }

// workerSpec is the part of a launch that the configuration states.
func (s Spec) workerSpec(argv, env []string) privdrop.Spec {
	p := s.Process
	return privdrop.Spec{
		Argv: argv, Env: env, Dir: p.Directory,
		Account: s.Account, AllowRoot: p.AllowRoot,
		Resources: p.Resources, Capabilities: p.Capabilities,
		Watchdog: p.Watchdog, Session: true, Mounts: s.mounts(),
	}
}

// user is that of all processes that are launched so; 0: it can change, or is supd's.
func (s Spec) user() int {
	if s.Process == nil || s.Account == nil || len(s.Process.Capabilities) > 0 {
		return 0
	}
	return s.Account.UID
}
