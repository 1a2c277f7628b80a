package convert

import (
	"fmt"
	"slices"
	"strings"
)

// text writes the file of an app.
func (a *app) text() string {
	w := &writer{}
	w.line("# Converted from %s by supctl convert.", printable(strings.Join(a.from, ", ")))
	user, group := a.common(func(p *process) string { return p.user }), a.common(func(p *process) string { return p.group })
	w.pair("user", quoteSet(user))
	w.pair("group", quoteSet(group))
	if slices.ContainsFunc(a.processes, func(p *process) bool { return isRoot(p.user) || isRoot(p.group) }) {
		w.pair("allow_root", "true")
	}
	env := a.commonEnv()
	w.env("[env]", env)
	for _, s := range a.sockets {
		w.line("\n[socket.%s]", s.name)
		w.pairs(s.keys)
	}
	together := a.replacesAll()
	if together {
		w.line("\n[rollout]")
		w.pair("strategy", quote("replace"))
	}
	for _, p := range a.processes {
		w.process(p, user, group, env, !together && !p.has("sockets"))
	}
	return w.String()
}

// replacesAll reports whether no process has a socket of supd's. What binds its address
// itself can be replaced by what binds it anew, and not beside it.
func (a *app) replacesAll() bool {
	return !slices.ContainsFunc(a.processes, func(p *process) bool { return p.has("sockets") })
}

// common gives what all processes say, or "".
func (a *app) common(of func(*process) string) string {
	value := of(a.processes[0])
	for _, p := range a.processes {
		if of(p) != value {
			return ""
		}
	}
	return value
}

// commonEnv gives what all of several processes set.
func (a *app) commonEnv() (env []variable) {
	if len(a.processes) < 2 {
		return nil
	}
	for _, v := range a.processes[0].env {
		if !slices.ContainsFunc(a.processes, func(p *process) bool { return !slices.Contains(p.env, v) }) {
			env = append(env, v)
		}
	}
	return env
}

func quoteSet(s string) string {
	if s == "" {
		return ""
	}
	return quote(s)
}

type writer struct{ strings.Builder }

// pair leaves out what is "".
func (w *writer) pair(key, value string) {
	if value != "" {
		w.line("%s = %s", key, value)
	}
}

func (w *writer) pairs(all []pair) {
	for _, p := range all {
		w.pair(p.key, p.value)
	}
}

func (w *writer) env(header string, env []variable) {
	if len(env) == 0 {
		return
	}
	w.line("\n%s", header)
	for _, v := range env {
		w.pair(v.name, quote(v.value))
	}
}

func (w *writer) process(p *process, user, group string, common []variable, replace bool) {
	w.line("\n[process.%s]", p.name)
	if p.user != user {
		w.pair("user", quoteSet(p.user))
	}
	if p.group != group {
		w.pair("group", quoteSet(p.group))
	}
	w.pairs(p.keys)
	if replace {
		w.pair("strategy", quote("replace"))
	}
	own := slices.DeleteFunc(slices.Clone(p.env), func(v variable) bool { return slices.Contains(common, v) })
	w.env("[process."+p.name+".env]", own)
}

func (w *writer) line(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
