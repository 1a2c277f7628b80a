package supervisor

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop"
)

// savedFormat is the version of the file. A supd reads its own and the one before;
// fields are only ever added.
const savedFormat = 1

// saved is what runs, as the next supd finds it after this one was killed: all
// that cannot be learned from the configuration, the journals or the kernel.
type saved struct {
	Format int         `json:"format"`
	Boot   string      `json:"boot"` // boot id: pids mean nothing in another
	Slots  []savedSlot `json:"slots"`

	// Of a supd that has become another program.
	Pid    int            `json:"pid,omitempty"`
	Start  uint64         `json:"start,omitempty"`  // when it was started
	Passed map[string]int `json:"passed,omitempty"` // descriptors that are open, by what they are
}

// savedSlot is a slot with its workers.
type savedSlot struct {
	App        string        `json:"app"`
	Process    string        `json:"process"`
	Number     int           `json:"number"`
	Up         bool          `json:"up"`
	Gated      bool          `json:"gated,omitempty"`
	Done       bool          `json:"done,omitempty"`
	GaveUp     bool          `json:"gave_up,omitempty"`
	Retry      time.Time     `json:"retry,omitzero"`
	InARow     int           `json:"in_a_row,omitempty"` // failures, for the backoff
	Generation int           `json:"generation"`
	Restarts   int           `json:"restarts,omitempty"`
	Failures   int           `json:"failures,omitempty"`
	Trouble    string        `json:"trouble,omitempty"`
	LastExit   *Exit         `json:"last_exit,omitempty"`
	LastClean  bool          `json:"last_clean,omitempty"`
	Workers    []savedWorker `json:"workers,omitempty"`
}

// savedWorker is a launched worker. What it was launched from is told by Key.
type savedWorker struct {
	Pid        int                `json:"pid"`
	Identity   savedIdentity      `json:"identity"`
	Generation int                `json:"generation"`
	State      State              `json:"state"`
	Launched   time.Time          `json:"launched"`
	Ready      time.Time          `json:"ready,omitzero"`
	Deadline   time.Time          `json:"deadline,omitzero"`
	Draining   bool               `json:"draining,omitempty"`
	Failure    string             `json:"failure,omitempty"`
	Steps      []configs.StopStep `json:"steps,omitempty"`
	Sent       []unix.Signal      `json:"sent,omitempty"`
	Killed     bool               `json:"killed,omitempty"`
	Key        string             `json:"key"`
	Old        bool               `json:"old,omitempty"`     // another one is wished for in its place
	Adopted    bool               `json:"adopted,omitempty"` // it is no child of the supd that recorded it
	Release    *configs.Version   `json:"release,omitempty"`
	Version    string             `json:"version,omitempty"` // of a release that is not known
	Log        string             `json:"log,omitempty"`     // file of its output, should the configuration have it no more
	Stop       []configs.StopStep `json:"stop,omitempty"`    // likewise: how it is stopped
	Belongings savedBelongings    `json:"belongings"`

	Lost bool `json:"-"` // there was no record: it was found by its environment
}

// savedIdentity is what tells the worker's process from all others.
type savedIdentity struct {
	Start uint64 `json:"start"`           // clock ticks after boot
	Inode uint64 `json:"inode,omitempty"` // of the pidfd; 0 before Linux 6.9
}

// savedBelongings is what was made for the worker alone.
type savedBelongings struct {
	Directory string `json:"directory,omitempty"` // XDG_RUNTIME_DIR
	Cgroup    string `json:"cgroup,omitempty"`
	Pipe      uint64 `json:"pipe,omitempty"` // inode
	Notify    bool   `json:"notify,omitempty"`
	// Sockets are the inodes of those that it was given, by name: a program may
	// hold them under other numbers than it got.
	Sockets map[string]uint64 `json:"sockets,omitempty"`
}

// saved describes all that runs.
func (o *owner) saved() *saved {
	s := &saved{Format: savedFormat}
	o.eachSlot(func(slot *slot) { s.Slots = append(s.Slots, slot.saved()) })
	return s
}

