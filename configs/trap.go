package configs

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"supd/privdrop"
)

// Traps finds settings that are valid and yet known to lose requests, tasks or
// signals with the program that the command starts. Each warning says what
// happens and what to write instead. Beside the configuration it reads the modes
// of files with secrets in them, uWSGI's ini files, and whose the directories are.
//
// Of an app with releases it finds what no release can change; TrapsOf does the
// rest.
func (c *Config) Traps() []Warning {
	all := c.metricsTrap()
	paths := newForeign()
	for i := range c.Apps {
		all = append(all, appTraps(c, &c.Apps[i], paths)...)
	}
	return warnings(all)
}

// TrapsOf does the same for one app, as With gave it.
func (c *Config) TrapsOf(a *App) []Warning { return warnings(appTraps(c, a, newForeign())) }

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
	levels  []level           // of the command
	env     map[string]string // of the process, and of the command over it
	report  report
}

func newTrap(c *Config, a *App, p *Process) *trap {
	t := &trap{app: a, process: p, report: report{home: c.home}}
	if len(p.Command) > 0 { // else the release is to bring it
		var env map[string]string
		t.levels, env = levels(p.Command)
		t.program, t.args = t.levels[len(t.levels)-1].program()
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
	if len(t.process.Command) == 0 {
		return
	}
	t.shell()
	t.deathSignal()
	t.group()
	t.vouches()
	t.background()
	switch t.program {
	case "gunicorn":
		t.gunicorn()
	case "uwsgi":
		t.uwsgi()
	case "celery":
		t.celery()
	case "rq", "rqworker":
		t.rq()
	case "uvicorn":
		t.uvicorn()
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

// group warns of programs whose children take a signal for their own: those of celery
// (celery.concurrency.prefork, WORKER_SIGRESET) and of rq (rq.worker,
// setup_work_horse_signals) have TERM at its default.
func (t *trap) group() {
	if tasks := t.program == "celery" || t.program == "rq" || t.program == "rqworker"; tasks && t.stopsGroup() {
		t.warn("stop", `with "group" the processes that run the tasks get the signal as well, which ends them in the middle; remove the word: %s tells them itself`, t.program)
	}
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
		t := newTrap(c, a, &a.Processes[i])
		t.check()
		t.endless(c.Daemon.ExitOn)
		all = append(all, t.report.sorted()...)
	}
	r := report{home: c.home}
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

// rq takes a second TERM or INT, from a second on after the first, as the order
// to kill the job (rq.worker, request_force_stop).
func (t *trap) rq() {
	for _, name := range values(t.args, "--name", "-n") {
		if !strings.Contains(name, "{generation") || t.process.Count > 1 && !strings.Contains(name, "{slot") {
			t.warn("command", "rq refuses a name that another worker has, so that no new worker starts beside the old one, nor soon after one that was killed; write --name {process}-{slot}-{generation}, or leave it out")
		}
	}
	gentle := 0
	for _, step := range t.process.Stop {
		if step.Signal == unix.SIGTERM || step.Signal == unix.SIGINT {
			gentle++
		}
	}
	if gentle > 1 {
		t.warn("stop", "rq takes a second TERM or INT as the order to kill the running job; send one and wait as long as a job may take")
	}
}

func (t *trap) uvicorn() {
	if has(t.args, "--reload") {
		t.warn("command", "--reload is for development: it runs the server in a child that gets no signal; remove it")
	}
	if has(t.args, "--uds") {
		t.warn("command", `--uds binds and removes a socket of its own; write a [socket.NAME] and --fd {socket.NAME}`)
	}
	if !has(t.args, "--timeout-graceful-shutdown") {
		t.warn("command", "without --timeout-graceful-shutdown uvicorn waits for open connections until it is killed; set it to some seconds less than stop waits")
	}
	if len(t.process.Sockets) > 0 && !has(t.args, "--fd") {
		t.warn("command", "uvicorn does not know LISTEN_FDS, and binds an address of its own; write --fd %s", braced("socket."+t.process.Sockets[0]))
	}
	if len(t.process.Sockets) == 0 {
		return
	}
	for key, q := range map[string]Question{"ready": t.process.Ready.Question(), "health": t.process.Health.Question()} {
		if q.Probe() {
			t.warn(key, "uvicorn serves on one socket, never on the worker's own that the question comes in on; add socket = %q", t.process.Sockets[0])
		}
	}
}

func braced(name string) string { return fmt.Sprintf("{%s}", name) }
