package engine

import (
	"slices"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/measure"
	"supd/supervisor/record"
	"supd/supervisor/release"
)

// Event is something that happened, or that is asked for; it runs in the owner's
// goroutine.
type Event func(*Owner)

// Host is what the owner has done outside of it; the tests of its loop put a
// simulated one in its place. Nothing of it blocks on anything but the local
// kernel: what takes time is done elsewhere and reported by an Event.
type Host struct {
	Reaper  Reaper
	Sockets Sockets
	// Save writes a record where the next supd finds it, and calls written when it has
	// tried, in any goroutine. done is not posted before another one may follow.
	Save func(r *record.Record, written func(), done func(ok bool) Event)
	// SaveLasting keeps what was said of processes for longer than supd lives. It may be
	// called again before done; the last call holds.
	SaveLasting func(all map[string]api.Lasting, done func(error) Event)

	Changed func(Change)     // of an app's releases
	Retry   func(app string) // prepare it again, for Mend
}

// Reaper ends what has died.
type Reaper interface {
	// Reap collects all children that have died, workers and others. It kills the process
	// group of those that kills knows.
	Reap(kills func(pid int) bool) []Exit
	// Sweep kills what the workers left behind that have Left since the last time,
	// in one search, and releases what was made for them. alive are the pids of
	// workers, which are spared, and tasks those of other commands of supd's.
	Sweep(alive, tasks []int, done func(Swept) Event)
	// KillStrays kills the strays of a user, which has no worker and gets none
	// meanwhile. launched are the pids of what is spared.
	KillStrays(uid int, launched []int, done func(killed []Stray) Event)
}

// Swept is what a Sweep has found.
type Swept struct {
	Killed   map[string][]Stray // by the worker's name
	Strays   []Strays           // that are left
	Searched bool               // for strays: else nothing is known of them
}

// Strays are children of supd that it has not launched, of one user. Nothing tells
// which worker has put them into the background.
type Strays struct {
	UID   int
	Count int
	Some  []Stray // the first of them
}

// Stray is one process, and how people are told of it.
type Stray struct {
	Pid int
	Is  string
}

// Sockets are the listening sockets of all apps, by key ("whois/web").
type Sockets interface {
	// Open opens these, and closes all others but those that were there under the keys
	// of what has failed. more says that sockets of before may still be of use.
	Open(all map[string]configs.Socket, more bool) (failed map[string]error)
	// Offered reports whether an earlier supd has left the socket open.
	Offered(key string, s configs.Socket) bool
	Relisten(keys []string) // with the configured backlog
	// Reach asks whether what Repair has to do with answers, and calls then in another
	// goroutine, soon in any case.
	Reach(key string, then func(error))
	Repair(Damage) (another bool, err error)
	Inodes(key string) []uint64 // none where the socket is not open
}

// Damage is what a process that holds a socket has done to it.
type Damage struct {
	Key      string
	Kind     string // for the log
	ShutDown bool   // nobody can listen on it any more; else its path is missing
}

// Program starts the workers of one revision, and has what that takes beside the
// configuration.
type Program interface {
	// Start reports Started or Failed, and gives what the owner calls, once at most, when the
	// worker is not wanted any more. Failed comes soon then, if it has no process yet.
	Start(Launch) (cancel func())
	// Adopt goes on with a worker that an earlier supd has launched. starting says
	// that nobody knows whether it is ready.
	Adopt(l Launch, w *record.Worker, starting bool) Handle
	// Join looks after a worker whose configuration was not known when it was adopted.
	Join(Launch, Process)
	// Treat looks after a worker of another revision as this one says. A worker feels
	// no difference between the two.
	Treat(Launch, Process)
	Explain(Launch) (string, error) // the launch plan; may block, and runs anywhere
	// Hooks runs hooks of a worker, one after the other, and reports done, which may be
	// nil. The Process is nil where there is none, and never was.
	Hooks(Launch, Process, HookRun)
}

// HookRun is hooks to be run.
type HookRun struct {
	Names []configs.HookName
	Exit  *api.Exit // of a worker that has ended
	Done  Event
}

