package configs

import (
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop"
	"supd/socket"
)

// Config is one valid state of all files: supd.toml and every app file.
type Config struct {
	Path    string // of supd.toml
	Daemon  Daemon
	Control Control
	Apps    []App // by name

	places map[string]Place // of what the files say, for Traps and Verify
	home   string           // directory of Path
}

// Daemon is [daemon] of supd.toml. Directories are absolute.
type Daemon struct {
	Apps    string `koanf:"apps"`
	State   string `koanf:"state"`
	Runtime string `koanf:"runtime"`
	Logs    string `koanf:"logs"`
	Watch   bool   `koanf:"watch"`
}

// Control is [control] of supd.toml.
type Control struct {
	Socket string `koanf:"socket"`
	Mode   Mode   `koanf:"mode"`
	Group  string `koanf:"group"` // "" keeps supd's own
}

// Mode is the permission bits of a unix socket, in octal: "0660".
type Mode fs.FileMode

// String gives the form of the files.
func (m Mode) String() string { return fmt.Sprintf("%#04o", uint32(m)) }

// App is one app file.
type App struct {
	Name      string `koanf:"-"`
	File      string `koanf:"-"`
	User      string `koanf:"user"` // "" when supd is not root: its own
	Group     string `koanf:"group"`
	AllowRoot bool   `koanf:"allow_root"`
	Env       map[string]string
	Sockets   []socket.Spec // by name
	Processes []Process     // by name
	Rollout   Rollout
}

// Rollout says how workers are replaced.
type Rollout struct {
	Surge    Surge         // extra workers while replacing, at least 1
	MinReady time.Duration // how long a new worker stays ready before the next is replaced
}

// Surge is a number of workers, or a percentage of a process's count.
type Surge struct {
	Workers int
	Percent int
}

// Process is one [process.NAME] with [defaults.process] and the app's user and
// environment already merged into it.
type Process struct {
	Name string
	Line int // of its table in App.File, for messages

	Command   []string // still with {variables}
	Count     int
	Venv      string // absolute; "" is none
	Directory string // absolute

	User      string
	Group     string
	Groups    []string // nil: the user's
	AllowRoot bool

	Umask          privdrop.Umask
	Env            map[string]string // app's and process's, still with {variables}
	EnvFile        string            // absolute; read at each launch
	EnvInherit     []string
	Sockets        []string // in the order of their descriptors, from 3 on
	After          []string // processes of the same app
	Autostart      bool
	Restart        Restart
	SuccessExit    []int
	Backoff        Backoff
	GiveUpAfter    int // failed starts in a row; 0 is never
	Ready          Ready
	Watchdog       time.Duration // 0 is off
	Stop           []StopStep
	Limits         privdrop.Limits
	Nice           *int
	OOMScoreAdjust *int
	CPUAffinity    []int
	Capabilities   []string
	Log            Log
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
	Initial time.Duration `koanf:"initial"`
	Max     time.Duration `koanf:"max"`
	Factor  float64       `koanf:"factor"`
	Jitter  float64       `koanf:"jitter"`
	Reset   time.Duration `koanf:"reset"`
}

// Ready says when a worker counts as ready. Exactly one of the kinds is set.
type Ready struct {
	Notify  bool          // READY=1 on NOTIFY_SOCKET
	HTTP    string        // path asked of the probe socket, or "http://host:port/path"
	TCP     string        // "probe": the probe socket; else "host:port" that the program binds itself
	Log     string        // regular expression that a line of output matches
	Exec    []string      // a command that exits 0, run as the worker's user
	Uptime  time.Duration // has lived this long
	Socket  string        // of the app: ask through this shared socket instead of the probe
	Timeout time.Duration // not ready by then is a failed start
}

// Probe tells whether each worker gets a listening socket of its own for the
// questions (named "probe" in LISTEN_FDNAMES).
func (r Ready) Probe() bool {
	if r.Socket != "" {
		return false
	}
	return (r.HTTP != "" && r.HTTP[0] == '/') || r.TCP == "probe"
}

// StopStep sends Signal to the main process once and waits.
type StopStep struct {
	Signal unix.Signal
	Wait   time.Duration
}

// Log is where a process's output goes.
type Log struct {
	File    string // absolute; default <logs>/<app>/<process>.log
	MaxSize int64  // bytes at which the file is rotated; 0 is never
	Keep    int    // rotated files kept
}
