package engine

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"supd/configs"
	"supd/supervisor/api"
)

// Changes says what Apply would change now, worker by worker, and changes nothing.
func (o *Owner) Changes(p Prepared) *api.Changes {
	c := &api.Changes{Apps: []api.AppChange{}}
	for i := range p.Apps {
		if a := o.findApp(p.Apps[i].Config.Name); a == nil || a.removed {
			c.Apps = append(c.Apps, o.added(&p.Apps[i], a))
		} else if change := o.changesOf(a, &p.Apps[i]); !change.isNone() {
			c.Apps = append(c.Apps, change.AppChange)
		}
	}
	for _, a := range o.apps {
		if !a.removed && p.drops(a.name) {
			c.Apps = append(c.Apps, removal(a))
		}
	}
	slices.SortFunc(c.Apps, func(a, b api.AppChange) int { return strings.Compare(a.Name, b.Name) })
	return c
}

// change is an api.AppChange that is being made.
type change struct{ api.AppChange }

func (c *change) isNone() bool { return len(c.Keys)+len(c.Workers) == 0 && !c.Deferred && c.Note == "" }

func (c *change) add(name string, what api.WorkerFate, keys []configs.KeyChange, why string) {
	c.Workers = append(c.Workers, api.WorkerChange{Name: name, What: what, Keys: keys, Why: why})
}

// added is of an app that is not there, or is about to go.
func (o *Owner) added(one *App, a *app) api.AppChange {
	c := change{api.AppChange{Name: one.Config.Name, File: one.Config.File, Kind: api.AppAdded, Note: one.holdups()}}
	if a != nil && a.rollout != nil {
		c.Deferred = true
		return c.AppChange
	}
	for i := range one.Config.Processes {
		p := &one.Config.Processes[i]
		if _, known := one.Revisions[p.Name]; known && autostarts(o.lasting, c.Name, p) {
			for n := range p.Count {
				c.add(api.WorkerName(c.Name, p.Name, n+1), api.FateStart, nil, "")
			}
		}
	}
	return c.AppChange
}

// removal is of an app whose file is gone.
func removal(a *app) api.AppChange {
	c := change{api.AppChange{Name: a.name, Kind: api.AppRemoved}}
	if a.config != nil {
		c.File = a.config.File
	}
	for _, p := range a.processes {
		for _, s := range p.slots {
			if !s.idle() {
				c.add(s.name(), api.FateStop, nil, "")
			}
		}
	}
	return c.AppChange
}

// holdups are why an app, or a part of it, could not be prepared.
func (one *App) holdups() string {
	if one.Trouble != nil {
		return sentence(one.Trouble)
	}
	return joined(slices.Concat(slices.Collect(maps.Values(one.Faults)), slices.Collect(maps.Values(one.Closed))))
}

// joined tells of several errors, in an order of their own.
func joined(all []error) string {
	texts := make([]string, len(all))
	for i, err := range all {
		texts[i] = sentence(err)
	}
	slices.Sort(texts)
	return strings.Join(texts, "; ")
}

// changesOf is of an app that is there.
func (o *Owner) changesOf(a *app, one *App) *change {
	c := &change{api.AppChange{Name: a.name, File: one.Config.File, Kind: api.AppChanged}}
	if a.config != nil && !a.invalid {
		c.Keys = configs.CompareApp(a.config, one.Config)
		for _, s := range one.Config.Sockets {
			c.Keys = append(c.Keys, configs.CompareSocket(a.config, one.Config, s.Name)...)
		}
	}
	switch {
	case a.rollout != nil:
		c.Deferred = len(c.Keys) > 0 || isOtherwise(a.config, one.Config)
		return c
	case one.Trouble != nil:
		c.Note = one.holdups()
		return c
	}
	if why := one.holdups(); why != a.reasons() {
		c.Note = why
	}
	for i := range one.Config.Processes {
		pc := &one.Config.Processes[i]
		if p := a.named[pc.Name]; p == nil || p.removed || p.config == nil {
			o.addProcess(c, one, pc)
		} else {
			o.addChanges(c, p, one, pc)
		}
	}
	for _, p := range a.processes {
		if !p.removed && one.Config.Process(p.name) == nil {
			for _, s := range p.slots {
				if !s.idle() {
					c.add(s.name(), api.FateStop, nil, fmt.Sprintf("[process.%s] is gone", p.name))
				}
			}
		}
	}
	return c
}

// isOtherwise reports whether the processes of an app are not what they were.
func isOtherwise(old, now *configs.App) bool {
	return len(old.Processes) != len(now.Processes) || slices.ContainsFunc(now.Processes, func(p configs.Process) bool {
		return old.Process(p.Name) == nil || len(configs.CompareProcess(old, now, p.Name)) > 0
	})
}

