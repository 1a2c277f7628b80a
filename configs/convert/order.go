package convert

import (
	"slices"
)

// started is a process with what priority says of it.
type started struct {
	app      *app
	process  *process
	priority int
	oneShot  bool
	auto     bool
	at       *option
}

func (p *program) remember(d *process) {
	p.startedAll = append(p.startedAll, started{
		app: p.target(), process: d, priority: p.integer("priority", 999),
		oneShot: p.isOneShot(), auto: p.boolean("autostart", true), at: p.option("priority"),
	})
}

// order makes `after` of priorities where that is what they were for: what prepares
// something and ends comes before the rest. supervisord only started it before.
func (s *supervisord) order() {
	for _, later := range s.startedAll {
		var after []string
		for _, earlier := range s.startedAll {
			if earlier.app == later.app && earlier.oneShot && earlier.auto && earlier.priority < later.priority {
				after = append(after, earlier.process.name)
			}
		}
		if len(after) == 0 {
			continue
		}
		slices.Sort(after)
		after = slices.Compact(after)
		later.process.set("after", list(after))
		for _, name := range after {
			s.report.add(Different, later.process.old, lineOf(later.at), "it waits until "+name+" has ended with success; supervisord did not wait")
		}
	}
	s.unordered()
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
