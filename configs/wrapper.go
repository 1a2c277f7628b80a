package configs

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// wrapper is a program that starts the one behind it in its own place, or as its child.
type wrapper struct {
	sub     []string // one of these words comes before the command, or it is no wrapper then
	values  []string // options that take the next word as their value
	greedy  bool     // each long option does
	words   int      // words of its own before the command
	only    bool     // the command is behind a "--"
	because string   // what is known to be wrong with it
}

var runs = wrapper{sub: []string{"run"}}

const (
	asAnother    = "stands between supd and the program, so that signals and descriptors do not reach it; set user instead"
	unprivileged = "changes the user, which a worker has no right to; set user instead"
)

// wrappers are looked through for the server that a command starts.
var wrappers = map[string]wrapper{
	// what a process is
	"catchsegv": {}, "eatmydata": {}, "fakeroot": {}, "jemalloc.sh": {}, "nohup": {}, "setsid": {}, "unbuffer": {}, "xvfb-run": {},
	"chroot": {words: 1}, "chrt": {words: 1, values: []string{"-T", "-P", "-D"}}, "taskset": {words: 1}, "flock": {words: 1, values: []string{"-w", "-E"}},
	"cgexec": {values: []string{"-g"}}, "chpst": {values: []string{"-u", "-U", "-b", "-e", "-/", "-n", "-l", "-L", "-m", "-d", "-o", "-p", "-f", "-c", "-r", "-t"}},
	"cpulimit": {values: []string{"-l", "-p", "-e"}}, "ionice": {values: []string{"-c", "-n", "--class", "--classdata"}},
	"nice": {values: []string{"-n", "--adjustment"}}, "numactl": {values: []string{"-i", "-N", "-m", "-C", "-p"}}, "prlimit": {},
	"setpriv": {values: []string{
		"--ruid", "--euid", "--rgid", "--egid", "--reuid", "--regid", "--groups", "--inh-caps", "--ambient-caps", "--bounding-set",
		"--securebits", "--pdeathsig", "--selinux-label", "--apparmor-profile", "--landlock-access", "--landlock-rule", "--ptracer",
	}},
	"softlimit": {values: []string{"-m", "-d", "-s", "-l", "-a", "-o", "-p", "-f", "-c", "-r", "-t"}},
	"stdbuf":    {values: []string{"-i", "-o", "-e"}}, "systemd-cat": {values: []string{"-t", "-p"}}, "time": {values: []string{"-f", "-o"}},
	"timeout": {words: 1, values: []string{"-k", "-s", "--kill-after", "--signal"}}, "unshare": {}, "strace": {values: []string{"-e", "-o", "-p", "-s"}},
	"bwrap": {only: true}, "firejail": {}, "suprun": {only: true}, "ip": {sub: []string{"netns"}, words: 2},
	"envdir": {words: 1}, "s6-envdir": {words: 1}, "with-contenv": {}, "envuidgid": {words: 1},
	"catatonit": {}, "docker-init": {values: []string{"-p", "-e"}}, "dumb-init": {values: []string{"-r", "--rewrite"}}, "tini": {values: []string{"-p", "-e"}}, "tini-static": {values: []string{"-p", "-e"}},

	// agents that look at it
	"newrelic-admin": {sub: []string{"run-program", "run-python"}}, "newrelic": {sub: []string{"run-program", "run-python"}}, "ddtrace-run": {}, "ddtrace": {},
	"opentelemetry-instrument": {greedy: true}, "opentelemetry": {greedy: true}, "splunk-py-trace": {greedy: true}, "elasticapm-run": {values: []string{"--config"}},
	"memray": runs, "py-spy": {sub: []string{"record"}, only: true}, "coverage": runs, "watchmedo": {sub: []string{"auto-restart"}, only: true},

	// where its libraries and secrets come from
	"conda": {sub: []string{"run"}, values: []string{"-n", "--name", "-p", "--prefix", "--cwd"}}, "mamba": {sub: []string{"run"}, values: []string{"-n", "-p"}}, "micromamba": {sub: []string{"run"}, values: []string{"-n", "-p"}},
	"bundle": {sub: []string{"exec"}}, "hatch": runs, "pdm": runs, "pipenv": runs, "pixi": runs, "poetry": runs, "rye": runs,
	"uv":        {sub: []string{"run"}, values: []string{"-p", "--python", "--with", "--env-file", "--project", "--directory", "--extra", "--group"}},
	"aws-vault": {sub: []string{"exec"}, only: true}, "chamber": {sub: []string{"exec"}, only: true}, "doppler": {sub: []string{"run"}, only: true}, "infisical": {sub: []string{"run"}, only: true}, "op": {sub: []string{"run"}, only: true},
	"dotenv": {sub: []string{"run"}, values: []string{"-f", "--file"}},

	// another user
	"sudo": {values: []string{"-u", "-g", "-C", "-D", "-h", "-p", "-R", "-r", "-t", "-T", "-U"}, because: asAnother}, "doas": {values: []string{"-u", "-C"}, because: asAnother},
	"runuser": {values: []string{"-u", "-g", "-G"}, because: asAnother}, "su": {words: 1, because: asAnother},
	"gosu": {words: 1, because: unprivileged}, "su-exec": {words: 1, because: unprivileged},
	"s6-setuidgid": {words: 1, because: unprivileged}, "setuidgid": {words: 1, because: unprivileged},
}

