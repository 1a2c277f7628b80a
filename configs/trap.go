package configs

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"supd/privdrop"
	"supd/privdrop/files"
)

// Traps finds settings that are valid and yet known to lose requests, tasks or
// signals with the program that the command starts. Each warning says what
// happens and what to write instead. Beside the configuration it reads the modes
// of files with secrets in them, the servers' own files, which versions of them are
// installed, and whose the directories are.
//
// Of an app with releases it finds what no release can change; TrapsOf does the
// rest.
func (c *Config) Traps() []Warning {
	all := c.metricsTrap()
	paths, patience := newForeign(), &files.Patience{}
	for i := range c.Apps {
		of, ok := soonTraps(c, &c.Apps[i], paths, patience)
		if !ok {
			paths = newForeign() // who is late has the other one
		}
		all = append(all, of...)
	}
	all = append(all, c.sharedLogs()...)
	return warnings(all)
}

// TrapsOf does the same for one app, as With gave it.
func (c *Config) TrapsOf(a *App) []Warning {
	all, _ := soonTraps(c, a, newForeign(), &files.Patience{})
	return warnings(all)
}

// soonTraps are those of an app, unless its files keep waiting who looks at them: then
// that is what is told, and ok is false.
func soonTraps(c *Config, a *App, paths *foreign, patience *files.Patience) (all []Error, ok bool) {
	var found []Error
	if patience.Answers(func() { found = appTraps(c, a, paths) }) {
		return found, true
	}
	r := report{home: c.home}
	r.add(Place{File: a.File}, "not looked at for known traps: a disk or directory service does not answer")
	return r.sorted(), false
}

// warnings gives each once, by file and line.
func warnings(all []Error) []Warning {
	slices.SortFunc(all, compare)
	warnings := make([]Warning, 0, len(all))
	for _, e := range slices.Compact(all) {
		warnings = append(warnings, Warning(e))
	}
	return warnings
}

// trap looks at one process.
type trap struct {
	app     *App
	process *Process
	program string            // "gunicorn", whatever it was started through
	args    []string          // behind it
	server  *server           // that it is, nil for any other
	levels  []level           // of the command
	env     map[string]string // of the process, and of the command over it
	way     files.Way         // to what the app's user may lead elsewhere
	report  report
}

func newTrap(c *Config, a *App, p *Process, paths *foreign) *trap {
	t := &trap{app: a, process: p, report: report{home: c.home}}
	if c.root {
		t.way.As = paths.account(whoOf(p))
	}
	if len(p.Command) > 0 { // else the release is to bring it
		var env map[string]string
		t.levels, env = levels(p.Command)
		last := t.levels[len(t.levels)-1]
		t.program, t.args = last.name(), last.argv[1:]
		t.server = recognise(t.program, t.args)
		t.env = withEnv(p, env)
	}
	return t
}

// warn places a warning at a key of the process. What the release that is to come
// may set otherwise is not blamed yet.
func (t *trap) warn(key, format string, args ...any) {
	if !t.app.open() || t.settled(key) {
		t.report.add(t.app.place(t.process.Name, key), format, args...)
	}
}

// settled reports whether no release can change a key: it must not, or the app's file
// sets the key, or a kind of it where there are kinds.
func (t *trap) settled(key string) bool {
	top, _, _ := strings.Cut(key, ".")
	kinds := kindsOf[key]
	return !slices.Contains(releaseProcessKeys, top) || kinds == nil && t.app.states(t.process.Name, key) ||
		slices.ContainsFunc(kinds, func(kind string) bool { return t.app.states(t.process.Name, key+"."+kind) })
}

func (t *trap) check() {
	t.secrets()
	t.rootInAllBut()
	t.descriptors()
	if len(t.process.Command) == 0 {
		return
	}
	t.shell()
	t.deathSignal()
	t.vouches()
	t.background()
	t.known()
	switch {
	case t.server.is("gunicorn"):
		t.gunicornDirty()
	case t.server.is("celery"):
		t.celeryReady()
	}
}

