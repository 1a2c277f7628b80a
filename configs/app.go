package configs

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"supd/socket"
)

var appKeys = append([]key[App]{
	field("user", func(a *App) *string { return &a.User }, filled),
	field("group", func(a *App) *string { return &a.Group }, filled),
	field("allow_root", func(a *App) *bool { return &a.AllowRoot }, boolean),
	field("env", func(a *App) *map[string]string { return &a.Env }, variables),
	{name: "socket", sub: named(names(socketKeys)), read: readSockets},
	{name: "process", sub: named(names(processKeys)), read: expectTables},
	{name: "release", sub: names(releaseKeys), read: readReleases},
	{name: "rollout", sub: names(rolloutKeys), read: expectTable},
}, later[App]("operators")...)

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

var socketKeys = []key[socket.Spec]{
	field("listen", func(s *socket.Spec) *string { return &s.Listen }, listen),
	field("user", func(s *socket.Spec) *string { return &s.User }, filled),
	field("group", func(s *socket.Spec) *string { return &s.Group }, filled),
	field("mode", func(s *socket.Spec) *fs.FileMode { return &s.Mode }, fileMode),
	field("backlog", func(s *socket.Spec) *int { return &s.Backlog }, count(1)),
}

func fileMode(in input) (fs.FileMode, bool) {
	m, ok := mode(in)
	return fs.FileMode(m), ok
}

// listen reads an address; socket.Spec knows whether it is right.
func listen(in input) (string, bool) {
	s, ok := filled(in)
	if !ok {
		return "", false
	}
	if s, ok = in.static(s); !ok {
		return "", false
	}
	path, unix := strings.CutPrefix(s, "unix:")
	if unix && path != "" && path[0] != '/' && path[0] != '@' {
		s = "unix:" + filepath.Join(filepath.Dir(in.Place.File), path)
	}
	return s, true
}

func readSockets(in input, a *App) {
	if !in.is(aTable) {
		return
	}
	for _, name := range sortedKeys(in.Table) {
		child := input{in.Table[name], in.scope}
		spec := socket.Spec{Name: name}
		child.checkName(name)
		if name == "probe" {
			child.fail("the name belongs to the socket that each worker is probed on; choose another")
		}
		readTable(child, socketKeys, &spec)
		child.checkListen(spec)
		a.Sockets = append(a.Sockets, spec)
	}
}

func (in input) checkListen(spec socket.Spec) {
	if in.Kind == aTable && in.Table["listen"] == nil {
		in.fail("has no listen")
	}
	if spec.Listen == "" {
		return
	}
	err := spec.Validate()
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range several.Unwrap() {
			in.at("listen").fail("%s", err)
		}
	} else if err != nil {
		in.at("listen").fail("%s", strings.TrimPrefix(err.Error(), "listen "))
	}
}

// checkName wants what fits into targets, file names and LISTEN_FDNAMES.
func (in input) checkName(name string) {
	if problem := nameProblem(name); problem != "" {
		in.fail("%s", problem)
	}
}

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

func (a *App) socketNames() []string {
	all := make([]string, len(a.Sockets))
	for i, s := range a.Sockets {
		all[i] = s.Name
	}
	return all
}

func (a *App) isDatagram(name string) bool {
	return slices.ContainsFunc(a.Sockets, func(s socket.Spec) bool {
		return s.Name == name && strings.HasPrefix(s.Listen, "udp:")
	})
}

// streams are the sockets of a process that connections come in on.
func (a *App) streams(p *Process) []string {
	return slices.DeleteFunc(slices.Clone(p.Sockets), a.isDatagram)
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