// Launch is a worker that is to be started, or to be taken over. What becomes of it
// is reported by the Events that its methods make.
type Launch struct {
	worker *worker

	App        string
	Process    *configs.Process
	Release    *configs.Version // nil: the app has none
	Slot       int
	Generation int
	Candidate  bool // of a smoke test: no request may reach it
	Heard      bool // its last lines of output may be asked for
}

// Handle is a started worker as the owner knows it.
type Handle struct {
	Record   record.Process
	Key      string // record.Key, of what was launched; "" is the revision's
	Process  Process
	Observer Observer
}

// Process is the main process of a worker. None of its methods blocks.
type Process interface {
	Signal(configs.Signal) error // record.ErrEnded: it is about to be reaped
	Kill()                       // SIGKILL to it and to its process group
	Alive() bool                 // false once it has ended, reaped or not
	Left()                       // it is dead: what it has left behind is swept the next time
	// SignalRest signals all that the worker has started, in a goroutine; alive are the
	// pids of workers. AwaitRest waits for the end of all that, and reports Remaining and Emptied.
	SignalRest(signals []configs.Signal, alive []int)
	AwaitRest(alive []int)
}

// Observer listens to a worker and looks after it. None of its methods blocks.
type Observer interface {
	BecameReady()       // nothing asks any more whether it is
	Watch(closely bool) // begins, or changes how often; reports Checked and Churned
	Smoke(path string)  // of a candidate; reports Smoked
	// Requests are those that it has said by statsd to have answered, and those of
	// them that have failed (5xx).
	Requests() (all, failed int64)
	StopTail()        // nobody will ask for its last lines any more
	Answer() string   // the last one to the question whether it is ready; "" if none came
	Output() []string // the last lines it has printed, while it was Heard
	// Spent is what its cgroup has counted, if it had one; of one that was swept.
	Spent() measure.Usage
}

// Journal keeps the release state of one app.
type Journal interface {
	Write(s release.State, written func(error) Event) // in the order of the calls
	Close()                                           // once all is written
}

// Change says what has changed about an app's releases.
type Change struct {
	App    string
	State  release.State
	Active *App // set where another release has become active
	// Postponed: a changed configuration has waited for this.
	Postponed bool
}

// Exit is how a process ended: with a code, by a signal, or before it ran at all
// (code -1, no signal, and a reason).
type Exit struct {
	Pid    int
	Code   int
	Signal configs.Signal
	Reason string

	Session int           // of a process that is no worker
	Used    measure.Usage // by it and by the children that it has waited for
}

// Prepared is a configuration with everything looked up and opened that the owner
// must not wait for.
type Prepared struct {
	Config *configs.Config
	Apps   []App    // those of Config
	Only   []string // nil: all; else no other app is touched, and Apps has no other
}

// Concerns reports whether an app is touched at all.
func (p *Prepared) Concerns(app string) bool { return p.Only == nil || slices.Contains(p.Only, app) }

// drops reports whether an app that is there is to go.
func (p *Prepared) drops(app string) bool {
	return p.Concerns(app) && !slices.ContainsFunc(p.Apps, func(a App) bool { return a.Config.Name == app })
}

// App is an app with the release that it is to run.
type App struct {
	Config    *configs.App              // as it is with the release
	Release   *configs.Version          // nil: none is active, or it has none
	Revisions map[string]Revision       // by process; none where no release is active
	Sockets   map[string]configs.Socket // by key, with ids
	Trouble   error                     // why nothing of it can be started here
	Faults    map[string]error          // likewise, by process: it has no Revision then
	Closed    map[string]error          // by key: sockets that cannot be opened
	Invalid   bool                      // its file is, so that nothing else is known of it

	// Of one with releases whose journal was opened just now; nil: the owner has it.
	Journal Journal
	State   release.State
}

// Revision is what the workers of a process are launched from. It does not change.
type Revision struct {
	App     *configs.App // that Config is of
	Config  *configs.Process
	Release *configs.Version // nil: the app has none
	Key     string           // record.Key, of two that launch the same the same
	UID     int              // of its workers
	Program Program

	// Recorded says that it is only known how an earlier supd has launched its workers:
	// none can be launched from it.
	Recorded bool
}
