package configs

import (
	"maps"
	"slices"
)

// Take gives c with the named apps as next has them, which is not at all where that has
// no such, and with all others as they are. The error is an *Errors: an address or a
// log may belong to one of the others.
func (c *Config) Take(next *Config, apps ...string) (*Config, error) {
	all, named := *c, func(name string) bool { return slices.Contains(apps, name) }
	all.Apps = slices.DeleteFunc(slices.Clone(c.Apps), func(a App) bool { return named(a.Name) })
	all.Invalid = slices.DeleteFunc(slices.Clone(c.Invalid), func(i Invalid) bool { return named(i.Name) })
	all.sources, all.files = maps.Clone(c.sources), maps.Clone(c.files)
	maps.DeleteFunc(all.sources, func(name string, _ appSource) bool { return named(name) })
	maps.DeleteFunc(all.files, func(path string, _ read) bool { return path != c.Path && named(appName(path)) })
	for _, a := range next.Apps {
		if named(a.Name) {
			all.Apps = append(all.Apps, a)
			all.sources[a.Name] = next.sources[a.Name]
			all.files[a.File] = next.files[a.File]
		}
	}
	all.sort()
	r := report{home: c.home}
	distinguish(all.listeners(), asWritten, false, func(Place) *report { return &r })
	all.keepApart(all.loggers(), asWritten, func(Place) *report { return &r })
	if errs := r.sorted(); len(errs) > 0 {
		return nil, &errs
	}
	return &all, nil
}

// Has reports whether there is such an app, be it one whose file is invalid.
func (c *Config) Has(name string) bool {
	return c.App(name) != nil ||
		slices.ContainsFunc(c.Invalid, func(i Invalid) bool { return i.Name == name })
}
