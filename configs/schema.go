package configs

import (
	"fmt"
	"io/fs"
	"strings"
	"time"

	"supd/privdrop"
)

// Config is one valid state of all files: supd.toml and every app file.
type Config struct {
	Path    string // of supd.toml
	Daemon  Daemon
	Control Control
	Metrics Metrics
	Apps    []App     // by name
	Invalid []Invalid // left out, if that was allowed

	places  places               // of what supd.toml says, for Verify
	home    string               // directory of Path
	root    bool                 // checked as for a supd that runs as root
	sources map[string]appSource // the apps' files, for With; by name
	files   map[string]read      // all that was read
	builtIn *value               // [defaults] of defaults.toml
}

// appSource is an app's file, and the [defaults] of supd.toml that it was read with.
type appSource struct{ top, stated *value }

// Invalid is an app whose file cannot be used.
type Invalid struct {
	Name   string // of the file, and perhaps none for an app
	File   string
	Errors Errors
}

// Daemon is [daemon] of supd.toml. Directories are absolute.
type Daemon struct {
	Apps    string
	State   string
	Runtime Runtime
	Logs    string
	DropIns string // where packages put files that register their releases
	Watch   bool
	Strict  bool // one invalid app file refuses the start of all
	ExitOn  ExitOn
}

// Control is [control] of supd.toml.
type Control struct {
	Socket string
	Mode   Mode
	Group  string // "" keeps supd's own

	Operators People // may operate every app; root may always
	Readers   People // may see every app's logs and launch plans
}

// SameSocket reports whether two say the same of the socket itself.
func (c Control) SameSocket(other Control) bool {
	return c.Socket == other.Socket && c.Mode == other.Mode && c.Group == other.Group
}

// Mode is the permission bits of a unix socket, in octal: "0660".
type Mode fs.FileMode

// String gives the form of the files.
func (m Mode) String() string { return fmt.Sprintf("%#04o", uint32(m)) }

// App is one app file, or what With has made of it and of a release.
type App struct {
	Name      string
	File      string
	User      string // "" when supd is not root: its own
	Group     string
	AllowRoot bool
	Operators People // may operate the app
	Readers   People // may see its logs and launch plans
	AllowRun  bool   // operators may run commands as its user; not with AllowRoot
	Env       map[string]string
	Sockets   []Socket  // by name
	Processes []Process // by name; without a release those of the app's file alone
	Release   *Releases // nil: the app has none
	Rollout   Rollout

	places  places   // of what the files say, for Traps and Verify
	rollout []*value // likewise, what holds by default first
	version *Version // that it is resolved with; nil without, also when it has releases
}

// Releases is [release]: where the versions of an app are installed. Either
// Directory or Path is set; both are absolute.
type Releases struct {
	Directory string // versions side by side, at Directory/VERSION
	Path      string // every version at this same path
	Keep      int    // inactive snapshots kept, at least 0
}

// InPlace reports whether every version is installed at the same path, so that
// supd needs a snapshot of each.
func (r Releases) InPlace() bool { return r.Path != "" }

// Rollout says how workers are replaced.
type Rollout struct {
	Surge     Surge         // extra workers while replacing, at least 1
	Strategy  Strategy      // of the processes that have none of their own
	MinReady  time.Duration // how long a new worker stays ready before the next is replaced
	Bake      time.Duration // how long after the last one a failure still undoes it all; may be 0
	Smoke     string        // path to GET from a candidate before it all; "" is none
	OnFailure OnFailure

	MaxErrorRate float64 // share of the new release's requests that may fail (5xx); 0: they do not matter
	MinRequests  int     // fewer than these say nothing
	Unclear      Unclear
}

// Unclear says what becomes of a rollout with too few requests.
type Unclear string

// The ways on from there.
const (
	UnclearAccept Unclear = "accept"
	UnclearPause  Unclear = "pause" // for a person to decide
)

// Strategy is the order in which a worker and the one in its place start and stop.
type Strategy string

// The strategies.
const (
	StrategySurge   Strategy = "surge"   // start, then stop: both run for a while
	StrategyReplace Strategy = "replace" // stop, then start, for what must never run twice
)

// OnFailure says what a rollout that fails does.
type OnFailure string

