package convert

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func isProcfile(file string) bool {
	name := filepath.Base(file)
	return name == "Procfile" || strings.HasPrefix(name, "Procfile.") || strings.HasSuffix(name, ".Procfile")
}

var procLine = regexp.MustCompile(`^([A-Za-z0-9_-]+):\s*(.+)$`)

// procfile converts lines of NAME: COMMAND, each of which a shell runs.
func (c *conversion) procfile(file, text string) {
	at := place{file: file}
	port, none := c.firstPort(file), true
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		at.line++
		line = strings.TrimRight(line, " \t\r")
		if text := strings.TrimSpace(line); text == "" || text[0] == '#' {
			continue
		}
		m := procLine.FindStringSubmatch(line)
		none = none && m == nil
		switch {
		case m == nil:
			c.report.add(Never, "", at, "what is no NAME: COMMAND is passed over")
		case strings.ContainsFunc(line, reserved):
			c.errors.add(at, "has a character that stands for no text")
		case m[1] == "release":
			c.report.program(m[1])
			c.report.add(ByHand, m[1], at, "not converted: what runs before a release is a step of the deployment, or a process with ready = { exit = true } that others come `after`")
		default:
			l := procType{c, file, at, m[1], &process{old: m[1]}}
			l.convert(strings.TrimSpace(m[2]), port)
		}
		if m != nil {
			port += 100 // as foreman does, also for what is left out
		}
	}
	if none {
		c.errors.add(place{file: file}, "has no NAME: COMMAND")
	}
	if _, given := c.options.Env["PORT"]; !given {
		c.report.add(Converted, "", place{}, "PORT is what foreman gives: that of .env, or 5000, and 100 more for each line; say --env PORT=NUMBER for the first, or have supd bind a [socket.NAME]")
	}
	c.report.add(Converted, "", place{}, "one process of each kind runs, and is started again when it ends; count is how many")
}

// procType is a line.
type procType struct {
	*conversion
	source string
	at     place
	name   string
	d      *process
}

func (l procType) convert(command string, port int) {
	l.report.program(l.name)
	a := l.app("", l.source)
	env, rest := cutAssignments(command)
	l.d.user = l.options.User
	if l.d.user == "" {
		l.d.user = "root"
		l.note(AsRoot, "a Procfile names no user: it runs as root, with allow_root and the capabilities that root has in a container; say --user NAME")
		l.d.set("capabilities", list([]string{"@container"}))
	}
	l.command(rest)
	l.d.set("directory", quote(literal(first(l.options.Directory, filepath.Dir(absolute(l.source))))))
	l.d.set("umask", quote("0022"))
	l.d.set("env_inherit", list([]string{"*"}))
	l.d.set("stop", `[["TERM", "30s", "group"]]`)
	if !slices.ContainsFunc(env, func(v variable) bool { return v.name == "PORT" }) {
		env = append(env, variable{"PORT", itoa(port)})
	}
	for _, v := range env {
		if isSecret(v) {
			l.d.secrets = append(l.d.secrets, v)
			l.note(Converted, "secrets before a command are in env_file, which is root's alone")
			continue
		}
		l.d.env = append(l.d.env, variable{v.name, literal(v.value)})
	}
	l.dotenv()
	a.add(l.d, l.name)
	l.report.Names = append(l.report.Names, Name{l.name, a.name + "/" + l.d.name})
}

func (l procType) note(kind Kind, text string) { l.report.add(kind, l.name, l.at, text) }

var dotenvPort = regexp.MustCompile(`(?m)^\s*(?:export\s+)?PORT\s*=\s*["']?(\d+)["']?\s*$`)

// firstPort is that of --env, of .env beside the file, or 5000.
func (c *conversion) firstPort(file string) int {
	value, given := c.options.Env["PORT"]
	if !given {
		value = "5000"
		text, _ := read(dotenvOf(file), mostBytes) // it need not be there
		for _, m := range dotenvPort.FindAllSubmatch(text, -1) {
			value = string(m[1])
		}
	}
	port, ok := integer(value)
	if !ok {
		c.errors.add(place{file: file}, "--env PORT: %q is no number", value)
	}
	return port
}

// dotenvOf is what foreman reads beside a file.
func dotenvOf(file string) string { return filepath.Join(filepath.Dir(absolute(file)), ".env") }

// special is what a shell would do something with.
const special = "$&|;<>()`*?[]#~\\{}\n"

// command is run without a shell where none is needed, and else by one that does not stay
// where it runs a single command.
func (l procType) command(line string) {
	argv, _, err := words(line)
	if err == nil && len(argv) > 0 && !strings.ContainsAny(line, special) && !assigns.MatchString(line) {
		l.d.set("command", commandLine(l.hidden(argv)))
		return
	}
	if strings.ContainsAny(line, several) {
		l.note(Different, "a shell runs the command and stays: stop goes to all that it has started")
	}
	l.d.set("command", list(l.hidden([]string{"/bin/sh", "-c", replacing(line)})))
}

const several = "&|;\n" // between commands

// assigns is what sets variables before a command.
var assigns = regexp.MustCompile(`^(?:[A-Za-z_][A-Za-z0-9_]*=(?:[^\s'"\\]|'[^']*'|"(?:[^"\\]|\\.)*"|\\.)*\s+)+`)

// replacing has a shell become the command that it runs, if that is a single one.
func replacing(line string) string {
	before := assigns.FindString(line)
	if strings.ContainsAny(line, several) || strings.HasPrefix(line[len(before):], "exec ") {
		return line
	}
	return before + "exec " + line[len(before):]
}

func (l procType) hidden(argv []string) []string {
	hidden := l.d.hide(argv, marked)
	if !slices.Equal(hidden, argv) {
		l.note(Converted, "what looks like a secret in a command is in env_file, and comes from there")
	}
	argv = hidden
	for i, arg := range argv {
		argv[i] = secretBraces(literal(arg))
	}
	return argv
}

var assignment = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*)=([^\s'"$&|;<>()` + "`" + `\\]*|'[^']*'|"[^"$` + "`" + `\\]*")\s+`)

// cutAssignments takes the variables off a command that has them before it.
func cutAssignments(command string) (env []variable, rest string) {
	for {
		m := assignment.FindStringSubmatch(command)
		if m == nil {
			return env, command
		}
		env = setVariable(env, variable{m[1], strings.Trim(m[2], `'"`)})
		command = command[len(m[0]):]
	}
}

// dotenv is the file that foreman reads as well.
func (l procType) dotenv() {
	path := dotenvOf(l.source)
	if _, err := os.Stat(path); err != nil {
		return
	}
	if len(l.d.secrets) > 0 {
		l.note(ByHand, fmt.Sprintf("put what is in %s into the env_file: a process has one", filepath.Base(path)))
		return
	}
	l.d.set("env_file", quote(path))
	l.note(Converted, ".env is the env_file: it belongs to root or the user, and nobody else reads it")
}