func (s *slot) saved() savedSlot {
	all := savedSlot{App: s.process.app.name, Process: s.process.name, Number: s.number, Up: s.up || s.leaves, Gated: s.gated, Done: s.done,
		GaveUp: s.gaveUp, Retry: s.retry, InARow: s.limiter.failures, Generation: s.generation, Restarts: s.restarts,
		Failures: s.failures, Trouble: s.trouble, LastExit: s.lastExit, LastClean: s.lastClean}
	for _, w := range s.workers {
		if w.handle == nil {
			continue // found by its environment, if it comes to be
		}
		all.Workers = append(all.Workers, w.saved())
	}
	return all
}

func (w *worker) saved() savedWorker {
	identity, belongings := w.handle.saved()
	t := w.handle.left()
	return savedWorker{Pid: w.pid(), Identity: identity, Generation: w.generation, State: w.state,
		Launched: w.launched, Ready: w.ready, Deadline: w.deadline, Draining: w.draining, Failure: w.failure,
		Steps: w.steps, Sent: w.sent, Killed: w.killed, Key: w.edition.key(), Old: w.edition != w.slot.edition, Adopted: t.Adopted, Release: w.edition.release,
		Log: w.edition.config.Log.File, Stop: w.edition.config.Stop, Belongings: belongings}
}

// key is the same for two editions whose workers do not differ. What is zero is
// left out of it: a later version of supd has more settings, and workers for which
// none of them is set are still the same.
func (e *edition) key() string {
	if e.hash == "" {
		e.hash = hashOf(struct {
			Config  configs.Process
			Account *privdrop.Account
			Release *configs.Version
		}{launchKeys(*e.config), e.account, e.release})
	}
	return e.hash
}

