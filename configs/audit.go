package configs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"supd/privdrop"
	"supd/privdrop/files"
)

// Weakness is something by which an app can do more than it needs, or others can reach it:
// valid, and often meant so, and yet a point of the hardening checklist.
type Weakness struct {
	App string // "" is supd itself
	Warning
}

// Audit goes through the hardening checklist: of these apps, or of all and of supd itself.
// Beside the configuration it looks up users, and reads the modes of files. Who cannot be
// looked up is no matter of it, but of Verify.
func (c *Config) Audit(apps ...string) []Weakness { return newAudit(c).all(apps) }

func newAudit(c *Config) *audit {
	return &audit{config: c, report: report{home: c.home}, accounts: map[string]*privdrop.Account{}, paths: newForeign(), venvs: map[string]error{}}
}

func (a *audit) all(apps []string) []Weakness {
	if len(apps) == 0 {
		a.daemon()
	}
	for i := range a.config.Apps {
		if a.app = &a.config.Apps[i]; len(apps) > 0 && !slices.Contains(apps, a.app.Name) {
			continue
		}
		a.users()
		runTrap(a.config, a.app, &a.report)
		a.sockets()
		for k := range a.app.Processes {
			a.process(&a.app.Processes[k])
		}
		a.keep(a.app.Name)
	}
	return a.found
}

// audit looks at one app after the other.
type audit struct {
	config   *Config
	app      *App
	report   report // of the app, or of supd itself
	accounts map[string]*privdrop.Account
	paths    *foreign
	venvs    map[string]error
	found    []Weakness
}

func (a *audit) add(at Place, format string, args ...any) { a.report.add(at, format, args...) }

// keep takes what was found of an app.
func (a *audit) keep(app string) {
	for _, e := range a.report.sorted() {
		a.found = append(a.found, Weakness{app, Warning(e)})
	}
	a.report = report{home: a.config.home}
}

// account is nil where the user is not known, or is supd's own.
func (a *audit) account(name string) *privdrop.Account {
	if found, known := a.accounts[name]; known {
		return found
	}
	var account *privdrop.Account
	if name != "" {
		account, _ = privdrop.Lookup(privdrop.Identity{User: name})
	}
	a.accounts[name] = account
	return account
}

// usersOf are the users of an app, each with the process that names it; "" is the app.
func usersOf(app *App) (users []struct{ process, name string }) {
	known := map[string]bool{"": true}
	add := func(process, name string) {
		if !known[name] {
			users = append(users, struct{ process, name string }{process, name})
		}
		known[name] = true
	}
	if len(app.Processes) == 0 || slices.ContainsFunc(app.Processes, func(p Process) bool { return p.User == app.User }) {
		add("", app.User)
	}
	for i := range app.Processes {
		add(app.Processes[i].Name, app.Processes[i].User)
	}
	return users
}

func (a *audit) users() {
	for _, user := range usersOf(a.app) {
		account := a.account(user.name)
		if account == nil {
			continue
		}
		at := a.app.place(user.process, "user")
		if account.UID == 0 {
			a.add(at, "is root: a fault in the program is the whole machine's; give it a user of its own, and the capabilities that it needs")
			continue
		}
		if isLogin(account.Shell) {
			a.add(at, "%s has the login shell %s, which no program needs; usermod --shell /usr/sbin/nologin %[1]s", user.name, account.Shell)
		}
		if others := a.othersOf(account.UID); len(others) > 0 {
			a.add(at, "%s is the user of %s too: each can stop the other's workers, and read what they have; give each app a user of its own", user.name, strings.Join(others, ", "))
		}
		a.operates(at, user.name, account)
	}
}

// isLogin reports whether a shell lets its user log in.
func isLogin(shell string) bool {
	return !slices.Contains([]string{"nologin", "false", "true", "sync"}, filepath.Base(shell))
}

// othersOf are the other apps that have a user.
func (a *audit) othersOf(uid int) (others []string) {
	for i := range a.config.Apps {
		other := &a.config.Apps[i]
		if other.Name != a.app.Name && slices.ContainsFunc(usersOf(other), func(u struct{ process, name string }) bool {
			account := a.account(u.name)
			return account != nil && account.UID == uid
		}) {
			others = append(others, other.Name)
		}
	}
	return others
}

// operates is for the user of an app that may start, stop and deploy what is not its own.
func (a *audit) operates(at Place, name string, account *privdrop.Account) {
	if a.config.Control.Operators.include(account) {
		a.add(at, "%s is among the operators of supd.toml: a fault in the program can stop every app; take it out of them", name)
		return
	}
	for i := range a.config.Apps {
		if other := &a.config.Apps[i]; other.Name != a.app.Name && other.Operators.include(account) {
			a.add(at, "%s is among the operators of %s: a fault in the program can stop that one; take it out of them", name, other.Name)
		}
	}
}

