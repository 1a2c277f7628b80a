package configs

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"supd/privdrop"
)

var processKeys = append([]key[Process]{
	field("command", func(p *Process) *[]string { return &p.Command }, command),
	field("count", func(p *Process) *int { return &p.Count }, integer(0, MostWorkers)),
	field("server", func(p *Process) *string { return &p.Server }, serverNamed),
	{name: "venv", read: readVenv},
	field("directory", func(p *Process) *string { return &p.Directory }, ofRelease(absolute)),
	field("user", func(p *Process) *string { return &p.User }, filled),
	field("group", func(p *Process) *string { return &p.Group }, filled),
	field("groups", func(p *Process) *[]string { return &p.Groups }, distinct(filled)),
	field("umask", func(p *Process) **privdrop.Umask { return &p.Umask }, pointer(umask)),
	field("env", func(p *Process) *map[string]string { return &p.Env }, variables),
	field("env_file", func(p *Process) *string { return &p.EnvFile }, absolute),
	field("env_inherit", func(p *Process) *[]string { return &p.EnvInherit }, distinct(inherited)),
	field("scratch", func(p *Process) *[]string { return &p.Scratch }, distinct(scratchName)),
	field("sockets", func(p *Process) *[]string { return &p.Sockets }, distinct(filled)),
	field("after", func(p *Process) *[]string { return &p.After }, distinct(filled)),
	field("autostart", func(p *Process) *bool { return &p.Autostart }, boolean),
	field("strategy", func(p *Process) *Strategy { return &p.Strategy }, strategy),
	field("restart", func(p *Process) *Restart { return &p.Restart }, one(RestartAlways, RestartOnFailure, RestartNever)),
	field("success_exit", func(p *Process) *[]int { return &p.SuccessExit }, distinct(integer(0, 255))),
	part("backoff", func(p *Process) *Backoff { return &p.Backoff }, backoffKeys),
	field("give_up_after", func(p *Process) *int { return &p.GiveUpAfter }, count(0)),
	part("ready", func(p *Process) *Ready { return &p.Ready }, readyKeys),
	{name: "health", sub: names(healthKeys), read: readHealth},
	field("watchdog", func(p *Process) *time.Duration { return &p.Watchdog }, duration(0)),
	field("stop", func(p *Process) *[]StopStep { return &p.Stop }, steps),
	field("reload_signal", func(p *Process) *Signal { return &p.ReloadSignal }, reloadSignal),
	{name: "limits", sub: limitNames, read: readLimits},
	field("nice", func(p *Process) **int { return &p.Nice }, pointer(within(privdrop.NiceRange))),
	field("oom_score_adjust", func(p *Process) **int { return &p.OOMScoreAdjust }, pointer(within(privdrop.OOMScoreAdjustRange))),
	field("cpu_affinity", func(p *Process) *[]int { return &p.CPUAffinity }, cpus),
	field("capabilities", func(p *Process) *[]string { return &p.Capabilities }, distinct(capability)),
	field("statsd", func(p *Process) *bool { return &p.Statsd }, boolean),
	part("hooks", func(p *Process) *Hooks { return &p.Hooks }, hooksKeys),
	part("log", func(p *Process) *Log { return &p.Log }, logKeys),
}, later[Process]("max_memory", "max_age", "sandbox", "switch")...)

var backoffKeys = []key[Backoff]{
	field("initial", func(b *Backoff) *time.Duration { return &b.Initial }, duration(positive)),
	field("max", func(b *Backoff) *time.Duration { return &b.Max }, duration(positive)),
	field("factor", func(b *Backoff) *float64 { return &b.Factor }, number(1, 1000)),
	field("jitter", func(b *Backoff) *float64 { return &b.Jitter }, number(0, 0.99)),
	field("reset", func(b *Backoff) *time.Duration { return &b.Reset }, duration(0)),
}

func cpus(in input) ([]int, bool) {
	all, ok := distinct(within(privdrop.CPURange))(in)
	if ok && len(all) == 0 {
		in.fail("names no CPU; remove it to use all")
		return nil, false
	}
	return all, ok
}

func readVenv(in input, p *Process) {
	s, ok := ofRelease(stated)(in)
	switch {
	case !ok:
	case in.fromRelease(in.value) && !filepath.IsLocal(s):
		in.fail("%q: want a path inside of the release", s)
	default:
		p.Venv = s // locate makes it absolute, for it is relative to the directory
	}
}

// stated reads a text that is not empty.
func stated(in input) (string, bool) {
	s, ok := filled(in)
	if !ok {
		return "", false
	}
	return in.static(s)
}

// ofRelease is for a value that is the same for all workers of a release.
func ofRelease(read func(input) (string, bool)) func(input) (string, bool) {
	return func(in input) (string, bool) {
		scope := *in.scope
		if in.version != nil {
			scope.vars = maps.Clone(scope.vars)
			scope.vars["version"], scope.vars["release"] = in.version.Name, in.version.Path
		}
		return read(input{in.value, &scope})
	}
}

func readLimits(in input, p *Process) {
	if l, ok := limits(in); ok {
		p.Limits = l
	}
}

func pointer[V any](read func(input) (V, bool)) func(input) (*V, bool) {
	return func(in input) (*V, bool) {
		v, ok := read(in)
		return &v, ok
	}
}

