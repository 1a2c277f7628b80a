package configs

import (
	"slices"
	"strings"
)

// runTrap says what allow_run means.
func runTrap(c *Config, a *App, r *report) {
	if !a.AllowRun {
		return
	}
	at := a.place("", "allow_run")
	if len(a.Operators)+len(c.Control.Operators) == 0 {
		r.add(at, "nobody is named in operators, here or in [control]: nobody may run commands by it")
		return
	}
	if !c.root {
		r.add(at, "operators can run any program as the user of supd: they can do all that supd can, also with its other apps")
		return
	}
	users := []string{a.User}
	for _, p := range a.Processes {
		users = append(users, p.User)
	}
	slices.Sort(users)
	users = slices.DeleteFunc(slices.Compact(users), func(name string) bool { return name == "" })
	r.add(at, "operators can run any program as %s: what that user may read, change and reach, they may as well, with what is secret in env and env_file", strings.Join(users, " and "))
}
