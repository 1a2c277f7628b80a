package configs

import (
	"io/fs"
	"os"
	"slices"
	"strings"

	"supd/privdrop"
	"supd/privdrop/files"
)

// Verify asks this machine what Load cannot know: whether users, groups,
// directories, commands and environment files exist, and whether the paths that
// supd makes are short enough for unix sockets. It starts and binds nothing, so
// that a command may still turn out to be forbidden to its user, and an address
// to be taken.
//
// Of an app with releases it says what holds for all of them; VerifyApp does the
// rest.
//
// What is on a disk that does not answer is waited for a few seconds, and then it is what
// is wrong.
func (c *Config) Verify() []Error {
	v := &verification{config: c, report: report{home: c.home}, asks: true, patience: &files.Patience{}}
	v.daemon()
	v.paths()
	v.logs()
	for i := range c.Apps {
		v.app = &c.Apps[i]
		v.people(func(key, format string, args ...any) { v.fail("", key, format, args...) }, "", v.app.Operators, v.app.Readers)
		for _, s := range v.app.Sockets {
			v.socket(s)
		}
		v.processes()
	}
	return v.report.sorted()
}

// VerifyApp does for the processes of an app that With gave what Verify does. What
// is in the release is looked for where its files can be read now.
func (c *Config) VerifyApp(a *App, r Version) []Error {
	v := c.verificationOf(a, r)
	v.asks, v.patience = true, &files.Patience{}
	v.processes()
	return v.report.sorted()
}

// VerifyProcess is VerifyApp of one of the app's processes before a launch: it waits for
// every disk, and leaves to the launch what that finds out by itself.
func (c *Config) VerifyProcess(a *App, p *Process, r Version) []Error {
	v := c.verificationOf(a, r)
	v.one(p)
	return v.report.sorted()
}

func (c *Config) verificationOf(a *App, r Version) *verification {
	return &verification{config: c, app: a, view: r.view(), version: &r, report: report{home: c.home}}
}

type verification struct {
	config  *Config
	app     *App
	view    privdrop.View
	version *Version // nil: none is known
	report  report
	file    map[string]string // what is in the env_file of the process that is looked at

	asks     bool            // what a launch would find out by itself, too
	patience *files.Patience // with the apps' files
}

// answers does what may wait for a disk, and reports whether it has ended soon; else that
// is what is wrong with the key.
func (v *verification) answers(of, key, path string, do func()) bool {
	if v.patience.Answers(do) {
		return true
	}
	v.fail(of, key, "%s: %s", path, v.patience.Why())
	return false
}

// fail places a message at a key of a process, or "" for one of the app.
func (v *verification) fail(of, key, format string, args ...any) {
	v.report.add(v.app.place(of, key), format, args...)
}

func (v *verification) failDaemon(key, format string, args ...any) {
	v.report.add(v.config.place(key), format, args...)
}

// maxSocketPath is sun_path less its zero byte (unix(7)).
const maxSocketPath = 107

func (v *verification) daemon() {
	c := v.config
	if len(c.Control.Socket) > maxSocketPath {
		v.failDaemon("control.socket", "the path has %d bytes, a unix socket's has at most %d; choose a shorter one", len(c.Control.Socket), maxSocketPath)
	}
	if c.Control.Group != "" {
		if _, _, err := lookupOwner("", c.Control.Group); err != nil {
			v.failDaemon("control.group", "%s", err)
		}
	}
	v.people(v.failDaemon, "control.", c.Control.Operators, c.Control.Readers)
	if push := c.Metrics.Push; push.RemoteWrite != "" && push.Credentials != "" {
		if _, err := ReadCredentials(push.Credentials); err != nil {
			v.failDaemon("metrics.remote_write_credentials", "%s", err)
		}
	}
}

func (v *verification) processes() {
	for i := range v.app.Processes {
		v.one(&v.app.Processes[i])
	}
}

func (v *verification) one(p *Process) {
	longest := longestPath(v.config.Daemon.Runtime, v.app.Name, p)
	if len(longest) > maxSocketPath {
		v.failDaemon("daemon.runtime", "is too long: %s would have %d bytes, a unix socket's path has at most %d", longest, len(longest), maxSocketPath)
	}
	v.process(p)
}

// longestPath is that of a socket which supd makes for one worker, after a million
// launches.
func longestPath(r Runtime, app string, p *Process) string {
	const generation = 1_000_000
	return r.Notify(LaunchName(app, p.Name, max(p.Count, 1), generation))
}

func (v *verification) socket(s Socket) {
	if _, err := s.Resolve(); err != nil {
		v.fail("", s.OwnerKey(), "%s", err)
	}
}

