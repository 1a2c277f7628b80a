package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"supd/configs"
	"supd/privdrop"
	"supd/socket"
	"supd/supervisor/output"
)

// prepared is a configuration with everything looked up and opened that the
// owner must not wait for.
type prepared struct {
	config   *configs.Config
	accounts map[string]*privdrop.Account // by full name of the process
	logs     map[string]*output.Log       // likewise
	options  map[*output.Log]output.Options
	sockets  map[string]socket.Spec // by key
}

// prepare looks up every user and opens every log file. All errors are returned
// at once.
func prepare(c *configs.Config, files *output.Files) (prepared, error) {
	p := prepared{config: c, accounts: map[string]*privdrop.Account{}, logs: map[string]*output.Log{},
		options: map[*output.Log]output.Options{}, sockets: map[string]socket.Spec{}}
	var errs []error
	for i := range c.Apps {
		a := &c.Apps[i]
		for _, s := range a.Sockets {
			s, err := withNumbers(s)
			errs = append(errs, wrap(err, a.File+": socket."+s.Name))
			p.sockets[socketKey(a.Name, s.Name)] = s
		}
		for k := range a.Processes {
			errs = append(errs, p.process(a, &a.Processes[k], files))
		}
	}
	return p, errors.Join(errs...)
}

func (p *prepared) process(a *configs.App, c *configs.Process, files *output.Files) error {
	name := a.Name + "/" + c.Name
	account, err := account(c)
	if err != nil {
		return fmt.Errorf("%s:%d: %s: %w", a.File, c.Line, name, err)
	}
	p.accounts[name] = account
	options := logOptions(c.Log, account)
	log, err := files.Open(c.Log.File, options)
	if err != nil {
		return fmt.Errorf("%s:%d: %s: log: %w", a.File, c.Line, name, err)
	}
	p.logs[name], p.options[log] = log, options
	return nil
}