// shells run a script with -c.
var shells = []string{"sh", "bash", "dash", "zsh", "ksh"}

// level is one of the commands that a command starts one after the other.
type level struct {
	argv    []string
	script  string // what a shell runs
	inShell bool   // a shell has read it
}

func (l level) name() string { return filepath.Base(l.argv[0]) }

// levels are a command, what it starts, and so on, up to what does the work; with the
// variables that are set on the way.
func levels(argv []string) (all []level, env map[string]string) {
	env = map[string]string{}
	next := level{argv: argv}
	for range 16 {
		all = append(all, next)
		this := &all[len(all)-1]
		inner, script := inside(next.argv, env)
		this.script = script
		if len(inner) == 0 || inner[0] == "" {
			return all, env
		}
		next = level{argv: inner, inShell: next.inShell || script != ""}
	}
	return all, env
}

// inside gives what a command starts in its turn, or nothing, and the script by which
// it does that.
func inside(argv []string, env map[string]string) (inner []string, script string) {
	name, args := filepath.Base(argv[0]), argv[1:]
	switch {
	case isAssignment(argv[0]):
		return assigned(argv, env), ""
	case name == "env":
		return assigned(afterEnv(args), env), ""
	case name == "exec" || name == "command":
		return afterOptions(args, wrapper{values: []string{"-a"}}), ""
	case slices.Contains(shells, name):
		for i, arg := range args {
			if isShort(arg, 'c') && i+1 < len(args) {
				return lastCommand(args[i+1], args[min(i+3, len(args)):]), args[i+1]
			}
		}
		return nil, ""
	case strings.HasPrefix(name, "python") || name == "pypy" || name == "pypy3":
		return afterPython(args), ""
	case name == "manage.py" || name == "django-admin" || name == "django-admin.py" || name == "flask":
		return managed(args), ""
	}
	w, known := wrappers[name]
	if !known {
		return nil, ""
	}
	if c := values(args, "-c", "--command"); len(c) > 0 && (name == "su" || name == "runuser") {
		return lastCommand(c[0], nil), c[0]
	}
	return assigned(afterOptions(args, w), env), "" // sudo and doas take variables too
}

// afterOptions gives what is behind the options and words of a wrapper.
func afterOptions(args []string, w wrapper) []string {
	if w.only {
		end := slices.Index(args, "--")
		if end < 0 || len(w.sub) > 0 && !slices.Contains(w.sub, args[0]) {
			return nil
		}
		return args[end+1:]
	}
	args = w.skip(args)
	if len(w.sub) > 0 {
		if len(args) == 0 || !slices.Contains(w.sub, args[0]) {
			return nil
		}
		args = w.skip(args[1:])
	}
	args = args[min(w.words, len(args)):]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	return args
}

func (w wrapper) skip(args []string) []string {
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		option := args[0]
		args = args[1:]
		if option == "--" {
			return args
		}
		takes := slices.Contains(w.values, option) || w.greedy && strings.HasPrefix(option, "--") && !strings.Contains(option, "=")
		if takes && len(args) > 0 {
			args = args[1:]
		}
	}
	return args
}