// checkProcess is for what concerns more than one key of a process.
func checkProcess(in input, app *App, p *Process) {
	switch {
	case in.Table["command"] != nil || in.open():
	case in.version != nil:
		in.fail("has no command, and the release brings none")
	default:
		in.fail("has no command")
	}
	checkBackoff(in.at("backoff"), p.Backoff)
	checkIdentity(in, p)
	checkScratch(in, p)
	checkSockets(in, app, p)
	checkReady(in.at("ready"), app, p)
	checkHealth(in.at("health"), app, p)
	checkHooks(in, p)
	if p.Ready.Exit && p.Watchdog > 0 && in.statesHere("watchdog") {
		in.at("watchdog").fail("is for workers that are ready, and one with ready = { exit = true } has ended then; remove it")
	}
	checkVariables(in, app, p)
}

func checkBackoff(in input, b Backoff) {
	if b.Initial > b.Max && b.Max > 0 && in.settled("initial", "max") {
		in.written("initial", "max").fail("initial %s is longer than max %s", b.Initial, b.Max)
	}
}

// checkIdentity says no to root, by all its names, unless the app allows it.
func checkIdentity(in input, p *Process) {
	if in.Table["user"] == nil && in.root {
		in.fail(`has no user, which supd wants when it is root: set user = "…" for the app or the process`)
	}
	in.at("capabilities").checkContainer(p)
	if len(p.Groups) > privdrop.MostGroups {
		in.at("groups").fail("has %d groups, and a process has at most %d (setgroups(2)); name fewer", len(p.Groups), privdrop.MostGroups)
	}
	if p.AllowRoot {
		return
	}
	if isRoot(p.User) {
		in.at("user").fail("is root; use a user of its own, or say allow_root = true in the app file")
	}
	if isRoot(p.Group) {
		in.at("group").fail("is root's group; use another one, or say allow_root = true in the app file")
	}
	if slices.ContainsFunc(p.Groups, isRoot) {
		in.at("groups").fail("root's group is among them; remove it, or say allow_root = true in the app file")
	}
}

// checkContainer wants the word for capabilities of root's to be given to root alone:
// they would make a root of any other user.
func (in input) checkContainer(p *Process) {
	if !slices.Contains(p.Capabilities, privdrop.Container) || isRoot(p.User) {
		return
	}
	const what = `"@container" is for a program that is started as root and changes to its users by itself`
	if p.User == "" {
		in.fail(what + `; supd is not root here, name the capabilities that the program needs`)
		return
	}
	in.fail(what+`, and this one has user %q; name the capabilities that it needs, or say user = "root", and allow_root = true in the app file`, p.User)
}

func isRoot(name string) bool {
	return name == "root" || name != "" && strings.Trim(name, "0") == ""
}

func checkSockets(in input, app *App, p *Process) {
	for _, name := range p.Sockets {
		if !slices.Contains(app.socketNames(), name) {
			in.at("sockets").fail("%q: no [socket.%s] in this file%s", name, name, suggest(name, app.socketNames()))
		}
	}
}

// accountVariables are in each worker's environment, before any other.
var accountVariables = []string{"HOME", "USER", "LOGNAME", "SHELL", "PATH"}

// checkVariables looks at the {variables} of everything that each launch
// expands. [env] sees the variables set before it, the command all.
func checkVariables(in input, app *App, p *Process) {
	known := append([]string{"app", "process"}, numbers...)
	for _, name := range p.Sockets {
		known = append(known, "socket."+name)
	}
	if p.Probe() || in.open() {
		known = append(known, "socket.probe")
	}
	if in.version != nil {
		known = append(known, "version", "release")
	}
	if p.Statsd { // which no release can set
		known = append(known, "statsd")
	}
	known = append(known, p.beforeEnv()...)
	open := p.EnvFile != "" || in.open() // read at each launch, or to come, and may set any
	names := sortedKeys(p.Env)
	for _, name := range names {
		if value := p.Env[name]; hasBraces(value) {
			in.at("env", name).dynamic(value, known, open, true)
		}
	}
	texts := p.texts()
	if len(texts) == 0 {
		return // there may be thousands of processes, each with thousands of names
	}
	known = append(known, p.withEnv()...)
	for _, one := range texts {
		for _, arg := range one.argv {
			in.at(strings.Split(one.key, ".")...).dynamic(arg, known, open, false)
		}
	}
}

// beforeEnv are the variables that [env] may use, as {env.NAME} has them, but for those of
// env_file.
func (p *Process) beforeEnv() (known []string) {
	for _, name := range slices.Concat(accountVariables, p.EnvInherit, p.Scratch) {
		known = append(known, "env."+name)
	}
	if p.Statsd {
		known = append(known, "env.STATSD_HOST", "env.STATSD_PORT")
	}
	return known
}

// withEnv are those that a command may use besides.
func (p *Process) withEnv() (known []string) {
	for _, name := range slices.Concat(sortedKeys(p.Env), sortedKeys(ownVariables), []string{"VIRTUAL_ENV"}) {
		known = append(known, "env."+name)
	}
	return known
}

// texts are those beside [env] that each launch expands.
func (p *Process) texts() []program {
	all := append(p.programs(), program{"ready.file", []string{p.Ready.File}}, program{"health.file", []string{p.Health.File}})
	return slices.DeleteFunc(all, func(one program) bool { return !slices.ContainsFunc(one.argv, hasBraces) })
}

func hasBraces(text string) bool { return strings.ContainsAny(text, "{}") }
