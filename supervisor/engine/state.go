package engine

import (
	"log/slog"
	"sync/atomic"
	"time"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/measure"
	"supd/supervisor/record"
	"supd/supervisor/release"
)

// Owner is the state of supd. Only the goroutine that runs it may touch it, but for
// Post, Status, Done and Ask; before it runs, that is whoever has made it.
type Owner struct {
	log    *slog.Logger
	host   Host
	events chan Event
	status atomic.Pointer[api.Status]
	done   chan struct{} // closed when Run has stopped everything

	isTurning atomic.Bool // status may be out of date, and not say so yet

	config         *configs.Config
	refused        *api.Refusal       // since the last apply
	apps           []*app             // by name
	repairs        map[string]*repair // damaged sockets, by key
	shut           map[string]bool    // keys of sockets that are closed while nobody serves them; is not changed
	stirred        []*app             // whose sockets are to be looked at
	workers        map[int]*worker    // by pid: those that are to be reaped
	earlyDeaths    map[int]Exit       // while a launch was under way: perhaps its process
	tasks          map[int]chan<- Exit
	commands       map[*Command]bool      // that have a place
	heldBack       []*app                 // to be prepared again
	lasting        map[string]api.Lasting // what was said of processes for good, by full name
	launching      int
	places         []*worker // launches that have one of maxLaunching, the oldest first
	revisions      int       // so many were made
	waiters        []*waiter
	dead           []*worker       // to be swept
	left           map[int]*worker // by pid: dead, and what they left behind is not swept yet
	users          map[int]*user   // that workers have, or had, by uid
	strayed        map[*user]bool  // those of them that have strays
	lateCandidates []*slot         // of rollouts that are over
	frozen         func()          // to be called once nothing is under way; nil: all goes on
	quitting       bool
	exitOn         configs.ExitOn
	verdict        error             // why exit_on has ended supd
	saving         bool              // what runs is being recorded
	nextSave       time.Time         // the next record at the earliest
	saveAgain      time.Time         // when the last one that failed is tried again; zero: none has
	saveTries      int               // so many have failed, in a row
	isRecorded     bool              // something was recorded, if only that nothing runs
	unwritten      []chan<- struct{} // are closed when the next record is written
	wholes         int               // slots in the last whole record
	written        int               // slots in the parts since then
	readers        []chan<- *api.Status
	timer          time.Time // the nearest deadline
	tidies         time.Time // when what waits for launches is done at the latest; zero: nothing waits

	queue       []*slot // to be settled
	alarms      alarms
	crowded     []*slot    // that wait for the end of a launch
	crowdedApps []*app     // with slots that wait for the end of a launch of their app
	roomy       []*process // with slots that wait for room, which there may be now
	unsaved     []*slot    // changed since the last record
	gone        []string   // slots that are no more, likewise
	busy        int        // slots that are not idle
	mayGo       bool       // a process or an app may be empty, and is gone from the configuration
	isUnshown   bool       // apps have come or gone since the status was published
}

// queueLength is how many events may wait for the owner before who posts waits.
const queueLength = 64

// New makes an owner with nothing to run.
func New(log *slog.Logger, host Host, exitOn configs.ExitOn) *Owner {
	o := &Owner{log: log, host: host, exitOn: exitOn, events: make(chan Event, queueLength), done: make(chan struct{}),
		workers: map[int]*worker{}, earlyDeaths: map[int]Exit{}, tasks: map[int]chan<- Exit{}, commands: map[*Command]bool{}, left: map[int]*worker{}, users: map[int]*user{}, strayed: map[*user]bool{}, repairs: map[string]*repair{}, lasting: map[string]api.Lasting{}}
	o.status.Store(api.NewStatus(nil))
	return o
}

// app is an application as the owner keeps it.
type app struct {
	name       string
	config     *configs.App // with the release that is active
	processes  []*process   // by name
	named      map[string]*process
	dependents map[*process][]*process   // who comes after whom; nil: is to be made anew
	sockets    map[string]configs.Socket // by key
	lasting    map[string]api.Lasting    // the owner's
	removed    bool

	state     release.State // as it was journaled last
	journal   Journal       // nil: it has no releases, and has had none
	rollout   *rollout      // under way; nil is none
	last      *api.RolloutStatus
	postponed bool             // a new configuration waits for the end of the rollout
	trouble   error            // why nothing of it can be started
	invalid   bool             // its file is, and trouble says why
	closed    map[string]error // sockets that could not be opened, by key; the old ones of some may be open
	closes    bool             // has sockets that are closed while nobody serves them
	shut      map[string]bool  // the owner's
	isStirred bool             // is among the owner's stirred
	tries     attempts

	launching int     // launches under way
	crowded   []*slot // that wait for the end of one

	isUnrolled bool // something has happened that its rollout has to see
	isUnshown  bool // its status is not what is published
	shown      api.AppStatus
}

// process is a command and its slots. A process that is gone from the
// configuration stays until its last slot is empty.
type process struct {
	app      *app
	name     string
	config   *configs.Process // of the release that is active
	slots    []*slot          // by number, from 1
	revision *revision        // the newest that is desired; nil: no release is active
	removed  bool
	scaled   int         // slots that somebody has asked for; 0: as the configuration says
	fault    error       // why no worker of the newest configuration can be started
	added    *rollout    // whose release alone has it; nil: the configuration has it
	launched map[int]int // launches of slots that were forgotten, and of candidates

	counts
	gated, stopping, crowded []*slot // that are parked
	full                     bool    // a slot has found no room since the last change

	newest   time.Time // when a worker of the revision newestOf became ready last
	newestOf *revision
	failed   string  // why workers of the revision were given up again, the last time
	unshown  []*slot // whose status is not in shown
	shown    api.ProcessStatus
	worst    int // index in severity of the worst worker shown; below 0 is none
}

