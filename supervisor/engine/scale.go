package engine

import (
	"supd/configs"
	"supd/supervisor/api"
)

// wanted is how many slots the process is to have with a configuration: as many as
// somebody has asked for since it was applied, or else as that says.
func (p *process) wanted(c *configs.Process) int {
	if p.scaled > 0 {
		return p.scaled
	}
	return c.Count
}

// scale is the request for another number of workers until the next configuration is
// applied. What is added is started, and what goes is stopped from the top.
func (o *Owner) scale(r api.Request, reply chan<- *api.Result) {
	processes, refused := o.scalable(r)
	if refused != nil {
		reply <- refused
		return
	}
	var all named
	for _, p := range processes {
		o.setScale(p, r.Count)
		all.slots = append(all.slots, p.slots...)
	}
	o.wait(r, all, reply)
}

// scalable are the processes that a request names, unless it cannot be carried out.
func (o *Owner) scalable(r api.Request) (all []*process, refused *api.Result) {
	for _, text := range r.Targets {
		t, err := api.ParseTarget(text)
		if err != nil {
			return nil, api.Refuse(api.CodeUsage, "%s", err)
		}
		found := false
		for _, a := range o.apps {
			others := 0
			for _, p := range a.processes {
				switch {
				case p.removed || p.config == nil:
				case !t.NamesProcess() || !t.MatchesProcess(a.name, p.name):
					others += p.wanted(p.config)
				case a.rollout != nil:
					return nil, api.Refuse(api.CodeFailed, "%s", Busy(a.name, &a.rollout.status))
				default:
					all, found, others = append(all, p), true, others+r.Count
				}
			}
			if others > configs.MostWorkers {
				return nil, api.Refuse(api.CodeUsage, "%s would have %d workers: want %d at most", a.name, others, configs.MostWorkers)
			}
		}
		if !found {
			return nil, api.Refuse(api.CodeUsage, "target %q: want APP/PROCESS", text)
		}
	}
	return all, nil
}

// setScale makes the slots of a process so many.
func (o *Owner) setScale(p *process, n int) {
	p.scaled = n
	o.contradict(p.slots, true)
	p.resize(true)
	p.noteScale()
	for _, s := range p.slots {
		if !s.removed && s.rests() {
			s.want()
		}
		o.touch(s)
	}
	p.app.isUnshown, o.mayGo = true, true
}

// rescale goes on with what an earlier supd was asked for.
func (p *process) rescale(n int) {
	if n > 0 && p.scaled == 0 && !p.removed {
		p.scaled = n
		p.resize(p.autostarts(p.config))
		p.noteScale()
	}
}

// unscale makes the configuration hold again. The caller resizes the process.
func (p *process) unscale() {
	p.scaled = 0
	p.noteScale()
}

// noteScale lets the next supd know.
func (p *process) noteScale() {
	for _, s := range p.slots {
		s.Scaled = p.scaled
	}
}
