package convert

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"supd/configs"
)

// circus converts a circus.ini with what it includes.
type circus struct {
	*conversion
	source string
	ini    *ini
}

var circusSection = regexp.MustCompile(`(?m)^\[(circus|watcher:[^]]*|socket:[^]]*|env:[^]]*)\]`)

func isCircus(text string) bool { return circusSection.MatchString(text) }

func (c *conversion) circus(file string) site {
	return &circus{conversion: c, source: file, ini: &ini{keepCase: true}}
}

func (r *circus) add(file, text string) { r.errors = append(r.errors, r.ini.readCircus(file, text)...) }

func (r *circus) convert() {
	for _, s := range r.ini.sections {
		if name, is := strings.CutPrefix(s.name, "watcher:"); is {
			w := &watcher{circus: r, section: s, name: name, env: r.environment(name), inherits: map[string]bool{}}
			w.convert()
		}
	}
	r.rest()
}

func (r *circus) include() {
	main := r.ini.section("circus")
	dir := filepath.Dir(absolute(r.source))
	for _, name := range []string{"include", "include_dir"} {
		o := main.option(name)
		if o == nil {
			continue
		}
		for _, pattern := range strings.Fields(o.value) {
			if name == "include_dir" {
				pattern = filepath.Join(pattern, "*.ini")
			}
			if !filepath.IsAbs(pattern) {
				pattern = filepath.Join(dir, pattern)
			}
			found, _ := filepath.Glob(pattern)
			if len(found) == 0 {
				r.report.add(Dropped, "", o.place, "include "+below(dir, pattern)+": no such file here; convert it where there is one")
			}
			for _, file := range found {
				if text, ok := r.text(file); ok {
					r.add(file, text)
				}
			}
		}
	}
}

// environment gives what [env] and each [env:PATTERN] set for a watcher.
func (r *circus) environment(name string) (env []variable) {
	for _, s := range r.ini.sections {
		patterns, is := strings.CutPrefix(s.name, "env:")
		switch {
		case s.name == "env":
			patterns = "*"
		case !is:
			continue
		}
		for pattern := range strings.SplitSeq(patterns, ",") {
			if matched, _ := path.Match(strings.TrimSpace(pattern), name); !matched {
				continue
			}
			for _, o := range s.options {
				env = setVariable(env, variable{o.name, o.value})
			}
		}
	}
	return env
}

// umask is circusd's: 022 where it says none.
func (w *watcher) umask() string {
	o := w.ini.section("circus").option("umask")
	if o == nil {
		return "0022"
	}
	return maskOf(&w.errors, o, o.value)
}

// circusOptions are those of [circus] that concern circusd alone.
var circusNotes = []struct {
	options []string
	text    string
}{
	{[]string{"statsd", "httpd", "httpd_host", "httpd_port", "stats_endpoint"}, "statsd and httpd of [circus]: metrics.listen of supd.toml is for Prometheus, and supctl top shows the same"},
	{[]string{"endpoint", "pubsub_endpoint", "multicast_endpoint", "endpoint_owner"}, "the endpoints of circus, on TCP and without a password: supctl uses supd's unix socket, with operators of supd.toml"},
	{[]string{"check_delay", "warmup_delay", "pidfile", "loglevel", "logoutput", "loggerconfig", "debug", "debug_gc", "stream_backend"}, "check_delay, pidfile, logoutput and the like of [circus]: supd is told of each end, logs to standard error, and has --pidfile"},
}

func (r *circus) rest() {
	for _, s := range r.ini.sections {
		switch kind := kindOf(s.name); {
		case s.name == "circus":
			for _, n := range circusNotes {
				for _, o := range s.options {
					if slices.Contains(n.options, o.name) {
						r.report.add(Dropped, "", o.place, n.text)
					}
				}
			}
		case kind == "plugin":
			r.report.add(ByHand, "", s.place, fmt.Sprintf("[%s] use=%s: supd has no plug-ins; health, watchdog, limits and metrics do what most are for", printable(s.name), optionValue(s, "use")))
		case kind == "watcher" || kind == "socket" || kind == "env":
		default:
			r.report.add(Never, "", s.place, fmt.Sprintf("[%s] is no section of circus', and was ignored", printable(s.name)))
		}
	}
	for _, text := range []string{
		"a process with a socket is replaced new before old, and one without stops first (strategy = \"replace\")",
		"a worker that ends is started again at once, and then after longer and longer pauses; circus looked each check_delay",
		"what a process leaves behind when it ends is killed, always",
	} {
		r.report.add(Converted, "", place{}, text)
	}
}

// watcher is a [watcher:x] that is read.
type watcher struct {
	*circus
	section  *section
	name     string
	env      []variable
	inherits map[string]bool // variables that are read from supd's environment
	uses     []string        // sockets, by their names there
	d        *process
	broken   bool
}

