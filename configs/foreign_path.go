package configs

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"supd/privdrop"
	"supd/privdrop/files"
)

// foreign finds the paths in app files that others than root, such as the app's own
// user, can lead elsewhere or put something else at. It asks once for each directory
// and account.
type foreign struct {
	accounts map[string]*files.Account
	found    map[string]string // why, "" where nobody can
}

func newForeign() *foreign { return &foreign{map[string]*files.Account{}, map[string]string{}} }

// warn looks at all paths of an app.
func (f *foreign) warn(a *App, r *report) {
	own := who{a.User, a.Group, ""}
	add := func(of, key string, as who, path string) {
		if why := f.why(as, path); why != "" {
			r.add(a.place(of, key), "%s: %s, so that others can put something else there; choose a path in directories of root's", path, why)
		}
	}
	for _, s := range a.Sockets {
		if path, unix := strings.CutPrefix(s.Listen, "unix:"); unix {
			add("", dotted("socket", s.Name)+".listen", own, path)
		}
	}
	if a.Release != nil {
		add("", "release.directory", own, filepath.Join(a.Release.Directory, "VERSION"))
		add("", "release.path", own, a.Release.Path)
	}
	for i := range a.Processes {
		p := &a.Processes[i]
		as := whoOf(p)
		for key, path := range p.paths() {
			add(p.Name, key, as, path)
		}
	}
}

// OthersDecide reports whether an error is about what is at a path at which others than root,
// such as the app's own user, can put something else.
func (c *Config) OthersDecide(a *App, err error) bool {
	e, is := errors.AsType[Error](err)
	if fault, told := errors.AsType[fault](err); told {
		e, is = fault.at, true
	}
	if !is {
		return false
	}
	f, as, path := newForeign(), who{a.User, a.Group, ""}, ""
	if in, is := strings.CutPrefix(e.Key, "socket."); is {
		for _, s := range a.Sockets {
			if in == s.Name+".listen" {
				path, _ = strings.CutPrefix(s.Listen, "unix:")
			}
		}
	}
	for i := range a.Processes {
		p := &a.Processes[i]
		if key, is := strings.CutPrefix(e.Key, dotted("process", p.Name)+"."); is && p.paths()[key] != "" {
			as, path = whoOf(p), p.paths()[key]
		}
	}
	return f.why(as, path) != ""
}

// paths are those that a process names, by their keys.
func (p *Process) paths() map[string]string {
	return map[string]string{
		"env_file": p.EnvFile, "log": p.Log.File, "directory": p.Directory, "venv": p.Venv, "command": strings.Join(p.Command[:min(1, len(p.Command))], ""),
	}
}

// who is an account as a file names it.
type who struct{ user, group, groups string }

func whoOf(p *Process) who { return who{p.User, p.Group, strings.Join(p.Groups, " ")} }

// why says what lets others decide what is at a path.
func (f *foreign) why(as who, path string) string {
	if !filepath.IsAbs(path) || strings.Contains(path, "{") {
		return "" // it is known at the launch
	}
	dir := filepath.Dir(path)
	key := fmt.Sprintf("%q %q", as, dir)
	why, known := f.found[key]
	if !known {
		if err, is := errors.AsType[*files.UntrustedError](files.Way{As: f.account(as)}.Untrusted(dir)); is {
			why = err.Path + " " + err.Why
		}
		f.found[key] = why
	}
	return why
}

// account is nil for a user who does not exist: that is told elsewhere.
func (f *foreign) account(as who) *files.Account {
	key := fmt.Sprintf("%q", as)
	account, known := f.accounts[key]
	if !known {
		id := privdrop.Identity{User: as.user, Group: as.group}
		if as.groups != "" {
			id.Groups = strings.Fields(as.groups)
		}
		if found, err := privdrop.Lookup(id); err == nil && as.user != "" {
			account = found.Files()
		}
		f.accounts[key] = account
	}
	return account
}