// The ways on after a failure.
const (
	OnFailureRollback OnFailure = "rollback"
	OnFailurePause    OnFailure = "pause" // as it is, for a person to decide
)

// Surge is a number of workers, or a percentage of a process's count.
type Surge struct {
	Workers int
	Percent int
}

// Process is one [process.NAME] with [defaults.process] and the app's user and
// environment already merged into it.
type Process struct {
	Name string
	// Line is that of its table in App.File, for messages; of a process that a
	// release brings, that of the app's user.
	Line int

	Command   []string // still with {variables}; nil when the release is to bring it
	Count     int
	Server    string // a table of servers.toml, which has brought defaults; "" is none
	Venv      string // absolute, as workers see it; "" is none
	Directory string // absolute, as workers see it; "" when it is the release and none is known

	User      string
	Group     string
	Groups    []string // nil: the user's
	AllowRoot bool

	privdrop.Resources // Umask is set, for defaults.toml has one

	Env          map[string]string // app's and process's, still with {variables}
	EnvFile      string            // absolute; read at each launch
	EnvInherit   []string          // names, and patterns with *: see Inherited
	Scratch      []string          // variables that name a directory of the launch alone
	Sockets      []string          // in the order of their descriptors, from 3 on
	After        []string          // processes of the same app
	Autostart    bool
	Strategy     Strategy // "" is the rollout's: see App.StrategyOf
	Restart      Restart
	SuccessExit  []int
	Backoff      Backoff
	GiveUpAfter  int // failed starts in a row; 0 is never
	Ready        Ready
	Health       Health
	Watchdog     time.Duration // 0 is off
	Stop         []StopStep
	ReloadSignal Signal // 0: there is none, and a reload is a restart
	Capabilities []string
	Statsd       bool // it has a port for statsd datagrams
	Hooks        Hooks
	Log          Log
}

// Restart says which exits are followed by a new start.
type Restart string

// The restart policies.
const (
	RestartAlways    Restart = "always"
	RestartOnFailure Restart = "on-failure"
	RestartNever     Restart = "never"
)

// Backoff is the delay before a start that follows a failure: Initial, then
// Factor times longer each time up to Max, each varied by up to ±Jitter of
// itself; a worker that lived for Reset after it was ready starts it anew.
type Backoff struct {
	Initial time.Duration
	Max     time.Duration
	Factor  float64
	Jitter  float64
	Reset   time.Duration
}

// Ready says when a worker counts as ready. Exactly one of the kinds is set.
type Ready struct {
	Notify  bool          // READY=1 on NOTIFY_SOCKET
	HTTP    string        // path asked of the probe socket, or "http://host:port/path"
	TCP     string        // "probe": the probe socket; else "host:port" that the program binds itself
	Log     string        // regular expression that a line of output matches
	Exec    []string      // a command that exits 0, run as the worker's user
	File    string        // has been modified since the launch; still with {variables}
	MaxAge  time.Duration // and not longer ago than this; 0: no matter
	Exit    bool          // has ended with success
	Uptime  time.Duration // has lived this long
	Socket  string        // of the app: ask through this shared socket instead of the probe
	Timeout time.Duration // not ready by then is a failed start
}

// Question gives what ready has in common with health; it is empty for the kinds
// that ask nothing.
func (r Ready) Question() Question {
	return Question{HTTP: r.HTTP, TCP: r.TCP, Exec: r.Exec, Socket: r.Socket, File: r.File, MaxAge: r.MaxAge}
}

// Probe reports whether ready asks on a socket of the worker's own.
func (r Ready) Probe() bool { return r.Question().Probe() }

// Health says when a worker that was ready is to be replaced. At most one of the
// kinds (HTTP, TCP, Exec, File) is set; they and Socket are as in Ready.
type Health struct {
	HTTP     string
	TCP      string
	Exec     []string
	Socket   string
	File     string
	MaxAge   time.Duration // of the file's last modification, or of the launch; more than 0
	Interval time.Duration // from one question to the next
	Timeout  time.Duration // of each question, at most Interval
	Failures int           // in a row that make the worker unhealthy, at least 1
	// Children is how many deaths within a minute of the worker's own child
	// processes make it unhealthy, counting those that lived less than 10 s: a
	// pre-forking server lives on while its children crash. 0 is off.
	Children int
}

