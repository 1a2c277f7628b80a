package configs

import (
	"fmt"
	"slices"
	"strings"
)

var appKeys = []key[App]{
	field("user", func(a *App) *string { return &a.User }, filled),
	field("group", func(a *App) *string { return &a.Group }, filled),
	field("allow_root", func(a *App) *bool { return &a.AllowRoot }, boolean),
	field("operators", func(a *App) *People { return &a.Operators }, people),
	field("readers", func(a *App) *People { return &a.Readers }, people),
	field("allow_run", func(a *App) *bool { return &a.AllowRun }, boolean),
	field("env", func(a *App) *map[string]string { return &a.Env }, variables),
	{name: "socket", sub: named(names(socketKeys)), read: readSockets},
	{name: "process", sub: named(names(processKeys)), read: expectTables},
	{name: "release", sub: names(releaseKeys), read: readReleases},
	{name: "rollout", sub: names(rolloutKeys), read: expectTable},
}

// App finds an app, or gives nil.
func (c *Config) App(name string) *App {
	for i := range c.Apps {
		if c.Apps[i].Name == name {
			return &c.Apps[i]
		}
	}
	return nil
}

// Process finds a process of the app, or gives nil.
func (a *App) Process(name string) *Process {
	for i := range a.Processes {
		if a.Processes[i].Name == name {
			return &a.Processes[i]
		}
	}
	return nil
}

// checkRun keeps operators from being root.
func (in input) checkRun(a *App) {
	if a.AllowRun && a.AllowRoot {
		in.at("allow_run").fail("with allow_root as well, operators could run any program as root; remove one of the two")
	}
}

func named(keys []string) []string {
	all := make([]string, len(keys))
	for i, k := range keys {
		all[i] = "NAME." + k
	}
	return all
}

// expectTable leaves a table to the one who merges it with its defaults.
func expectTable(in input, _ *App) { in.is(aTable) }

// expectTables does the same for tables of tables.
func expectTables(in input, _ *App) {
	if !in.is(aTable) {
		return
	}
	for _, child := range in.Table {
		input{child, in.scope}.is(aTable)
	}
}

// checkName wants what fits into targets, file names and LISTEN_FDNAMES.
func (in input) checkName(name string) {
	if problem := nameProblem(name); problem != "" {
		in.fail("%s", problem)
	}
}

// AppNameProblem says why an app cannot have this name, or "".
func AppNameProblem(name string) string { return nameProblem(name) }

func nameProblem(name string) string {
	const low = "abcdefghijklmnopqrstuvwxyz0123456789"
	switch {
	case name == "" || strings.Trim(name, low+"_-") != "" || strings.IndexByte("_-", name[0]) >= 0:
		return fmt.Sprintf("%q is no name: want a-z, 0-9, _ and -, beginning with a letter or digit", name)
	case len(name) > 64:
		return "the name is longer than 64 bytes"
	}
	return ""
}

// checkAfter wants the processes of after to exist, and none to wait for itself.
func checkAfter(processes map[string]input, after map[string][]string) {
	known := sortedKeys(processes)
	for _, name := range known {
		for _, other := range after[name] {
			in := processes[name]
			switch {
			case processes[other].value != nil || in.open():
			case in.version == nil:
				in.at("after").fail("%q: no [process.%s] in this file%s", other, other, suggest(other, known))
			default:
				in.at("after").fail("%q: no [process.%s] in the app's file or the release's%s", other, other, suggest(other, known))
			}
		}
	}
	for _, cycle := range cycles(known, after) {
		processes[cycle[0]].at("after").fail("waits for itself: %s", strings.Join(append(cycle, cycle[0]), " → "))
	}
}

// cycles finds a cycle through each set of names that wait for each other.
func cycles(known []string, after map[string][]string) [][]string {
	var found [][]string
	done := map[string]bool{}
	var path []string
	var visit func(name string)
	visit = func(name string) {
		if i := slices.Index(path, name); i >= 0 {
			found = append(found, slices.Clone(path[i:]))
			return
		}
		if done[name] {
			return
		}
		path = append(path, name)
		for _, other := range after[name] {
			visit(other)
		}
		path = path[:len(path)-1]
		done[name] = true
	}
	for _, name := range known {
		visit(name)
	}
	return found
}
