package engine

import (
	"fmt"
	"maps"
	"time"

	"supd/configs"
	"supd/supervisor/api"
)

// Of some processes it was said for longer than supd lives whether they run
// (`supctl stop --persist`): it takes the place of autostart. A start or a stop for now
// that says the contrary ends that.

// Last gives what was said, by the full names of processes; before the first Apply.
func (o *Owner) Last(all map[string]api.Lasting) { maps.Copy(o.lasting, all) }

// lasts is what was said of a process, or nil.
func (p *process) lasts() *api.Lasting {
	if l, is := p.app.lasting[p.fullName()]; is {
		return &l
	}
	return nil
}

func isSameLasting(a, b *api.Lasting) bool { return a == b || a != nil && b != nil && *a == *b }

// autostarts reports whether the workers of a process are started without being asked for.
func (p *process) autostarts(c *configs.Process) bool {
	return autostarts(p.app.lasting, p.app.name, c)
}

func autostarts(lasting map[string]api.Lasting, app string, c *configs.Process) bool {
	if l, is := lasting[app+"/"+c.Name]; is {
		return l.Up
	}
	return c.Autostart
}

// persist does what is asked for once the next supd will know of it as well.
func (o *Owner) persist(r api.Request, all named, reply chan<- *api.Result) {
	if len(all.slots) == 0 && len(all.bare) > 0 {
		no := all.bare[0].cannot(api.ActionStart)
		reply <- api.Refuse(no.Code, "nothing was done, since it would not last: %s %s", no.Name, no.Message)
		return
	}
	processes, err := wholeProcesses(all.slots)
	if err != nil {
		reply <- api.Refuse(api.CodeUsage, "%s", err)
		return
	}
	before := maps.Clone(o.lasting)
	for p := range processes {
		o.setLasting(p, api.Lasting{Up: r.Action == api.ActionStart, By: r.By, At: time.Now()})
	}
	o.host.SaveLasting(maps.Clone(o.lasting), func(err error) Event {
		return func(o *Owner) {
			if err != nil {
				for p := range processes {
					o.resetLasting(p, before)
				}
				reply <- api.Refuse(api.CodeFailed, "nothing was done, since it would not last: %s", err)
				return
			}
			r.Persist = false
			o.Do(r, reply)
		}
	})
}

// wholeProcesses are the processes of slots, each of which has to be there with all of its
// slots.
func wholeProcesses(slots []*slot) (map[*process]bool, error) {
	all, count := map[*process]bool{}, map[*process]int{}
	for _, s := range slots {
		all[s.process] = true
		count[s.process]++
	}
	for p, n := range count {
		for _, s := range p.slots {
			if s.removed {
				n++
			}
		}
		if n < len(p.slots) {
			return nil, fmt.Errorf("only whole processes are started or stopped for good; name %s", p.fullName())
		}
	}
	return all, nil
}

// setLasting says that l holds of a process; it is not kept where the configuration says
// the same.
func (o *Owner) setLasting(p *process, l api.Lasting) {
	if l.Up == p.config.Autostart {
		delete(o.lasting, p.fullName())
	} else {
		o.lasting[p.fullName()] = l
	}
	o.showLasting(p)
}

func (o *Owner) resetLasting(p *process, before map[string]api.Lasting) {
	delete(o.lasting, p.fullName())
	if l, was := before[p.fullName()]; was {
		o.lasting[p.fullName()] = l
	}
	o.showLasting(p)
}

func (o *Owner) showLasting(p *process) {
	p.app.isUnshown = true
	for _, s := range p.slots {
		o.touch(s)
	}
}

// contradict forgets what was said of the processes of slots that are now wanted to be
// otherwise.
func (o *Owner) contradict(slots []*slot, up bool) {
	forgotten := false
	for _, s := range slots {
		if l := s.process.lasts(); l != nil && l.Up != up {
			o.resetLasting(s.process, nil)
			o.log.Info("what was said of a process for good holds no more", "process", s.process.fullName(), "up", l.Up, "by", l.By)
			forgotten = true
		}
	}
	if forgotten {
		o.saveLasting()
	}
}

// dropLasting forgets what was said of an app that is gone.
func (o *Owner) dropLasting(a *app) {
	before := len(o.lasting)
	for _, p := range a.processes {
		delete(o.lasting, p.fullName())
	}
	if len(o.lasting) < before {
		o.saveLasting()
	}
}

func (o *Owner) saveLasting() {
	o.host.SaveLasting(maps.Clone(o.lasting), func(err error) Event {
		return func(o *Owner) {
			if err != nil {
				o.log.Error("what was said of processes for good is not written down: the next supd knows the old", "error", err)
			}
		}
	})
}