// Question gives what health has in common with ready.
func (h Health) Question() Question {
	return Question{HTTP: h.HTTP, TCP: h.TCP, Exec: h.Exec, Socket: h.Socket, File: h.File, MaxAge: h.MaxAge, Lives: true}
}

// Asks reports whether there is a question at all.
func (h Health) Asks() bool { return h.HTTP != "" || h.TCP != "" || len(h.Exec) > 0 || h.File != "" }

// IsSet reports whether there is anything to be watched.
func (h *Health) IsSet() bool { return h.Asks() || h.Children > 0 }

// Probe reports whether health asks on a socket of the worker's own.
func (h Health) Probe() bool { return h.Question().Probe() }

// Question is what a worker is asked. At most one of HTTP, TCP, Exec and File is set.
type Question struct {
	HTTP   string   // path asked of the probe socket, or "http://host:port/path"
	TCP    string   // "probe": the probe socket; else "host:port" that the program binds itself
	Exec   []string // a command that exits 0, run as the worker's user
	Socket string   // of the app: ask through this shared socket instead of the probe

	File   string        // that the worker modifies; still with {variables}
	MaxAge time.Duration // of its last modification; 0: no matter
	Lives  bool          // the launch counts as a modification
}

// ByEnvironment reports whether the environment of the worker is needed to ask.
func (q Question) ByEnvironment() bool { return q.Exec != nil || q.File != "" }

// Probe reports whether it is asked on a socket of the worker's own.
func (q Question) Probe() bool { return q.Socket == "" && q.inherited() }

// inherited reports whether it is asked on a socket that the worker inherits.
func (q Question) inherited() bool { return strings.HasPrefix(q.HTTP, "/") || q.TCP == "probe" }

// Probe reports whether each worker gets a listening socket of its own for the
// questions of ready and health (named "probe" in LISTEN_FDNAMES).
func (p *Process) Probe() bool { return p.Ready.Probe() || p.Health.Probe() }

// StopStep sends Signal once and waits: to the main process alone, or to all that the
// worker has started as well, until nothing of that is left.
type StopStep struct {
	Signal Signal
	Wait   time.Duration
	Group  bool `json:",omitempty"`
}

// Log is where a process's output goes.
type Log struct {
	To      LogTarget `json:",omitempty"` // of a worker it says nothing, and the JSON without is that of an earlier supd
	File    string    // absolute, default <logs>/<app>/<process>.log; TO:APP/PROCESS where it is none
	MaxSize int64     // bytes at which the file is rotated; 0 is never
	Keep    int       // rotated files kept

	MaxAge   time.Duration `json:",omitempty"` // after which the file is rotated; 0 is never
	MaxTotal int64         `json:",omitempty"` // bytes of all rotated files; 0 is no limit
	Compress bool          `json:",omitempty"` // rotated files

	Prefix Prefix `json:",omitempty"` // of lines in a file or on standard output

	Address  string   `json:",omitempty"` // of a syslog server: "unix:/dev/log", "udp:host:514", "tcp:host:514"
	Facility Facility `json:",omitempty"` // of syslog
}

// Prefix is what lines of workers begin with.
type Prefix string

// The prefixes; "" is none.
const (
	PrefixName       Prefix = "name"        // time and worker
	PrefixStream     Prefix = "stream"      // and whether it is standard output or error
	PrefixJSON       Prefix = "json"        // each line is a JSON object
	PrefixJSONStream Prefix = "json-stream" // which has the stream
)

// TellsStreams reports whether standard error has a pipe of its own, so that the log can
// say what came through which.
func (l *Log) TellsStreams() bool { return l.Prefix == PrefixStream || l.Prefix == PrefixJSONStream }

// OfLaunch is what a worker feels of it.
func (l *Log) OfLaunch() (felt Log) {
	if l.TellsStreams() {
		felt.Prefix = PrefixStream
	}
	return felt
}

// LogTarget is what kind of place a log is.
type LogTarget string

// The targets.
const (
	LogFile    LogTarget = "file"
	LogJournal LogTarget = "journal" // of systemd
	LogStdout  LogTarget = "stdout"  // supd's own
	LogSyslog  LogTarget = "syslog"  // at Address
	LogNone    LogTarget = "none"    // dropped
)