var watcherOptions = []string{
	"cmd", "args", "executable", "shell", "shell_args", "working_dir", "uid", "gid", "copy_env", "copy_path", "warmup_delay", "autostart", "numprocesses",
	"stop_signal", "stop_children", "send_hup", "max_retry", "graceful_timeout", "respawn", "max_age", "max_age_variance", "on_demand", "use_sockets", "priority",
	"singleton", "virtualenv", "virtualenv_py_ver", "close_child_stdin", "close_child_stdout", "close_child_stderr", "check_flapping", "use_papa", "stdin_socket", "stream_backend",
}

// get gives the value of an option; "" where it is not set or cannot be known.
func (w *watcher) get(name string) (string, *option) {
	o := w.section.option(name)
	if o == nil {
		return "", nil
	}
	value, known := w.fixed(name, o.value)
	if !known {
		return "", nil
	}
	return value, o
}

func (w *watcher) at(name string) place {
	if o := w.section.option(name); o != nil {
		return o.place
	}
	return w.section.place
}

func (w *watcher) note(kind Kind, name, text string) { w.report.add(kind, w.name, w.at(name), text) }

func (w *watcher) boolean(name string, otherwise bool) bool {
	value, o := w.get(name)
	return parsed(&w.errors, o, value, truth, otherwise, noTruth)
}

func (w *watcher) number(name string, otherwise float64) float64 {
	value, o := w.get(name)
	return parsed(&w.errors, o, value, circusNumber, otherwise, "is no number")
}

func circusNumber(s string) (float64, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return n, err == nil && n >= -1 && n <= 1e9
}

func (w *watcher) convert() {
	w.report.program(w.name)
	a := w.app("", w.section.file)
	w.d = &process{old: w.name}
	before := len(w.errors)
	w.account()
	w.command()
	w.counted()
	w.place()
	w.variables()
	w.policy()
	w.limits()
	w.output()
	w.listen(a)
	w.left()
	if w.broken || len(w.errors) > before {
		w.report.leftOut(w.name)
		return
	}
	a.add(w.d, w.name)
	if w.d.name != w.name {
		w.note(Converted, "", "names are of lower case letters, digits, - and _")
	}
	w.report.Names = append(w.report.Names, Name{w.name, a.name + "/" + w.d.name})
}

func (w *watcher) account() {
	user, _ := w.get("uid")
	w.d.group, _ = w.get("gid")
	switch {
	case user == "" && w.options.User != "":
		user = w.options.User
	case user == "":
		user = "root"
		w.note(AsRoot, "", "no uid: circus ran it as itself, which is root mostly, and so does supd with allow_root and the capabilities that root has in a container; say --user NAME for a user of its own")
	case isRoot(user):
		w.note(AsRoot, "uid", "it runs as root, and root has the capabilities that it has in a container, and no others")
	default:
		w.note(Different, "uid", "HOME, USER, LOGNAME and SHELL are those of its user; circus left those that it had itself")
	}
	if w.d.group != "" && user == "root" {
		w.note(Different, "gid", "with a gid, supplementary groups are those of the user; circus kept its own")
	}
	w.d.user = user
}

// circusVariable is $(circus.env.X), $(circus.wid), $(circus.sockets.x), or with ((…)).
var circusVariable = regexp.MustCompile(`(?i)\$\(circus\.([\w.\-]+)\)|\(\(circus\.([\w.\-]+)\)\)`)

// expanded is a text as supd expands it. What is a variable of supd's own environment is
// inherited for that.
func (w *watcher) expanded(name, text string) string {
	var b strings.Builder
	for {
		at := circusVariable.FindStringSubmatchIndex(text)
		if at == nil {
			b.WriteString(literal(text))
			return b.String()
		}
		b.WriteString(literal(text[:at[0]]))
		whole := text[at[0]:at[1]]
		b.WriteString(w.variable(name, whole, variableOf(whole)))
		text = text[at[1]:]
	}
}

func (w *watcher) variable(option, whole, name string) string {
	if name == "wid" {
		w.note(Different, option, "$(circus.wid) is the slot: it stays the same through restarts, where circus counted on")
		return "{slot}"
	}
	if socket, is := strings.CutPrefix(name, "sockets."); is {
		if !slices.Contains(w.uses, socket) {
			w.uses = append(w.uses, socket)
		}
		return "{socket." + socketNameOf(socket) + "}"
	}
	if env, is := strings.CutPrefix(name, "env."); is {
		for _, v := range w.env {
			switch {
			case !strings.EqualFold(v.name, env):
			case isSecret(v) || filledIn.MatchString(v.value):
				return "{env." + v.name + "}" // with all that is filled in, or from env_file
			default:
				return literal(v.value)
			}
		}
		env = strings.ToUpper(env)
		if value, known := w.options.Env[env]; known && !isSecret(variable{env, value}) {
			return literal(value)
		}
		w.inherits[env] = true
		w.note(Different, option, startedWith("$(circus.env."+env+")", env))
		return "{env." + env + "}"
	}
	return literal(whole) // as circus leaves it
}

func socketNameOf(name string) string { return nameOf(strings.ToLower(name)) }