// include reports whether an account is one of them.
func (p People) include(account *privdrop.Account) bool {
	uids, gids, _ := p.Resolve()
	return slices.Contains(uids, account.UID) || slices.Contains(gids, account.GID) ||
		slices.ContainsFunc(account.Groups, func(gid int) bool { return slices.Contains(gids, gid) })
}

// process looks at what one process may do, and at the files that it is made of.
func (a *audit) process(p *Process) {
	t := newTrap(a.config, a.app, p, a.paths)
	t.secrets()
	a.report.include(&t.report)
	a.capabilities(p)
	a.environment(p)
	if os.Geteuid() == 0 {
		a.programs(p)
	}
}

// mighty are the capabilities with which a program gets all others, or reads what is every
// user's (capabilities(7)).
var mighty = []string{
	"chown", "dac_override", "dac_read_search", "fowner", "setgid", "setuid", "setpcap", "setfcap", "sys_module", "sys_rawio",
	"sys_ptrace", "sys_admin", "sys_chroot", "mknod", "linux_immutable", "mac_override", "mac_admin", "bpf", "checkpoint_restore",
}

func (a *audit) capabilities(p *Process) {
	var has []string
	for _, name := range privdrop.ExpandCapabilities(p.Capabilities) {
		if slices.Contains(mighty, name) {
			has = append(has, name)
		}
	}
	if len(has) > 0 {
		a.add(a.app.place(p.Name, "capabilities"), "with %s the program is root in all but name, or can become it; leave out what it can do without", strings.Join(has, ", "))
	}
}

// environment is for an env_file that a group reads which is not the process's, or who is
// named in an access control list: that all users read it is said by the trap.
func (a *audit) environment(p *Process) {
	info, err := os.Stat(p.EnvFile)
	if p.EnvFile == "" || err != nil || info.Mode()&0o044 != 0o040 {
		return
	}
	if path, err := filepath.EvalSymlinks(p.EnvFile); err == nil && files.HasList(path) {
		a.add(a.app.place(p.Name, "env_file"), "%s has an access control list, by which others can read it; setfacl -b it and chmod 0600 it, supd reads it before it drops root", p.EnvFile)
		return
	}
	gid := int(info.Sys().(*syscall.Stat_t).Gid)
	if own, _ := privdrop.Lookup(privdrop.Identity{User: cmp.Or(p.User, fmt.Sprint(os.Geteuid())), Group: p.Group}); gid == 0 || own != nil && own.GID == gid {
		return
	}
	a.add(a.app.place(p.Name, "env_file"), "%s is readable by a group that is not the process's (gid %d); chmod 0600 it, supd reads it before it drops root", p.EnvFile, gid)
}

// programs are for what root starts, and others can change. What is in a release is looked
// at by itself.
func (a *audit) programs(p *Process) {
	if filepath.IsAbs(p.Venv) && !a.inRelease(p.Venv) {
		switch why := a.venv(p.Venv); {
		case files.IsUntrusted(why):
			a.add(a.app.place(p.Name, "venv"), "others than root can change the program: %s", why)
		case why != nil:
			a.add(a.app.place(p.Name, "venv"), "cannot be looked at as a whole: %s", why)
		}
	}
	for _, one := range p.programs() {
		path := a.pathOf(p, one.argv)
		if path == "" || a.inRelease(path) {
			continue
		}
		why := files.Way{}.Untrusted(path)
		if script, _ := (privdrop.View{}).ScriptAt(path, nil); why == nil && filepath.IsAbs(script.Interpreter) {
			why = files.Way{}.Untrusted(script.Interpreter)
		}
		if why != nil {
			a.add(a.app.place(p.Name, one.key), "others than root can change the program: %s", why)
		}
	}
}

// venv says who else than root can change something in a virtual environment. It is asked
// once, however many processes have it.
func (a *audit) venv(path string) error {
	why, known := a.venvs[path]
	if !known {
		found, err := files.UntrustedBelow(path, 1)
		if why = err; errors.Is(err, fs.ErrNotExist) { // which is said by check
			why = nil
		}
		for _, one := range found {
			why = one
		}
		a.venvs[path] = why
	}
	return why
}

// inRelease reports whether a path is where each worker sees the snapshot of its release,
// which is root's.
func (a *audit) inRelease(path string) bool {
	r := a.app.Release
	return r != nil && r.Path != "" && (path == r.Path || strings.HasPrefix(path, r.Path+"/"))
}

// pathOf is where the program of a command is, "" where only a launch tells.
func (a *audit) pathOf(p *Process, argv []string) string {
	v := verification{config: a.config, app: a.app}
	file, _, _, _ := v.fileOf(p, argv) // also one that cannot be run
	if !filepath.IsAbs(file) {
		return ""
	}
	return file
}
