package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"supd/supervisor/api"
)

// listed is a worker as supervisord would list it: a process of a group. An app that is
// left out is listed as one that has no worker.
type listed struct {
	group, name string // "whois", "web_00"
	app         *api.AppStatus
	process     *api.ProcessStatus
	worker      *api.WorkerStatus
}

// String is the name as supervisorctl prints it.
func (l *listed) String() string { return oldSpelling(l.group, l.name) }

func oldSpelling(group, name string) string {
	if group == name {
		return name
	}
	return group + ":" + name
}

// oldProcess is the name of one of count workers. They are counted from 0; that of a
// single one has no number, and keeps its name when others are added to it.
func oldProcess(process string, slot, count int) string {
	if slot == 1 && count <= 1 {
		return process
	}
	return fmt.Sprintf("%s_%02d", process, slot-1)
}

// isUp reports whether supervisord would take it for one that runs.
func (l *listed) isUp() bool {
	return l.worker != nil && (l.worker.Pid != 0 || l.state() == oldStarting || l.state() == oldBackoff)
}

// listing is what runs, by group and name.
type listing []*listed

func (o *old) listing(ctx context.Context) (listing, error) {
	s, err := o.client().Status(ctx)
	if err != nil {
		return nil, err
	}
	return listingOf(s), nil
}

func listingOf(s *api.Status) (all listing) {
	for i := range s.Apps {
		a := &s.Apps[i]
		if a.State == api.Invalid {
			all = append(all, &listed{group: a.Name, name: a.Name, app: a})
		}
		for j := range a.Processes {
			p := &a.Processes[j]
			for k := range p.Workers {
				w := &p.Workers[k]
				all = append(all, &listed{group: a.Name, name: oldProcess(p.Name, w.Slot, p.Count), app: a, process: p, worker: w})
			}
		}
	}
	slices.SortFunc(all, func(a, b *listed) int { return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.name, b.name)) })
	return all
}

func (l listing) where(is func(*listed) bool) (some listing) {
	for _, one := range l {
		if is(one) {
			some = append(some, one)
		}
	}
	return some
}

// groupOf is all of an app.
func (l listing) groupOf(app string) listing {
	return l.where(func(one *listed) bool { return one.group == app })
}

// asked is a name of a command line, and what it names.
type asked struct {
	name    string
	isGroup bool // all of one, or of everything: only what an action is for is meant
	all     listing
}

// asked finds what names name; "all" stands for everything, whatever else is there.
func (l listing) asked(names []string) (found []asked) {
	if slices.Contains(names, "all") {
		return []asked{{"all", true, l}}
	}
	for _, name := range names {
		group, process, isPart := strings.Cut(name, ":")
		if isPart && (process == "" || process == "*") {
			found = append(found, asked{group, true, firstOf(l.groupOf(group), l.lone(group))})
			continue
		}
		found = append(found, asked{name, false, l.find(name)})
	}
	return found
}

// find finds what one name names, in supervisord's spelling or in ours. A process may be
// named alone where only one app has it: it was a group of its own with supervisord.
func (l listing) find(name string) listing {
	if group, process, isPart := strings.Cut(name, ":"); isPart {
		return firstOf(l.process(group, process), l.target(name), l.ofLone(group, process))
	}
	return firstOf(l.process(name, name), l.groupOf(name), l.lone(name), l.target(name))
}

// ofLone finds workers by the name that they had in the group of a program alone.
func (l listing) ofLone(program, name string) listing {
	all := l.lone(program)
	if len(all) == 0 {
		return nil
	}
	return all.process(all[0].group, name)
}

// firstOf is the first that is not empty.
func firstOf(all ...listing) listing {
	for _, one := range all {
		if len(one) > 0 {
			return one
		}
	}
	return nil
}

// process finds the workers of a process, or one of them by its number.
func (l listing) process(group, name string) listing {
	of := func(is func(*listed) bool) listing {
		return l.where(func(one *listed) bool { return one.group == group && is(one) })
	}
	whole := of(func(one *listed) bool { return one.process != nil && one.process.Name == name })
	itself := of(func(one *listed) bool { return one.name == name })
	process, number, _ := cutLast(name, "_")
	n, err := strconv.Atoi(number)
	if err != nil {
		return firstOf(whole, itself)
	}
	return firstOf(whole, itself, of(func(one *listed) bool {
		return one.process != nil && one.process.Name == process && one.worker.Slot == n+1
	}))
}

func cutLast(text, at string) (before, after string, found bool) {
	if i := strings.LastIndex(text, at); i >= 0 {
		return text[:i], text[i+len(at):], true
	}
	return text, "", false
}

// lone finds a process by its name alone.
func (l listing) lone(name string) (found listing) {
	for _, one := range l {
		if one.process == nil {
			continue
		}
		if some := l.process(one.group, name); len(some) > 0 {
			if len(found) > 0 && found[0].group != one.group {
				return nil // of several apps
			}
			found = some
		}
	}
	return found
}

// target finds what supctl takes the name for.
func (l listing) target(name string) listing {
	t, err := api.ParseTarget(name)
	if err != nil {
		return nil
	}
	return l.where(func(one *listed) bool {
		return one.worker != nil && t.Matches(one.group, one.process.Name, one.worker.Slot)
	})
}

// missing says that a name names nothing.
func (o *old) missing(w asked, code int) {
	what := "process"
	if w.isGroup {
		what = "group"
	}
	o.say("%s: ERROR (no such %s)", w.name, what)
	o.code = code
}