// fixed wants a text without variables that are known only later.
func (w *watcher) fixed(option, text string) (value string, known bool) {
	known = true
	value = circusVariable.ReplaceAllStringFunc(text, func(found string) string {
		name, isEnv := strings.CutPrefix(variableOf(found), "env.")
		for one, value := range w.options.Env {
			if isEnv && strings.EqualFold(one, name) {
				return value
			}
		}
		known = false
		hint := ""
		if isEnv {
			hint = ": say --env " + strings.ToUpper(name) + "=VALUE"
		}
		w.note(ByHand, option, fmt.Sprintf("not converted: %s has %s, which is known only where circus runs%s", option, found, hint))
		return found
	})
	w.broken = w.broken || !known
	return value, known
}

// variableOf is the name in what circusVariable has found.
func variableOf(found string) string {
	return strings.TrimPrefix(strings.ToLower(strings.Trim(found, "$()")), "circus.")
}

func (w *watcher) command() {
	o, args := w.section.option("cmd"), w.section.option("args")
	if o == nil {
		w.errors.add(w.section.place, "[%s] has no cmd", w.section.name)
		return
	}
	line := o.value
	if args != nil {
		line += " " + args.value
	}
	line = strings.TrimSpace(line)
	if w.boolean("shell", false) {
		w.d.set("command", list([]string{"/bin/sh", "-c", w.expanded("cmd", line)}))
		if strings.ContainsAny(line, special) {
			w.note(Never, "cmd", "circus quotes each word of cmd for its shell, so that &&, > and $NAME were arguments; here they are the shell's")
		}
		w.note(Converted, "shell", "the shell is written as such: without exec in what it runs it stays between supd and the program")
		return
	}
	argv, _, err := words(line)
	if err != nil || len(argv) == 0 || argv[0] == "" {
		w.errors.add(o.place, "cmd: no command: %v", err)
		return
	}
	hidden := w.d.hide(argv, circusVariable)
	for i := range hidden {
		hidden[i] = secretBraces(w.expanded("cmd", hidden[i]))
	}
	w.d.set("command", commandLine(hidden))
}

func (w *watcher) counted() {
	count := int(w.number("numprocesses", 1))
	if w.boolean("singleton", false) && count > 1 {
		w.errors.add(w.at("singleton"), "singleton with numprocesses above 1, which circus refuses")
	}
	if count > configs.MostWorkers {
		w.errors.add(w.at("numprocesses"), "numprocesses: want at most %d", configs.MostWorkers)
	}
	if count != 1 {
		w.d.set("count", itoa(max(0, count)))
	}
}

func (w *watcher) place() {
	dir, o := w.get("working_dir")
	switch {
	case o != nil && filepath.IsAbs(dir):
		w.d.set("directory", quote(literal(dir)))
	case o != nil:
		w.d.set("directory", quote(literal(filepath.Join(first(w.options.Directory, "/"), dir))))
		w.note(Different, "working_dir", "a relative working_dir is one below --directory, or below /")
	case w.options.Directory != "":
		w.d.set("directory", quote(literal(w.options.Directory)))
	default:
		w.note(Different, "", "no working_dir: circus' own was where it was started, here it is /; say --directory DIR if that matters")
	}
	if venv, o := w.get("virtualenv"); o != nil {
		w.d.set("venv", quote(literal(venv)))
		w.note(Different, "virtualenv", "venv puts the bin of the virtualenv first in PATH and sets VIRTUAL_ENV; circus set PYTHONPATH")
	}
	w.d.set("umask", quote(w.umask()))
	if isRoot(w.d.user) {
		w.d.set("capabilities", list([]string{"@container"}))
	}
}

// filledIn is a variable in a text, of circus' or of [env].
var filledIn = regexp.MustCompile(circusVariable.String() + `|` + dollar.String())

// dollar is a variable in a value of [env]; circus takes nothing for one that is not set.
var dollar = regexp.MustCompile(`\$([A-Z]+[A-Z0-9_]*)`)

func (w *watcher) variables() {
	for _, v := range w.env {
		problem := configs.VariableProblem(v.name)
		switch {
		case problem != "":
			w.note(ByHand, "", "the variable "+v.name+" "+problem)
		case isSecret(v) && !filledIn.MatchString(v.value):
			w.d.secrets = append(w.d.secrets, v)
			w.note(Converted, "", "secrets of [env] are in env_file, which is root's alone")
		default:
			text := v.value
			if isSecret(v) {
				text = w.d.hideAround(text, filledIn)
			}
			w.d.env = append(w.d.env, variable{v.name, secretBraces(dollar.ReplaceAllStringFunc(w.expanded("", text), func(name string) string {
				w.inherits[name[1:]] = true
				return "{env." + name[1:] + "}"
			}))})
		}
	}
	if w.boolean("copy_env", false) {
		w.d.set("env_inherit", list([]string{"*"}))
		return
	}
	if len(w.inherits) > 0 {
		names := make([]string, 0, len(w.inherits))
		for name := range w.inherits {
			names = append(names, name)
		}
		slices.Sort(names)
		w.d.set("env_inherit", list(names))
	}
}