// addProcess is of a process that is not there.
func (o *Owner) addProcess(c *change, one *App, p *configs.Process) {
	if _, known := one.Revisions[p.Name]; !known || !autostarts(o.lasting, c.Name, p) {
		return
	}
	for n := range p.Count {
		c.add(api.WorkerName(c.Name, p.Name, n+1), api.FateStart, nil, fmt.Sprintf("[process.%s] is new", p.Name))
	}
}

// addChanges is of a process that is there.
func (o *Owner) addChanges(c *change, p *process, one *App, pc *configs.Process) {
	r, known := one.Revisions[pc.Name]
	if !known {
		return
	}
	next := &revision{Revision: r, addresses: addressesIn(one.Sockets, c.Name, pc.Sockets)}
	for _, s := range p.slots {
		switch {
		case s.removed:
		case s.number > pc.Count:
			if !s.idle() {
				c.addCount(s.name(), api.FateStop, p, pc)
			}
		default:
			o.addChange(c, s, next)
		}
	}
	up := p.isDesired() || len(p.slots) == 0 && p.autostarts(pc)
	for n := len(p.slots) + 1; up && n <= pc.Count; n++ {
		c.addCount(api.WorkerName(c.Name, p.name, n), api.FateStart, p, pc)
	}
}

// addCount is of a slot that comes or goes with the number of them.
func (c *change) addCount(name string, what api.WorkerFate, p *process, now *configs.Process) {
	var keys []configs.KeyChange
	why := ""
	if p.config.Count != now.Count {
		keys = []configs.KeyChange{{Key: "count", Old: fmt.Sprint(p.config.Count), New: fmt.Sprint(now.Count)}}
	}
	if p.scaled > 0 {
		why = fmt.Sprintf("it was scaled to %d until now", p.scaled)
	}
	c.add(name, what, keys, why)
}

// addChange is of a slot that stays.
func (o *Owner) addChange(c *change, s *slot, next *revision) {
	was := s.revision
	if was == nil {
		if s.Up && !s.Done {
			c.add(s.name(), api.FateStart, nil, "")
		}
		return
	}
	if was.Recorded {
		o.addRecorded(c, s, next)
		return
	}
	like := next.isLike(was)
	treated := !reflect.DeepEqual(treatment(was.Config), treatment(next.Config))
	if like && !treated {
		return
	}
	keys := slices.DeleteFunc(configs.CompareProcess(was.App, next.App, next.Config.Name), func(k configs.KeyChange) bool { return k.Key == "count" })
	why := ""
	if was.addresses != next.addresses {
		why = "a socket of it moves"
	}
	if len(keys) == 0 && why == "" {
		why = s.unwritten(next)
	}
	switch {
	case !s.Up || s.Done && len(s.workers) == 0:
		c.Workers = append(c.Workers, api.WorkerChange{Name: s.name(), What: api.FateStay, State: s.restsAs(), Keys: keys, Why: why})
	case len(s.workers) == 0:
		c.add(s.name(), api.FateStart, keys, why)
	case like:
		c.add(s.name(), api.FateKeep, keys, cmp.Or(why, "without a restart"))
	default:
		c.add(s.name(), api.FateReplace, keys, why)
	}
}

// restsAs is the state that a slot stays in which is not to be started.
func (s *slot) restsAs() api.State {
	if !s.Up {
		return api.Stopped // also while it still stops
	}
	return api.Exited
}

// unwritten says why a slot is to run something else although the file says the same.
func (s *slot) unwritten(next *revision) string {
	was := s.revision
	switch {
	case was.App == nil:
		return "it was launched by an earlier supd from other settings"
	case was.version() != next.version():
		return cmp.Or(was.version(), "no release") + " → " + cmp.Or(next.version(), "no release")
	}
	return "its user or groups have changed"
}

// addRecorded is of a slot whose worker an earlier supd has launched, and this one could
// not prepare so far.
func (o *Owner) addRecorded(c *change, s *slot, next *revision) {
	for _, w := range s.workers {
		if !w.live() {
			continue
		}
		if cmp.Or(w.key, w.revision.Key) == next.Key {
			c.add(s.name(), api.FateKeep, nil, "it is supervised again")
		} else {
			c.add(s.name(), api.FateReplace, nil, "it was launched by an earlier supd from other settings")
		}
		return
	}
	if s.Up && !s.Done {
		c.add(s.name(), api.FateStart, nil, "")
	}
}

// treatment is a process without what is no matter for a worker that is there.
func treatment(p *configs.Process) configs.Process {
	c := withoutLine(p)
	c.Count, c.Autostart = 0, false
	return c
}