func (v *verification) process(p *Process) {
	var account *privdrop.Account // nil: not known, or supd's own
	if p.User != "" {
		account = v.identity(p.Name, p)
	}
	v.file = nil
	if p.EnvFile != "" && (account != nil || p.User == "") {
		v.envFile(p, account)
	}
	v.sizes(p)
	v.resources(p, account)
	v.journal(p)
	if v.app.Release != nil && v.version == nil {
		return // what follows may be in the release
	}
	v.fromFile(p)
	if v.directory(p.Name, "directory", p.Directory) {
		v.reach(p.Name, "directory", account, p.Directory)
	}
	if p.Venv != "" && v.venv(p.Name, p.Venv) {
		v.reach(p.Name, "venv", account, p.Venv)
	}
	for _, one := range p.programs() {
		v.program(p, one.key, one.argv, account)
	}
}

// reach wants the account to come to a path.
func (v *verification) reach(of, key string, account *privdrop.Account, path string) {
	if account == nil {
		return
	}
	var err error
	if v.answers(of, key, path, func() { err = account.Reach(v.view, path) }) && err != nil {
		v.fail(of, key, "%s: %s", path, err)
	}
}

// identity looks an account up, and gives nil if it cannot be had.
func (v *verification) identity(of string, p *Process) *privdrop.Account {
	account, err := Lookup(privdrop.Identity{User: p.User, Group: p.Group, Groups: p.Groups})
	if err == nil {
		if !p.AllowRoot && (account.UID == 0 || account.GID == 0 || slices.Contains(account.Groups, 0)) {
			v.fail(of, "user", "%q has root's uid, or is in root's group; use another user, or say allow_root = true in the app file", p.User)
		}
		return account
	}
	v.fail(of, IdentityKey(p), "%s", err)
	return nil
}

// IdentityKey is the key whose names do not exist, the user where that is not clear.
func IdentityKey(p *Process) string {
	switch {
	case p.Group != "" && !exists(p.Group, []string{}):
		return "group"
	case !exists("0", append([]string{}, p.Groups...)):
		return "groups"
	}
	return "user"
}

func exists(group string, groups []string) bool {
	_, err := privdrop.Lookup(privdrop.Identity{User: "0", Group: group, Groups: groups})
	return err == nil
}

// directory reports whether a directory is there.
func (v *verification) directory(of, key, path string) bool {
	var info fs.FileInfo
	var err error
	if !v.answers(of, key, path, func() { info, err = os.Stat(v.view.Find(path)) }) {
		return false
	}
	switch {
	case err != nil:
		v.fail(of, key, "%s: %s; make it, or name another directory", path, reason(err))
	case !info.IsDir():
		v.fail(of, key, "%s: not a directory; name one", path)
	}
	return err == nil && info.IsDir()
}

func (v *verification) venv(of, path string) bool {
	if strings.Contains(path, ":") { // of an epoch in a version, perhaps
		v.fail(of, "venv", `%s: a ":" divides PATH, so that its bin would not be found; choose a directory without one`, path)
	}
	return v.directory(of, "venv", path)
}

func (v *verification) envFile(p *Process, account *privdrop.Account) {
	of, path := p.Name, p.EnvFile
	var read map[string]string
	var err error
	if !v.answers(of, "env_file", path, func() { read, err = ReadEnvFile(path, account) }) {
		return
	}
	if v.file = read; err == nil {
		return
	}
	for _, e := range *err.(*Errors) {
		if e.Line == 0 {
			v.fail(of, "env_file", "%s: %s", path, e.Msg)
			continue
		}
		v.report.add(Place{e.File, e.Line, e.Key}, "%s", e.Msg)
	}
}

// fromFile wants the variables to be in env_file that nothing else can set.
func (v *verification) fromFile(p *Process) {
	if v.file == nil {
		return
	}
	known := append(p.beforeEnv(), "env.LANG") // which is set unless something else is
	for name := range v.file {
		known = append(known, "env."+name)
	}
	for _, name := range sortedKeys(p.Env) {
		if len(lacking(p.Env[name], known)) > 0 { // the name may be a part of a secret
			v.fail(p.Name, dotted("env", name), "uses a variable of the environment that %s does not set; write it there, or name it in env_inherit", p.EnvFile)
		}
	}
	known = append(known, p.withEnv()...)
	for _, one := range p.texts() {
		for _, arg := range one.argv {
			for _, name := range lacking(arg, known) {
				v.fail(p.Name, one.key, "{%s}: %s does not set it; write it there or in env, or name it in env_inherit", name, p.EnvFile)
			}
		}
	}
}

// lacking gives the variables of the environment in a text that are not among known.
func lacking(text string, known []string) (names []string) {
	expand(text, func(name string) (string, error) {
		if strings.HasPrefix(name, "env.") && !isKnown(known, name) {
			names = append(names, name)
		}
		return "", nil
	})
	return names
}