// revision is a Revision as the owner numbers it; two of them are the same when
// their pointers are. A restart, a configuration that a worker would feel and
// another release all make a new one, and the slots are moved on to it one by one.
type revision struct {
	Revision
	number    int       // a newer one has a higher number
	applied   time.Time // when this became what is desired; zero: nobody knows
	addresses string    // of its sockets, then
}

// slot is the stable place of a worker: whois/web.1. Up and revision say what is
// desired. While its worker is replaced it has two workers, and while an old one
// drains for long even more.
type slot struct {
	process *process
	number  int

	record.SlotState           // Up is what is desired
	leaves           bool      // it was up before supd was told to quit: it is again if that is not finished
	revision         *revision // of the worker that is desired; nil: there is none to start
	removed          bool      // gone from the configuration: forgotten once it is empty

	launched  int       // number of the revision that was launched last; 0: an earlier supd's
	workers   []*worker // oldest first
	sweeps    int       // searches for left-over processes under way
	concluded []*worker // that have ended, and whose last hooks are not run yet
	strays    *user     // it tells of

	label                    string
	queued, unshown, unsaved bool
	isGone                   bool // and its record is
	parked                   uint8
	waiters                  []*waiter
	words                    []string // the last lines of the worker that failed last, while somebody waits
	counted                  share
	wakes                    time.Time // its alarm; zero is none
}

// worker is one running copy: one launch of one slot. It is Starting, Running,
// Unhealthy, Stopping or Exited; what comes before and after belongs to the slot.
type worker struct {
	slot     *slot
	config   *configs.Process // what it was launched with
	revision *revision        // that it was launched from

	record.WorkerState         // State and Deadline are changed by set alone
	record.Process             // zero while the launch is under way
	key                string  // the account may be another than the revision's
	handle             Process // likewise nil
	observer           Observer

	counted  measure.Usage // of one that is dead: by its slot, in Past
	unwell   int           // questions in a row that it has not answered well
	isUntold bool          // how it is treated is another than when its launch began
	stopped  time.Time     // when it was told to stop

	cancel   func()             // its launch; nil: it has ended, or was cancelled
	isPutOff bool               // its launch was cancelled although the worker is desired
	preStop  bool               // its hook runs before the first signal
	last     []configs.HookName // to be run when nothing of it is left
	end      *api.Exit          // which they are told of
	main     *Exit              // its main process has ended, and what that has started is waited for
	others   int                // how many that are; 0: not known
	exit     *api.Exit          // its end, as its slot tells of it; nil: it was asked for
	finished bool               // it has ended well by itself
}

// rollout replaces the workers of an app's release by those of another. Like all
// else it works by changing what is desired: it moves slots from one revision to the other,
// and settle does the rest. Each of its steps is journaled before it begins and
// is idempotent, so that the next supd goes on with the rollout of one that died.
type rollout struct {
	app    *app
	status api.RolloutStatus // as it is published
	target App
	stages []*stage // each process after those that it comes after

	pending  release.Step // that is being journaled: nothing is done meanwhile; "" is none
	deadline time.Time    // of the bake
	wakes    time.Time    // when it is to go on at the latest; zero is when something happens

	candidate *slot // of the smoke test, in no process's slots
	trial     trial

	accepted bool // by a person: too few requests are enough

	faults []string // of a first release, which goes on
	unwell []*slot  // that have failed in it

	blamed *worker // whose last output is still to come
	broken string  // why the old release does not come back either
}

// stage is one process in a rollout.
type stage struct {
	process  *process
	from, to *revision // nil: the release does not have the process
	config   *configs.Process
	count    int // of the slots before
	begun    bool
	broken   bool          // it is undone, and none of the workers that go is ready
	failures map[*slot]int // of the slots, when it was undone
}

// trial is how far the smoke test of a rollout has come.
type trial int

const (
	trialStarts trial = iota // the candidate is to get ready
	trialAsks                // it was asked
	trialPassed              // it has answered well, and is stopped
)

// waiter is a Request whose end somebody waits for.
type waiter struct {
	request api.Request
	rollout *rollout // whose end is waited for; nil: that of the slots
	after   func()   // before the answer; may be nil
	named
	before   map[*slot]before
	changed  []*slot // since they were looked at last
	outcomes map[*slot]api.Outcome
	deadline time.Time

	// Of an apply.
	changes  *api.Changes
	fates    map[*slot]api.WorkerFate
	retried  []*slot       // as they were, for what may be mended outside of the files
	said     []api.Outcome // what is known already
	deferred []string      // apps that are to be applied after a rollout

	reply chan<- *api.Result // with room for the one answer
}

// before is what a slot was like when the request came.
type before struct {
	revision int // number of the one that the request wants
	failures int
	already  bool // so, as was asked for
}

// repair is a damaged socket that waits to be mended, at once the first time and
// with growing delays when it is damaged again and again.
type repair struct {
	damage  Damage
	pending bool
	asked   bool // whether it can be mended now
	at      time.Time
	last    time.Time // repaired
	inARow  int       // repairs
}
