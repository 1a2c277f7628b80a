package supervisor

import (
	"reflect"
	"slices"
	"strings"

	"supd/configs"
	"supd/socket"
	"supd/supervisor/release"
)

// app is an application as the owner keeps it.
type app struct {
	name      string
	config    *configs.App // with the release that is active
	processes []*process   // by name
	sockets   map[string]socket.Spec
	removed   bool

	state     release.State // as it was journaled last
	journaled bool          // it has, or has had, releases: the kernel keeps its journal
	rollout   *rollout      // under way; nil is none
	last      *RolloutStatus
	postponed bool  // a new configuration waits for the end of the rollout
	trouble   error // why the active release cannot be started
}

// process is a command and its slots. A process that is gone from the
// configuration stays until its last slot is empty.
type process struct {
	app     *app
	name    string
	config  *configs.Process // of the release that is active
	slots   []*slot          // by number, from 1
	edition *edition         // the newest that is wished for; nil: no release is active
	removed bool
	added   *rollout    // whose release alone has it; nil: the configuration has it
	counted map[int]int // launches of slots that were forgotten
}

func (p *process) fullName() string { return p.app.name + "/" + p.name }

// wished tells whether any slot is wished for.
func (p *process) wished() bool {
	return slices.ContainsFunc(p.slots, func(s *slot) bool { return s.up })
}

// ready tells whether every wished slot is ready, or has done its work (a
// process with restart = "never" that exited well).
func (p *process) ready() bool {
	return !slices.ContainsFunc(p.slots, func(s *slot) bool {
		return s.up && !s.ready() && !(s.done && s.lastClean)
	})
}

// idle tells whether nothing of the process runs.
func (p *process) idle() bool {
	return !slices.ContainsFunc(p.slots, func(s *slot) bool { return !s.idle() })
}

// resize makes slots up to the configured count, and marks those above as gone.
func (p *process) resize(up bool) {
	for n := len(p.slots); n < p.config.Count; n++ {
		s := &slot{process: p, number: n + 1, edition: p.edition, generation: p.counted[n+1]}
		if up {
			s.wish()
		}
		p.slots = append(p.slots, s)
	}
	for i, s := range p.slots {
		was := s.removed
		s.removed = p.removed || i >= p.config.Count
		switch {
		case s.removed:
			s.up = false
		case was && up: // it is back before its last worker was gone
			s.edition = p.edition
			s.wish()
		}
	}
}

// wishAll asks for a worker in every slot.
func (p *process) wishAll() {
	for _, s := range p.slots {
		if !s.removed {
			s.wish()
		}
	}
}

func byName(a, b *process) int { return strings.Compare(a.name, b.name) }

// forget drops empty slots that are gone from the configuration.
func (p *process) forget() {
	for n := len(p.slots); n > 0 && p.slots[n-1].removed && p.slots[n-1].idle(); n-- {
		p.counted[n] = p.slots[n-1].generation
		p.slots = p.slots[:n-1]
	}
}

// surge is how many workers there may be beyond the count while replacing.
func (p *process) surge() int {
	s := p.app.config.Rollout.Surge
	return max(1, s.Workers, len(p.slots)*s.Percent/100)
}

// socketKeys are the names of the process's sockets as the kernel side knows them.
func (p *process) socketKeys() []string {
	keys := make([]string, len(p.config.Sockets))
	for i, name := range p.config.Sockets {
		keys[i] = socketKey(p.app.name, name)
	}
	return keys
}

func socketKey(app, name string) string { return app + "/" + name }

// sameLaunch tells whether a worker launched by a is what b would launch: the
// keys that only say how supd treats it may differ.
func sameLaunch(a, b *configs.Process) bool {
	return reflect.DeepEqual(launchKeys(*a), launchKeys(*b))
}

// launchKeys is p without the keys that a running worker does not feel.
func launchKeys(p configs.Process) configs.Process {
	probe := p.Probe()
	p.Line, p.Count, p.After, p.Autostart = 0, 0, nil, false
	p.Restart, p.SuccessExit, p.Backoff, p.GiveUpAfter = "", nil, configs.Backoff{}, 0
	p.Stop, p.Log = nil, configs.Log{}
	p.Ready, p.Health = configs.Ready{Notify: p.Ready.Notify}, configs.Health{}
	if probe {
		p.Ready.TCP = "probe"
	}
	return p
}
