package configs

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"supd/privdrop"
)

// operators are of no meaning to anything but a shell.
var operators = []string{"|", "||", "&", "&&", ";", ">", ">>", "<", "2>&1", "2>", "&>"}

// builtins are words that only a shell knows, for the beginning of a command.
var builtins = []string{".", "source", "cd", "exec", "export", "ulimit", "umask", "set", "eval", "trap"}

var (
	// variable is what a shell puts something else in the place of.
	variable = regexp.MustCompile(`\$(\{{1,2}[A-Za-z_]\w*\W?|[A-Za-z_]\w*|\([^)]*\)?)`)
	// activate is what makes a virtual environment the one of a shell.
	activate = regexp.MustCompile(`(?:^|[\s;&])(?:\.|source)\s+["']?([^\s;&"']*?)/bin/activate\b`)
)

// dollars are programs to which a $ has a meaning of their own.
var dollars = []string{"awk", "gawk", "mawk", "sed", "perl", "php", "ruby", "node", "jq", "nginx", "openresty", "envsubst", "expect", "tclsh"}

// shell warns of what stands between supd and the program, and of what only a shell
// would understand.
func (t *trap) shell() {
	for _, l := range t.levels {
		switch name := l.name(); {
		case wrappers[name].because != "":
			t.warn("command", "%s %s", name, wrappers[name].because)
		case l.script == "":
		case activate.MatchString(l.script):
			t.warn("command", "%s is here for a virtual environment: write venv = %q and the command alone, without a shell", name, activate.FindStringSubmatch(l.script)[1])
		case waits(l.script) && !t.stopsGroup():
			t.warn("command", `%s stays between supd and the program, which gets no signal: write "exec" before the program, do without the shell, or write stop = [["TERM", "30s", "group"]]`, name)
		}
	}
	t.shellWords(t.unread())
	t.scriptFile()
}

// waits reports whether a shell waits for what it has started, deaf to signals.
func waits(script string) bool {
	return strings.Contains(script, " ") && !strings.Contains(script, "exec ") && !strings.Contains(script, "trap ")
}

// unread are the words of a command that no shell reads.
func (t *trap) unread() []string {
	argv := t.process.Command
	for _, l := range t.levels {
		if l.script != "" {
			return argv[:max(0, len(argv)-len(l.argv))]
		}
	}
	return argv
}

func (t *trap) shellWords(argv []string) {
	switch {
	case len(argv) == 0:
		return
	case isAssignment(argv[0]):
		name, _, _ := strings.Cut(argv[0], "=")
		t.warn("command", "no shell runs: %s=… is no program; write env = { %[1]s = \"…\" }", name)
		return
	case slices.Contains(builtins, argv[0]):
		t.warn("command", "no shell runs: %q is no program; %s", argv[0], instead(argv))
		return
	}
	for _, arg := range argv {
		if slices.Contains(operators, arg) || strings.HasPrefix(arg, "~/") {
			t.warn("command", "no shell runs: the program gets %q as it is; {env.NAME} is a variable", arg)
			return
		}
		if found := variable.FindString(arg); found != "" && !slices.Contains(dollars, t.program) && !(t.server.is("uwsgi") && found[1] == '(') { // which has placeholders of that form
			found = strings.NewReplacer("{{", "{", "}}", "}").Replace(found)
			t.warn("command", "no shell runs: the program gets %q as it is; {env.NAME} is a variable", found)
			return
		}
	}
}

// instead is what a builtin at the beginning of a command is for.
func instead(argv []string) string {
	switch argv[0] {
	case ".", "source":
		if len(argv) > 1 {
			if dir, is := strings.CutSuffix(argv[1], "/bin/activate"); is {
				return "write venv = \"" + dir + "\" and the command alone"
			}
		}
		return "write env or env_file and the command alone"
	case "cd":
		return "write directory and the command alone"
	case "export", "set":
		return "write env and the command alone"
	case "ulimit":
		return "write limits and the command alone"
	case "umask":
		return "write umask and the command alone"
	}
	return "write the command alone"
}

// scriptFile warns of a script of the shell's in a file, such as gunicorn_start, that
// stays there. What its program is told is not looked at.
func (t *trap) scriptFile() {
	name := t.levels[len(t.levels)-1].argv[0]
	if !strings.Contains(name, "/") || t.stopsGroup() {
		return // a program of the system's, or the program is told
	}
	path, ok := pathFrom(name, t.process.Directory)
	if !ok {
		return
	}
	if head, err := t.app.view().ScriptAt(path, t.way.As); err != nil || !isShell(head) { // most are no scripts, and large
		return
	}
	text, ok := t.file(name, t.process.Directory)
	if !ok {
		return
	}
	for _, command := range simpleCommands(text) {
		word, _, _ := strings.Cut(strings.TrimSpace(command), " ")
		if word == "exec" || word == "trap" {
			return
		}
	}
	t.warn("command", `%s is a script that stays between supd and the program it starts, which gets no signal: write "exec" before the program there`, filepath.Base(name))
}

func isShell(script privdrop.Script) bool {
	name := filepath.Base(script.Interpreter)
	if words := strings.Fields(script.Argument); name == "env" && len(words) > 0 {
		name = words[len(words)-1]
	}
	return slices.Contains(shells, name)
}
