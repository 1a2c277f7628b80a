package main

import (
	"os"
	"slices"
	"strings"

	"supd/privdrop"
)

// defaultPath is the PATH of supd's workers.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment makes a clean environment. From this process's own it takes TERM,
// what the command line names, and without a user HOME and the like. The locale is
// UTF-8 unless LANG or LC_ALL is set.
func (o *options) environment(a *privdrop.Account) []string {
	var env variables
	if a != nil {
		env.set("HOME", a.Home)
		env.set("USER", a.Name)
		env.set("LOGNAME", a.Name)
		env.set("SHELL", a.Shell)
	} else {
		env.inherit("HOME", "USER", "LOGNAME", "SHELL")
	}
	env.set("PATH", defaultPath)
	env.inherit("TERM")
	env.inherit(o.inherit...)
	for _, pair := range o.env {
		name, value, _ := strings.Cut(pair, "=")
		env.set(name, value)
	}
	if !env.has("LANG") && !env.has("LC_ALL") {
		env.set("LANG", "C.UTF-8") // as for supd's workers
	}
	return env
}

// variables are an environment, each name once.
type variables []string

func (v *variables) set(name, value string) {
	for i, pair := range *v {
		if strings.HasPrefix(pair, name+"=") {
			(*v)[i] = name + "=" + value
			return
		}
	}
	*v = append(*v, name+"="+value)
}

func (v *variables) has(name string) bool {
	return slices.ContainsFunc(*v, func(pair string) bool { return strings.HasPrefix(pair, name+"=") })
}

func (v *variables) inherit(names ...string) {
	for _, name := range names {
		if value, ok := os.LookupEnv(name); ok {
			v.set(name, value)
		}
	}
}
