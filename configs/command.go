package configs

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

// Bare gives what a command of an app has that belongs to none of its processes: what
// [defaults.process] and the app's file say for all of them. v is the release that it runs
// with, nil where the app has none. Load has checked the rest already; the error is a
// *Errors.
func (c *Config) Bare(app string, v *Version) (*Process, error) {
	from := c.sources[app]
	l := &loader{
		scope:   scope{report: &report{home: c.home}, root: c.root, home: c.home},
		builtIn: c.builtIn, stated: from.stated, config: c,
	}
	scope := l.scope
	scope.app, scope.version = from.top.Place.File, v
	scope.vars = map[string]string{"app": app, "process": ""}
	shared := &value{Kind: aTable, Table: maps.Clone(from.top.Table), Place: from.top.Place}
	maps.DeleteFunc(shared.Table, func(key string, _ *value) bool { return !slices.Contains(ofProcesses, key) })
	merged := input{overlay(l.processDefaults(), shared), &scope}
	merged.Place = from.top.Place
	p := Process{Env: map[string]string{}}
	if a := c.App(app); a != nil {
		p.AllowRoot = a.AllowRoot
	}
	readTable(merged, processKeys, &p)
	merged.locate(&p)
	checkIdentity(merged, &p)
	if errs := l.scope.report.sorted(); len(errs) > 0 {
		return nil, &errs
	}
	return &p, nil
}

// OfWorkers are the variables of Expand that only a worker has: of its slot, and of what
// is made for its launch.
func OfWorkers(name string) bool {
	name, _, _ = strings.Cut(name, ":")
	return slices.Contains([]string{"slot", "slot0", "generation", "statsd", "env.STATSD_HOST", "env.STATSD_PORT"}, name) || strings.HasPrefix(name, "socket.")
}

var errUsed = errors.New("used")

// Uses reports whether a text for Expand has a variable that is.
func Uses(s string, is func(name string) bool) bool {
	_, err := expand(s, func(name string) (string, error) {
		if is(name) {
			return "", errUsed
		}
		return "", nil
	})
	return errors.Is(err, errUsed)
}
