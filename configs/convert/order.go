package convert

import (
	"slices"
	"strings"
)

// started is a process with what priority says of it.
type started struct {
	app      *app
	process  *process
	program  string // its name
	priority int
	oneShot  bool
	waits    []string // names of programs that a listener waited for
	auto     bool
	at       *option
}

func (p *program) remember(d *process) {
	p.startedAll = append(p.startedAll, started{
		app: p.target(), process: d, program: p.name, priority: p.integer("priority", 999),
		oneShot: p.isOneShot(), waits: p.waits(), auto: p.boolean("autostart", true), at: p.option("priority"),
	})
}

// dependent reports whether supervisord-dependent-startup starts it, and so supd does.
func (p *program) dependent() bool { return p.boolean("dependent_startup", false) }

// waits are the programs that supervisord-dependent-startup waits for: "a:running b:exited".
func (p *program) waits() (names []string) {
	value, o := p.get("dependent_startup_wait_for")
	if o == nil || !p.dependent() {
		return nil
	}
	for _, one := range strings.Fields(value) {
		name, state, _ := strings.Cut(one, ":")
		names = append(names, name)
		if state == "exited" {
			p.note(Converted, o, "what is waited for until it has ended wants ready = { exit = true }, which startsecs=0 with autorestart=false becomes")
		}
	}
	return names
}

// order makes `after` of priorities where that is what they were for: what prepares
// something and ends comes before the rest. supervisord only started it before.
func (s *supervisord) order() {
	for _, later := range s.startedAll {
		var after []string
		for _, earlier := range s.startedAll {
			if earlier.app == later.app && slices.Contains(later.waits, earlier.program) {
				after = append(after, earlier.process.name)
				continue
			}
			if earlier.app == later.app && len(later.waits) == 0 && earlier.oneShot && earlier.auto && earlier.priority < later.priority {
				after = append(after, earlier.process.name)
			}
		}
		if len(after) == 0 {
			continue
		}
		slices.Sort(after)
		after = slices.Compact(after)
		later.process.set("after", list(after))
		if len(later.waits) > 0 {
			continue
		}
		for _, name := range after {
			s.report.add(Different, later.process.old, lineOf(later.at), "it waits until "+name+" has ended with success; supervisord did not wait")
		}
	}
	s.unordered()
	for _, one := range s.startedAll {
		comes := func(other started) bool { return other.app != one.app && one.priority < other.priority }
		if one.oneShot && one.auto && slices.ContainsFunc(s.startedAll, comes) {
			s.report.add(Different, one.process.old, lineOf(one.at), "what came after it by its priority is in another app, which does not wait for it; --app NAME makes one of all, where `after` does")
		}
	}
}

// unordered notes priorities that are not told by `after`.
func (s *supervisord) unordered() {
	for _, one := range s.startedAll {
		if one.at == nil || one.process.has("after") || one.oneShot {
			continue
		}
		if slices.ContainsFunc(s.startedAll, func(other started) bool { return other.priority != one.priority }) {
			s.report.add(Different, one.process.old, one.at.place, "priority is left out: processes start at the same time and stop at the same time; after = [\"OTHER\"] waits until OTHER is ready")
		}
	}
}

func lineOf(o *option) place {
	if o == nil {
		return place{}
	}
	return o.place
}
