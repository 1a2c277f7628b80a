package convert

import (
	"path/filepath"
	"slices"
	"strings"
)

// app is what becomes a file.
type app struct {
	key       string // what it is made of
	name      string
	from      []string // names of files
	sockets   []listener
	processes []*process
}

func (a *app) comesFrom(file string) {
	if name := filepath.Base(file); !slices.Contains(a.from, name) {
		a.from = append(a.from, name)
	}
}

// process is what becomes a [process.NAME]. Texts are as TOML files have them, with
// {variables}, but not quoted yet.
type process struct {
	name    string
	old     string // program, for the report
	user    string
	group   string
	keys    []pair // in the order in which they are written
	env     []variable
	secrets []variable // of env, as they are in env_file
	wrapped []variable // set by what its command began with, with marks
	login   bool       // it begins as a login does, in home
	home    string
}

// pair is a key with its value as TOML.
type pair struct{ key, value string }

// listener is a [socket.NAME].
type listener struct {
	name string
	keys []pair
}

func (p *process) set(key, value string) { p.keys = append(p.keys, pair{key, value}) }

func (p *process) has(key string) bool {
	return slices.ContainsFunc(p.keys, func(one pair) bool { return one.key == key })
}

// isRoot reports whether a name is root's.
func isRoot(user string) bool { return user == "root" || user != "" && strings.Trim(user, "0") == "" }

// nameOf makes a name for supd of another one: of lower case letters, digits, - and _.
func nameOf(old string) string {
	name := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_', c == '-':
			return c
		case c >= 'A' && c <= 'Z':
			return c - 'A' + 'a'
		}
		return '-'
	}, old)
	name = strings.TrimRight(strings.TrimLeft(name, "-_"), "-")
	return name[:min(len(name), mostName)]
}

const mostName = 60 // leaves room for a number

// unused gives a name that is not taken: the name itself, or with a number.
func unused(name string, taken func(string) bool) string {
	if name == "" || name == "all" {
		name = "app"
	}
	for n, try := 2, name; ; n++ {
		if !taken(try) {
			return try
		}
		try = name + "-" + itoa(n)
	}
}
