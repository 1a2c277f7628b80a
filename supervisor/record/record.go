package record

import (
	"errors"
	"time"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/measure"
	"supd/supervisor/output"
)

// Format is the version of the file. A supd reads its own and the one before; fields
// are only ever added.
const Format = 1

// Candidate is the slot number of the worker of a smoke test.
const Candidate = 0

// Record is what runs at one moment.
type Record struct {
	Format int    `json:"format"`
	Boot   string `json:"boot"` // boot id: pids mean nothing in another
	Slots  []Slot `json:"slots"`
	// Logs is what was written to each log, and dropped; in a Part, to each for which
	// that has changed.
	Logs map[string]output.Count `json:"logs,omitempty"`

	// Part says that only the slots are here that have changed since the record before
	// it, whose Format and Boot hold on; Gone names those that are no more.
	Part bool     `json:"-"`
	Gone []string `json:"-"`

	// Of a supd that has become another program.
	Pid    int            `json:"pid,omitempty"`
	Start  uint64         `json:"start,omitempty"`  // when it was started
	Passed map[string]int `json:"passed,omitempty"` // descriptors that are open, by what they are
}

// Slot is a slot with its workers.
type Slot struct {
	App     string `json:"app"`
	Process string `json:"process"`
	Number  int    `json:"number"`
	Removed bool   `json:"removed,omitempty"` // the configuration has it no more
	SlotState
	Workers []Worker `json:"workers,omitempty"`
}

// SlotState is what a slot has to remember.
type SlotState struct {
	Up         bool      `json:"up"`                 // a worker is desired
	Gated      bool      `json:"gated,omitempty"`    // waits, once, for the processes it comes after
	Done       bool      `json:"done,omitempty"`     // ended by itself, and the restart policy wants no more
	GaveUp     bool      `json:"gave_up,omitempty"`  // give_up_after
	Retry      time.Time `json:"retry,omitzero"`     // no start before
	InARow     int       `json:"in_a_row,omitempty"` // failures, for the backoff
	Generation int       `json:"generation"`         // launches
	PutOff     bool      `json:"put_off,omitempty"`  // the last of them made no process: the next one is no restart
	Restarts   int       `json:"restarts,omitempty"` // launches that nobody asked for
	Failures   int       `json:"failures,omitempty"` // of all time
	Trouble    string    `json:"trouble,omitempty"`  // the last of them
	LastExit   *api.Exit `json:"last_exit,omitempty"`
	LastClean  bool      `json:"last_clean,omitempty"`
	Well       *Well     `json:"well,omitempty"`   // of what is ready when it has ended with success
	Scaled     int       `json:"scaled,omitempty"` // slots that its process was to have; 0: as the configuration says
	measure.Tally
}

// Well is the last end with success.
type Well struct {
	Files string    `json:"files,omitempty"` // of the release, "" without one
	Exit  *api.Exit `json:"exit"`
}

// Worker is a launched worker, and what it was launched from.
type Worker struct {
	WorkerState
	Process

	Key     string             `json:"key"`           // of what it was launched from
	Old     bool               `json:"old,omitempty"` // another one is desired in its place
	Release *configs.Version   `json:"release,omitempty"`
	Version string             `json:"version,omitempty"` // of a release that is not known
	Log     string             `json:"log,omitempty"`     // file of its output, should the configuration have it no more
	Stop    []configs.StopStep `json:"stop,omitempty"`    // likewise: how it is stopped

	Found `json:"-"`
}

// WorkerState is what is remembered of a worker while it runs.
type WorkerState struct {
	Generation int                `json:"generation"`
	State      api.State          `json:"state"`
	Launched   time.Time          `json:"launched"`
	Applied    time.Time          `json:"applied,omitzero"`   // when that was applied which it was launched from
	Ready      time.Time          `json:"ready,omitzero"`     // zero: it never was
	Deadline   time.Time          `json:"deadline,omitzero"`  // of State
	Draining   bool               `json:"draining,omitempty"` // stops because another one has taken over
	Failure    string             `json:"failure,omitempty"`  // why supd stops it although one is desired
	Illness    string             `json:"illness,omitempty"`  // why it is unhealthy
	Steps      []configs.StopStep `json:"steps,omitempty"`    // left of the stop
	Group      bool               `json:"group,omitempty"`    // the last one went to all that it has started
	Sent       []configs.Signal   `json:"sent,omitempty"`
	Killed     bool               `json:"killed,omitempty"`
	Used       measure.Usage      `json:"used,omitzero"` // as it was seen last, with its descendants
}

// Process is the process of a worker, and what was made for it alone.
type Process struct {
	Pid        int        `json:"pid"`
	Identity   Identity   `json:"identity"`
	Adopted    bool       `json:"adopted,omitempty"` // it is no child of the supd that recorded it
	Belongings Belongings `json:"belongings"`
}

// Identity tells a process from all others.
type Identity struct {
	Start uint64 `json:"start"`           // clock ticks after boot
	Inode uint64 `json:"inode,omitempty"` // of the pidfd; 0 before Linux 6.9
}

// Belongings is what was made for a worker alone.
type Belongings struct {
	Directory string `json:"directory,omitempty"` // XDG_RUNTIME_DIR
	Cgroup    string `json:"cgroup,omitempty"`
	Pipe      uint64 `json:"pipe,omitempty"`       // inode
	ErrorPipe uint64 `json:"error_pipe,omitempty"` // that of standard error alone; 0: there is none
	Notify    bool   `json:"notify,omitempty"`
	Statsd    uint16 `json:"statsd,omitempty"` // port on 127.0.0.1; 0 is none

	StatsdInode uint64 `json:"statsd_inode,omitempty"` // of its socket
	// Sockets are the inodes of those that it was given, by name: a program may
	// hold them under other numbers than it got.
	Sockets map[string]uint64 `json:"sockets,omitempty"`
}

// Found is what the next supd finds out about a recorded worker.
type Found struct {
	Lost  bool // there was no record: it was found by the note of its launch
	Alive bool
	UID   int // that such a worker was launched as
}

// Name is that of the slot, "whois/web.1".
func (s *Slot) Name() string { return api.WorkerName(s.App, s.Process, s.Number) }

// File is the name, beneath the runtime directory, of what was made for a launch.
func (s *Slot) File(generation int) string {
	return configs.LaunchName(s.App, s.Process, s.Number, generation)
}

// ErrEnded says of a worker that is signalled that it has ended.
var ErrEnded = errors.New("has ended")