// values gives what an option was given, each time it is there: "--name value",
// "--name=value", "-n value" or "-nvalue"; "" where it ends the command.
func values(args []string, names ...string) []string {
	var found []string
	for i, arg := range args {
		for _, name := range names {
			rest, ok := strings.CutPrefix(arg, name)
			switch {
			case !ok:
			case rest == "" && i+1 < len(args):
				found = append(found, args[i+1])
			case rest == "":
				found = append(found, "")
			case rest[0] == '=':
				found = append(found, rest[1:])
			case !strings.HasPrefix(name, "--") && len(name) == 2:
				found = append(found, rest)
			}
		}
	}
	return found
}

func has(args []string, names ...string) bool { return len(values(args, names...)) > 0 }

// envKey is the key that sets a variable: the command does where env does not.
func (t *trap) envKey(name string) string {
	if _, set := t.process.Env[name]; set {
		return dotted("env", name)
	}
	return "command"
}

// rootInAllBut says what capabilities mean with which a program is root in all but name.
func (t *trap) rootInAllBut() {
	all := privdrop.ExpandCapabilities(t.process.Capabilities)
	if slices.Contains(all, "setuid") && slices.Contains(all, "dac_override") {
		t.warn("capabilities", `with setuid and dac_override (both are in "@container") a fault in the program is root's: it may become any user, and read and write every file; and sudo, passwd and sendmail give nobody any right below it, for no_new_privs is set. Give it a user of its own if it can do with one`)
	}
}

// stopsGroup reports whether a signal of stop goes to all that the worker has started.
func (t *trap) stopsGroup() bool {
	return slices.ContainsFunc(t.process.Stop, func(s StopStep) bool { return s.Group })
}

// firstWait is how long the first signal of stop has.
func (t *trap) firstWait() time.Duration {
	if len(t.process.Stop) == 0 {
		return 0
	}
	return t.process.Stop[0].Wait
}

// secrets are to be read by supd alone, which is root, or by the app's group.
func (t *trap) secrets() {
	if t.process.EnvFile != "" && readableByAll(t.process.EnvFile) {
		t.warn("env_file", "%s is readable by every user of this machine; chmod 0600 it, supd reads it before it drops root", t.process.EnvFile)
	}
	for _, name := range sortedKeys(t.process.Env) {
		key := dotted("env", name)
		if isSecret(name) && readableByAll(t.app.place(t.process.Name, key).File) {
			t.warn(key, "seems to be a secret, in a file that every user of this machine can read; move it to an env_file of mode 0600")
		}
	}
}

func readableByAll(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode()&0o004 != 0
}

func isSecret(name string) bool {
	name = strings.ToUpper(name)
	for _, word := range []string{"PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "PRIVATE_KEY"} {
		if strings.HasSuffix(name, word) || strings.HasSuffix(name, word+"_KEY") {
			return true
		}
	}
	return false
}

// appTraps are those of an app and its processes.
func appTraps(c *Config, a *App, paths *foreign) []Error {
	var all []Error
	for i := range a.Processes {
		t := newTrap(c, a, &a.Processes[i], paths)
		t.check()
		t.endless(c.Daemon.ExitOn)
		all = append(all, t.report.sorted()...)
	}
	r := report{home: c.home}
	runTrap(c, a, &r)
	if c.root {
		paths.warn(a, &r)
	}
	for _, s := range a.Sockets {
		used := slices.ContainsFunc(a.Processes, func(p Process) bool { return slices.Contains(p.Sockets, s.Name) })
		if !used {
			r.add(a.place("", dotted("socket", s.Name)), "no process has it in its sockets: connections to it would wait for ever")
		}
	}
	return append(all, r.sorted()...)
}

// open reports whether a release is to come that may set what is not there.
func (a *App) open() bool { return a.Release != nil && a.version == nil }

func braced(name string) string { return fmt.Sprintf("{%s}", name) }