func wrap(err error, what string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// withNumbers puts ids in the place of a socket's owner and group, so that the
// owner goroutine does not wait for a directory service when it opens it.
func withNumbers(s socket.Spec) (socket.Spec, error) {
	if s.User == "" && s.Group == "" {
		return s, nil
	}
	id := privdrop.Identity{User: s.User, Group: s.Group, Groups: []string{}}
	if id.User == "" {
		id.User = strconv.Itoa(os.Geteuid())
	}
	a, err := privdrop.Lookup(id)
	if err != nil {
		return s, err
	}
	if s.User != "" {
		s.User = strconv.Itoa(a.UID)
	}
	s.Group = strconv.Itoa(a.GID)
	return s, nil
}

// account is whom the process runs as; without a user, supd itself.
func account(c *configs.Process) (*privdrop.Account, error) {
	id := privdrop.Identity{User: c.User, Group: c.Group, Groups: c.Groups}
	if id.User == "" {
		id.User = strconv.Itoa(os.Geteuid())
		if id.Group == "" {
			id.Group = strconv.Itoa(os.Getegid())
		}
	}
	a, err := privdrop.Lookup(id)
	if err == nil && os.Geteuid() != 0 && a.UID != os.Geteuid() {
		return nil, fmt.Errorf("user %q: this supd does not run as root and can change to nobody; remove user, or run it as root", id.User)
	}
	return a, err
}

// CheckAccounts tells whether this very process may run the workers of c as the
// users that it names. What it names that does not exist is an error as well.
func CheckAccounts(c *configs.Config) error {
	var errs []error
	for i := range c.Apps {
		a := &c.Apps[i]
		for k := range a.Processes {
			p := &a.Processes[k]
			_, err := account(p)
			errs = append(errs, wrap(err, fmt.Sprintf("%s:%d: %s/%s", a.File, p.Line, a.Name, p.Name)))
		}
	}
	return errors.Join(errs...)
}

// logOptions let the group of the process's account read its log.
func logOptions(c configs.Log, a *privdrop.Account) output.Options {
	o := output.Options{MaxSize: c.MaxSize, Keep: c.Keep, UID: -1, GID: a.GID, Mode: 0o640}
	if os.Geteuid() != 0 {
		o.GID = -1
	}
	return o
}

// makeDirectories makes the directories that supd itself needs.
func makeDirectories(d configs.Daemon) error {
	for _, dir := range []struct {
		path string
		mode os.FileMode
	}{
		{d.Runtime, 0o755},
		{filepath.Join(d.Runtime, "workers"), 0o711},
		{filepath.Join(d.Runtime, "probe"), 0o700},
		{filepath.Join(d.Runtime, "notify"), 0o711},
		{d.Logs, 0o755},
	} {
		if err := os.MkdirAll(dir.path, dir.mode); err != nil {
			return err
		}
	}
	return nil
}

// apply makes a prepared configuration the wish. When a socket cannot be opened
// nothing has changed.
func (o *owner) apply(p prepared) error {
	if o.quitting {
		return errors.New("supd is stopping")
	}
	if err := o.kernel.open(p.sockets); err != nil {
		return err
	}
	before := o.config
	o.config = p.config
	o.removeGone(p.config)
	for i := range p.config.Apps {
		o.applyApp(&p.config.Apps[i], p, movedSockets(before, &p.config.Apps[i]))
	}
	slices.SortFunc(o.apps, func(a, b *app) int { return strings.Compare(a.name, b.name) })
	return nil
}

func (o *owner) applyApp(c *configs.App, p prepared, moved map[string]bool) {
	a := o.app(c.Name)
	a.config, a.removed = c, false
	for i := range c.Processes {
		pc := &c.Processes[i]
		name := c.Name + "/" + pc.Name
		o.applyProcess(a, pc, p.accounts[name], p.logs[name], moved)
	}
	slices.SortFunc(a.processes, func(a, b *process) int { return strings.Compare(a.name, b.name) })
}

func (o *owner) applyProcess(a *app, c *configs.Process, account *privdrop.Account, log *output.Log, moved map[string]bool) {
	p := a.process(c.Name)
	was, wasAccount := p.config, p.account
	isNew := was == nil || p.removed || len(p.slots) == 0
	up := p.wished() || isNew && c.Autostart
	p.config, p.account, p.log, p.removed = c, account, log, false
	p.resize(up)
	if isNew {
		if up {
			p.wishAll()
		}
		o.renew(p)
		return
	}
	changed := !sameLaunch(was, c) || !reflect.DeepEqual(wasAccount, account) ||
		slices.ContainsFunc(c.Sockets, func(name string) bool { return moved[name] })
	if changed {
		o.log.Info("configuration changed, replacing workers", "process", p.fullName())
		o.renew(p)
	}
	if !reflect.DeepEqual(withoutLine(was), withoutLine(c)) || changed {
		for _, s := range p.slots {
			if len(s.workers) == 0 && s.up && !s.done {
				s.retryNow()
			}
		}
	}
}

func withoutLine(p *configs.Process) configs.Process {
	c := *p
	c.Line = 0
	return c
}

// movedSockets are the app's sockets that listen somewhere else than before.
func movedSockets(before *configs.Config, a *configs.App) map[string]bool {
	moved := map[string]bool{}
	if before == nil {
		return moved
	}
	old := slices.IndexFunc(before.Apps, func(b configs.App) bool { return b.Name == a.Name })
	if old < 0 {
		return moved
	}
	for _, s := range a.Sockets {
		i := slices.IndexFunc(before.Apps[old].Sockets, func(b socket.Spec) bool { return b.Name == s.Name })
		moved[s.Name] = i >= 0 && before.Apps[old].Sockets[i].Listen != s.Listen
	}
	return moved
}

// removeGone stops wishing for the processes that the configuration has no more.
func (o *owner) removeGone(c *configs.Config) {
	for _, a := range o.apps {
		i := slices.IndexFunc(c.Apps, func(b configs.App) bool { return b.Name == a.name })
		a.removed = i < 0
		for _, p := range a.processes {
			p.removed = i < 0 || !slices.ContainsFunc(c.Apps[i].Processes, func(b configs.Process) bool { return b.Name == p.name })
			if p.removed {
				p.resize(false)
			}
		}
	}
}

// app finds or adds an app.
func (o *owner) app(name string) *app {
	for _, a := range o.apps {
		if a.name == name {
			return a
		}
	}
	a := &app{name: name}
	o.apps = append(o.apps, a)
	return a
}

// process finds or adds a process.
func (a *app) process(name string) *process {
	for _, p := range a.processes {
		if p.name == name {
			return p
		}
	}
	p := &process{app: a, name: name, counted: map[int]int{}}
	a.processes = append(a.processes, p)
	return p
}
