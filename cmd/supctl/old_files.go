package main

import (
	"cmp"
	"context"
	"slices"

	"supd/supervisor/api"
)

// availLine is what avail says of one process.
type availLine struct {
	group, name, use string
	isAuto           bool
}

func (o *old) writeAvail(lines []availLine) {
	slices.SortStableFunc(lines, func(a, b availLine) int { return cmp.Compare(a.name, b.name) })
	for _, l := range lines {
		start := "manual"
		if l.isAuto {
			start = "auto"
		}
		// supd has no priorities: all have supervisord's own.
		o.say("%-32s %-9s %-9s 999:999", oldSpelling(l.group, l.name), l.use, start)
	}
}

// reread says which apps the files change.
func (o *old) reread(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return o.usage(oldFailed, "reread takes no argument")
	}
	changes, err := o.client().Diff(ctx)
	if err != nil {
		return o.unreadable(err)
	}
	words := map[api.ChangeKind]string{api.AppAdded: "available", api.AppChanged: "changed", api.AppRemoved: "disappeared"}
	for _, a := range changes.Apps {
		o.say("%s: %s", a.Name, words[a.Kind])
	}
	if changes.IsEmpty() {
		o.say("No config updates to processes")
	}
	o.ofDaemon(changes)
	return nil
}

// unreadable says that a file is invalid, and that nothing has changed, if that is what
// an error is.
func (o *old) unreadable(err error) error {
	if codeOfError(err) != api.CodeInvalid {
		return err
	}
	o.say("ERROR: CANT_REREAD: %s", err)
	o.code = oldFailed
	return nil
}

// update applies the files of the apps that are named, or all.
func (o *old) update(ctx context.Context, names []string) error {
	if slices.Contains(names, "all") {
		names = nil
	}
	named := names
	if len(names) > 0 {
		all, kinds, err := o.groups(ctx)
		if err != nil {
			return o.unreadable(err)
		}
		named = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return kinds[name] == "" && len(all.groupOf(name)) == 0 })
		for _, name := range names {
			if !slices.Contains(named, name) {
				o.say("ERROR: no such group: %s", name)
				o.code = oldFailed
			}
		}
		if len(named) == 0 {
			return nil
		}
	}
	return o.applyNow(ctx, named)
}

// groups are the apps that run, and what the files would change of which.
func (o *old) groups(ctx context.Context) (listing, map[string]api.ChangeKind, error) {
	changes, err := o.client().Diff(ctx)
	if err != nil {
		return nil, nil, err
	}
	kinds := map[string]api.ChangeKind{}
	for _, a := range changes.Apps {
		kinds[a.Name] = a.Kind
	}
	all, err := o.listing(ctx)
	return all, kinds, err
}

// applyNow applies files, and says what has become of the apps: first of those that are
// gone, last of those that are new.
func (o *old) applyNow(ctx context.Context, apps []string) error {
	result, err := o.client().Do(ctx, api.Request{Action: api.ActionApply, Targets: apps})
	if err != nil {
		return o.unreadable(err)
	}
	if result.Changes != nil {
		for _, kind := range []api.ChangeKind{api.AppRemoved, api.AppChanged, api.AppAdded} {
			for _, a := range result.Changes.Apps {
				if a.Kind == kind {
					o.applied(a)
				}
			}
		}
		o.ofDaemon(result.Changes)
	}
	o.failures(result)
	return nil
}

func (o *old) applied(a api.AppChange) {
	ends := func(w api.WorkerChange) bool { return w.What == api.FateStop || w.What == api.FateReplace }
	if slices.ContainsFunc(a.Workers, ends) {
		o.say("%s: stopped", a.Name)
	}
	did := map[api.ChangeKind]string{api.AppRemoved: "removed", api.AppChanged: "updated", api.AppAdded: "added"}
	o.say("%s: %s process group", a.Name, did[a.Kind])
}

// failures says what has not become as it was asked for.
func (o *old) failures(r *api.Result) {
	for _, outcome := range r.Outcomes {
		if outcome.Code != api.CodeDone {
			o.because(outcome.Name, outcome.Message)
			o.code = oldFailed
		}
	}
}

func (o *old) add(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	all, kinds, err := o.groups(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		switch {
		case kinds[name] == api.AppAdded:
			if err := o.applyNow(ctx, []string{name}); err != nil {
				return err
			}
		case len(all.groupOf(name)) > 0:
			o.say("ERROR: process group already active")
		default:
			o.noGroup(name)
		}
	}
	return nil
}

// remove forgets apps whose files are gone. One whose file is there would come back.
func (o *old) remove(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	all, kinds, err := o.groups(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		group := all.groupOf(name)
		switch {
		case len(group) == 0 && kinds[name] != api.AppRemoved:
			o.noGroup(name)
		case slices.ContainsFunc(group, func(l *listed) bool { return l.isUp() }):
			o.say("ERROR: process/group still running: %s", name)
			o.code = oldFailed
		case kinds[name] != api.AppRemoved:
			o.say("ERROR: %s: its file is still there, and would bring it back; remove the file first", name)
			o.code = oldFailed
		default:
			if err := o.applyNow(ctx, []string{name}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *old) noGroup(name string) {
	o.say("ERROR: no such process/group: %s", name)
	o.code = oldFailed
}

// reload does what a restart of supervisord comes to: all changes are applied, and all is
// started anew. supd itself stays.
func (o *old) reload(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return o.usage(oldFailed, "reload takes no argument; supctl reload has workers read their own configuration anew")
	}
	result, err := o.client().Do(ctx, api.Request{Action: api.ActionApply})
	if err != nil {
		return o.unreadable(err)
	}
	o.failures(result)
	result, err = o.client().Do(ctx, api.Request{Action: api.ActionRestart, Targets: []string{"all"}})
	if err != nil {
		return err
	}
	o.failures(result)
	o.say("Restarted supervisord")
	return nil
}

func (o *old) shutdown(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return o.usage(oldFailed, "shutdown takes no argument")
	}
	_, err := o.client().Do(ctx, api.Request{Action: api.ActionShutdown})
	if err == nil {
		o.say("Shut down")
	}
	return err
}

func (o *old) version(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return o.usage(oldFailed, "version takes no argument")
	}
	v, err := o.client().Version(ctx)
	if err == nil {
		o.say("%s", v.Version)
	}
	return err
}