func hashOf(v any) string {
	text, err := json.Marshal(v)
	var plain any
	if err == nil {
		err = json.Unmarshal(text, &plain)
	}
	if err == nil {
		text, err = json.Marshal(withoutZeros(plain)) // the keys of a map are sorted
	}
	if err != nil {
		panic("supervisor: a configuration that is no JSON: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}

// withoutZeros takes the zero values out of what JSON was decoded into; nil is what
// has none left.
func withoutZeros(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, child := range v {
			if child = withoutZeros(child); child == nil {
				delete(v, name)
			} else {
				v[name] = child
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		if len(v) == 0 {
			return nil
		}
	case string:
		if v == "" {
			return nil
		}
	case float64:
		if v == 0 {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	}
	return v
}

// savedFile is the name beneath the runtime directory.
const savedFile = "state.json"

// save begins to write what runs, if that may have changed; while it is being done
// the next time comes afterwards.
func (o *owner) save() {
	if o.saving || o.changes == o.recorded {
		return
	}
	o.recorded, o.saving = o.changes, true
	o.kernel.save(o.saved(), func(o *owner) {
		o.saving = false
		o.changes-- // this event changes nothing
	})
}

// writer writes saved states in a goroutine of its own.
type writer struct {
	log    *slog.Logger
	path   string
	boot   string
	failed bool
	text   bytes.Buffer // kept for the next time
}

// pause is between two records, for each slot in them: to write down a thousand
// workers for each one that starts would cost more than to start them.
const pause = 50 * time.Microsecond

// save is the kernel's.
func (l *linux) save(s *saved, done event) {
	go func() {
		l.writer.write(s)
		time.AfterFunc(time.Duration(len(s.Slots))*pause, func() { l.post(done) })
	}()
}

// write replaces the file. It is not synced: a machine that crashes takes the
// workers along.
func (w *writer) write(s *saved) {
	s.Boot = w.boot
	w.text.Reset()
	err := json.NewEncoder(&w.text).Encode(s)
	if err == nil {
		err = replaceFile(w.path, w.text.Bytes())
	}
	if err != nil && !w.failed {
		w.log.Error("what runs is not recorded: were supd killed, the next one would have to search for it", "file", w.path, "error", err)
	}
	w.failed = err != nil
}

func replaceFile(path string, data []byte) error {
	fresh := path + ".new"
	if err := os.WriteFile(fresh, data, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// readSaved gives what an earlier supd has recorded in this boot of the machine,
// nil if there is nothing. What cannot be read is set aside: nothing is killed or
// started twice because of it, since the workers are searched for as well.
func readSaved(runtime, boot string) (*saved, error) {
	path := filepath.Join(runtime, savedFile)
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	var s *saved
	if err == nil {
		s, err = parseSaved(data)
	}
	if err != nil {
		aside := path + ".unreadable"
		return nil, fmt.Errorf("%s cannot be used (kept as %s): %w", path, filepath.Base(aside), errors.Join(err, os.Rename(path, aside)))
	}
	if s.Boot != boot {
		return nil, nil
	}
	return s, nil
}

func parseSaved(data []byte) (*saved, error) {
	s := &saved{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, err
	}
	if s.Format < 1 || s.Format > savedFormat {
		return nil, fmt.Errorf("format %d is not one of this supd's, which knows %d", s.Format, savedFormat)
	}
	if err := s.sound(); err != nil {
		return nil, err
	}
	return s, nil
}

// mostSlots is more than a machine can have workers.
const mostSlots = 1 << 20

// sound tells whether a supd can have written this. What it names is signalled,
// emptied and removed: a damaged record must not lead anywhere else.
func (s *saved) sound() error {
	slots, pids := map[string]bool{}, map[int]bool{}
	for i := range s.Slots {
		slot := &s.Slots[i]
		name := slot.name()
		switch {
		case !isName(slot.App) || !isName(slot.Process) || slot.Number < 0 || slot.Number > mostSlots || slot.Generation < 0:
			return fmt.Errorf("%q, generation %d, is no slot", name, slot.Generation)
		case slots[name] && slot.Number != candidateSlot: // which an ended rollout may still have
			return fmt.Errorf("%s is in it twice", name)
		}
		slots[name] = true
		for k := range slot.Workers {
			w := &slot.Workers[k]
			if pids[w.Pid] {
				return fmt.Errorf("%s: pid %d is in it twice", name, w.Pid)
			}
			pids[w.Pid] = true
			if err := w.sound(slot); err != nil {
				return fmt.Errorf("%s: pid %d: %w", name, w.Pid, err)
			}
		}
	}
	for name, fd := range s.Passed {
		if fd < firstPassed {
			return fmt.Errorf("descriptor %d is not %s", fd, name)
		}
	}
	return nil
}

// firstPassed: 0, 1 and 2 are supd's own.
const firstPassed = 3

func isName(name string) bool {
	return filepath.IsLocal(name) && filepath.Base(name) == name && name != "."
}

func (s *savedSlot) name() string { return fmt.Sprintf("%s/%s.%d", s.App, s.Process, s.Number) }

// file is the name beneath the runtime directory of what was made for a launch;
// see job.file.
func (s *savedSlot) file(generation int) string {
	return fmt.Sprintf("%s.%s.%d.%d", s.App, s.Process, s.Number, generation)
}

func (w *savedWorker) sound(s *savedSlot) error {
	switch w.State {
	case Starting, Running, Unhealthy, Stopping:
	default:
		return fmt.Errorf("%q is no state of a worker", w.State)
	}
	if w.Pid <= 1 || w.Identity.Start == 0 || w.Generation < 1 || w.Generation > s.Generation {
		return fmt.Errorf("start %d, generation %d of %d, is no worker", w.Identity.Start, w.Generation, s.Generation)
	}
	for _, path := range []string{w.Belongings.Directory, w.Belongings.Cgroup} {
		if path != "" && (!filepath.IsAbs(path) || filepath.Base(path) != s.file(w.Generation)) {
			return fmt.Errorf("%s is not its directory", path)
		}
	}
	return nil
}
