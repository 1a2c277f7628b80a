package configs

import (
	"slices"
	"strings"
)

// Inherited gives those of the variables in environ, of supd itself, that the worker is
// to have. One that a pattern of env_inherit stands for is left out where it says
// something of supd alone.
func (p *Process) Inherited(environ []string) map[string]string {
	all := map[string]string{}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok && isInherited(p.EnvInherit, name) {
			all[name] = value
		}
	}
	return all
}

// isInherited reports whether one of the names and patterns of env_inherit is for name.
func isInherited(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		return p == name || isPattern(p) && matches(p, name) && !isOfSupd(name) && isVariableName(name)
	})
}

func isPattern(name string) bool { return strings.Contains(name, "*") }

// matches reports whether name is what a pattern stands for, where * is any text.
func matches(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	first, last := parts[0], parts[len(parts)-1]
	if !strings.HasPrefix(name, first) {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(name[len(first):], part)
		if i < 0 {
			return false
		}
		name, first = name[len(first)+i+len(part):], ""
	}
	return len(name) >= len(first)+len(last) && strings.HasSuffix(name, last)
}

// isOfSupd reports whether a variable says something of supd and its place in the
// system that is not so of a worker. PATH is none of these: a container's is for all.
func isOfSupd(name string) bool {
	return strings.HasPrefix(name, "SUPD_") || ownVariables[name] || variablesOfSupd[name]
}

// variablesOfSupd are what systemd.exec(5) sets for the service that supd is, and what
// login(1) and a shell set for the user who has started it.
var variablesOfSupd = map[string]bool{
	"HOME": true, "USER": true, "LOGNAME": true, "SHELL": true, "MAIL": true,
	"PWD": true, "OLDPWD": true, "SHLVL": true, "_": true,

	"LISTEN_PIDFDID": true, "SYSTEMD_EXEC_PID": true, "MANAGERPID": true, "MANAGERPIDFDID": true, "MAINPID": true,
	"PIDFILE": true, "FDSTORE": true, "INVOCATION_ID": true, "JOURNAL_STREAM": true, "CREDENTIALS_DIRECTORY": true,
	"RUNTIME_DIRECTORY": true, "STATE_DIRECTORY": true, "CACHE_DIRECTORY": true, "LOGS_DIRECTORY": true,
	"CONFIGURATION_DIRECTORY": true, "MEMORY_PRESSURE_WATCH": true, "MEMORY_PRESSURE_WRITE": true,
}