// afterEnv gives what is behind the options of env(1), variables included.
func afterEnv(args []string) []string {
	for i, arg := range args {
		words, split := strings.CutPrefix(arg, "--split-string=")
		rest := args[i+1:]
		if (arg == "-S" || arg == "--split-string") && len(rest) > 0 {
			words, rest, split = rest[0], rest[1:], true
		}
		if split {
			argv, err := Split(words)
			if err != nil {
				return nil
			}
			return slices.Concat(argv, rest)
		}
	}
	args = wrapper{values: []string{"-u", "--unset", "-C", "--chdir"}}.skip(args)
	if len(args) > 0 && args[0] == "-" {
		args = args[1:]
	}
	return args
}

// assigned takes variables off the beginning of a command.
func assigned(argv []string, env map[string]string) []string {
	for len(argv) > 0 && isAssignment(argv[0]) {
		name, value, _ := strings.Cut(argv[0], "=")
		env[name] = value
		argv = argv[1:]
	}
	return argv
}

func isAssignment(s string) bool {
	name, _, is := strings.Cut(s, "=")
	return is && isVariableName(name)
}

// isShort reports whether a letter is among those of an option in one word: -lc.
func isShort(option string, letter byte) bool {
	return len(option) > 1 && option[0] == '-' && option[1] != '-' && strings.IndexByte(option, letter) > 0
}

// afterPython gives a module or a script as if it were a program.
func afterPython(args []string) []string {
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "-m" && i+1 < len(args):
			module, _, _ := strings.Cut(args[i+1], ".")
			return slices.Concat([]string{module}, args[i+2:])
		case arg == "-W" || arg == "-X" || arg == "--check-hash-based-pycs":
			i++
		case isShort(arg, 'c'):
			return nil
		case arg == "-" || !strings.HasPrefix(arg, "-"):
			return args[i:]
		}
	}
	return nil
}

// managed gives what a command of Django's or Flask's is, if that is a server of its own.
func managed(args []string) []string {
	args = wrapper{values: []string{"--settings", "--pythonpath", "-v", "--verbosity", "--app", "-A", "-e", "--env-file"}}.skip(args)
	if len(args) == 0 {
		return nil
	}
	known := management(args[0])
	if known == nil {
		return nil
	}
	return slices.Concat(known, args[1:])
}

// reserved are words of the shell that a command may follow.
var reserved = []string{"if", "then", "else", "elif", "do", "while", "until", "!", "{", "time"}

// lastCommand gives the command of a script that a shell ends with: what it execs, or
// the last one. "$@" is what the shell was given behind the script.
func lastCommand(script string, given []string) []string {
	var last []string
	for _, text := range simpleCommands(script) {
		argv, err := Split(text)
		if err != nil || len(argv) == 0 {
			continue
		}
		for len(argv) > 1 && slices.Contains(reserved, argv[0]) {
			argv = argv[1:]
		}
		if last = argv; argv[0] == "exec" {
			break
		}
	}
	if i := slices.Index(last, "$@"); i >= 0 {
		last = slices.Concat(last[:i], given, last[i+1:])
	}
	return last
}

// simpleCommands divides a script where one command ends and another may begin, outside
// of quotes and comments.
func simpleCommands(script string) []string {
	var all []string
	from := 0
	for i := 0; i < len(script); i++ {
		switch c := script[i]; c {
		case '\\':
			i++
		case '"', '\'':
			i = closing(script, i)
		case '#':
			if i == 0 || strings.IndexByte(" \t\n;&|(", script[i-1]) >= 0 {
				all = append(all, script[from:i])
				i += len(script[i:]) - len(strings.TrimLeft(script[i:], "#")) // at least this one
				if end := strings.IndexByte(script[i:], '\n'); end >= 0 {
					i += end
				} else {
					i = len(script)
				}
				from = min(i+1, len(script))
			}
		case ';', '\n', '|', '(', ')', '&':
			if c == '&' && (i > 0 && script[i-1] == '>' || strings.HasPrefix(script[i:], "&>")) {
				continue // a redirection
			}
			all = append(all, script[from:i])
			from = i + 1
		}
	}
	return append(all, script[from:])
}

// closing is where the string ends that begins at from.
func closing(script string, from int) int {
	for i := from + 1; i < len(script); i++ {
		switch {
		case script[i] == '\\' && script[from] == '"':
			i++
		case script[i] == script[from]:
			return i
		}
	}
	return len(script)
}

// withEnv is a process's environment with that of its command over it.
func withEnv(p *Process, env map[string]string) map[string]string {
	both := map[string]string{}
	maps.Copy(both, p.Env)
	maps.Copy(both, env)
	return both
}
