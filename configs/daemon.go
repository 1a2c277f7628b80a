package configs

import (
	"io/fs"
	"strings"

	"supd/socket"
)

// settings is what supd.toml says for supd itself.
type settings struct {
	Daemon  Daemon
	Control Control
	Metrics Metrics
}

// control has the socket's path, which depends on the runtime directory.
func (s settings) control() Control {
	if s.Control.Socket == "" {
		s.Control.Socket = s.Daemon.Runtime.Control()
	}
	return s.Control
}

var settingsKeys = []key[settings]{
	part("daemon", func(s *settings) *Daemon { return &s.Daemon }, daemonKeys),
	part("control", func(s *settings) *Control { return &s.Control }, controlKeys),
	part("metrics", func(s *settings) *Metrics { return &s.Metrics }, metricsKeys),
	{name: "defaults", read: readDefaults, sub: names(defaultsKeys)},
}

var daemonKeys = []key[Daemon]{
	field("apps", func(d *Daemon) *string { return &d.Apps }, absolute),
	field("state", func(d *Daemon) *string { return &d.State }, absolute),
	field("runtime", func(d *Daemon) *string { return (*string)(&d.Runtime) }, absolute),
	field("logs", func(d *Daemon) *string { return &d.Logs }, absolute),
	field("drop_ins", func(d *Daemon) *string { return &d.DropIns }, absolute),
	field("watch", func(d *Daemon) *bool { return &d.Watch }, boolean),
	field("strict", func(d *Daemon) *bool { return &d.Strict }, boolean),
	field("exit_on", func(d *Daemon) *ExitOn { return &d.ExitOn }, one(ExitNever, ExitAnyFailed, ExitAllFailed, ExitAllExited)),
}

var controlKeys = []key[Control]{
	field("socket", func(c *Control) *string { return &c.Socket }, absolute),
	field("mode", func(c *Control) *Mode { return &c.Mode }, mode),
	field("group", func(c *Control) *string { return &c.Group }, text),
	field("operators", func(c *Control) *People { return &c.Operators }, people),
	field("readers", func(c *Control) *People { return &c.Readers }, people),
}

// sample is what [defaults] would give an app that says nothing itself.
type sample struct {
	Process Process
	Rollout Rollout
}

var defaultsKeys = []key[sample]{
	part("process", func(s *sample) *Process { return &s.Process }, processKeys),
	part("rollout", func(s *sample) *Rollout { return &s.Rollout }, rolloutKeys),
}

// readDefaults finds what is wrong with [defaults] even where no app uses it.
func readDefaults(in input, _ *settings) {
	scope := *in.scope
	scope.vars = map[string]string{"app": "app", "process": "process"}
	scope.version = &Version{} // an app may have releases
	readTable(input{in.value, &scope}, defaultsKeys, &sample{})
}

// sections are those of supd.toml that SUPD_SECTION_KEY sets. All other SUPD_
// variables have other uses.
var sections = []string{"daemon", "control", "metrics"}

// environment makes a layer of the SUPD_SECTION_KEY variables.
func environment(environ []string) *value {
	top := &value{Kind: aTable, Table: map[string]*value{}}
	for _, assignment := range environ {
		name, text, _ := strings.Cut(assignment, "=")
		for _, section := range sections {
			key, ok := strings.CutPrefix(name, "SUPD_"+strings.ToUpper(section)+"_")
			if !ok {
				continue
			}
			at := Place{File: "environment", Key: name}
			if top.Table[section] == nil {
				top.Table[section] = &value{Kind: aTable, Table: map[string]*value{}, Place: at}
			}
			top.Table[section].Table[strings.ToLower(key)] = &value{Kind: anyText, Text: text, Place: at}
		}
	}
	return top
}

// Resolve gives the control socket as it is to be opened. It asks the user database,
// and may wait for a directory service.
func (c Control) Resolve() (socket.Spec, error) {
	return Socket{Spec: socket.Spec{Name: "control", Listen: "unix:" + c.Socket, Mode: fs.FileMode(c.Mode)}, Group: c.Group}.Resolve()
}
