package supervisor

import (
	"errors"
	"fmt"
	"maps"
	"os"
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
	config  *configs.Config
	apps    []preparedApp // those of config
	options map[*output.Log]output.Options
	sockets map[string]socket.Spec // by key
}

// preparedApp is an app with the release that it is to run.
type preparedApp struct {
	config   *configs.App // as it is with the release
	release  *configs.Version
	editions map[string]edition // by process; none when no release is active
	trouble  error              // why the active release cannot be started
	known    knowledge          // of an app with releases
}

// preparer looks up every user and opens every log file. It may block.
type preparer struct {
	files   *output.Files
	options map[*output.Log]output.Options
}

// prepare looks everything up; known is of each app with releases. All errors are returned at once; that a release cannot be used is none where
// tolerated says so.
func prepare(c *configs.Config, files *output.Files, known map[string]knowledge, tolerated func(app string) bool) (prepared, error) {
	work := preparer{files, map[*output.Log]output.Options{}}
	p := prepared{config: c, options: work.options, sockets: map[string]socket.Spec{}}
	var errs []error
	for i := range c.Apps {
		a := &c.Apps[i]
		for _, s := range a.Sockets {
			spec, err := s.Resolve()
			errs = append(errs, wrap(err, a.File+": socket."+s.Name))
			p.sockets[socketKey(a.Name, s.Name)] = spec
		}
		one, err := work.activeApp(c, a, known[a.Name])
		if one.trouble != nil && !tolerated(a.Name) {
			err = one.trouble
		}
		errs = append(errs, err)
		p.apps = append(p.apps, one)
	}
	return p, errors.Join(errs...)
}

// activeApp prepares an app with its active release, if it has releases.
func (p preparer) activeApp(c *configs.Config, a *configs.App, k knowledge) (preparedApp, error) {
	if a.Release == nil {
		return p.app(a, nil)
	}
	if k.active == nil {
		return preparedApp{config: a, known: k}, nil
	}
	with, err := preparedApp{}, k.missing
	if err == nil {
		with, err = p.release(c, a.Name, *k.active)
	}
	if err != nil {
		with = preparedApp{config: a, release: k.active, trouble: err}
	}
	with.known = k
	return with, nil
}

// release prepares an app with a release, and says what keeps that from running
// here.
func (p preparer) release(c *configs.Config, app string, v configs.Version) (preparedApp, error) {
	a, err := c.With(app, v)
	if err != nil {
		return preparedApp{}, err
	}
	if wrong := c.VerifyApp(a, v); len(wrong) > 0 {
		return preparedApp{}, new(configs.Errors(wrong))
	}
	if a.Release.InPlace() {
		if err := privdrop.CanMount(); err != nil {
			return preparedApp{}, &unfitError{fmt.Errorf("%s: release.path: each worker needs a mount namespace, and this supd cannot make one: %w; run supd as root where that is permitted, or install versions side by side (release.directory)", a.File, err)}
		}
	}
	return p.app(a, &v)
}

// unfitError says that it is this supd that cannot run a release, any release.
type unfitError struct{ error }

func (p preparer) app(a *configs.App, v *configs.Version) (preparedApp, error) {
	one := preparedApp{config: a, release: v, editions: map[string]edition{}}
	var errs []error
	for i := range a.Processes {
		c := &a.Processes[i]
		e, err := p.edition(a, c)
		e.release = v
		errs = append(errs, err)
		one.editions[c.Name] = e
	}
	return one, errors.Join(errs...)
}

func (p preparer) edition(a *configs.App, c *configs.Process) (edition, error) {
	name := a.Name + "/" + c.Name
	account, err := account(c)
	if err != nil {
		return edition{}, fmt.Errorf("%s:%d: %s: %w", a.File, c.Line, name, err)
	}
	options := logOptions(c.Log, account)
	log, err := p.files.Open(c.Log.File, options)
	if err != nil {
		return edition{}, fmt.Errorf("%s:%d: %s: log: %w", a.File, c.Line, name, err)
	}
	p.options[log] = options
	return edition{config: c, account: account, log: log}, nil
}

func wrap(err error, what string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
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
	if err := d.Runtime.Make(); err != nil {
		return err
	}
	return os.MkdirAll(d.Logs, 0o755)
}

// apply makes a prepared configuration the wish. When a socket cannot be opened
// nothing has changed. Of an app that a rollout is changing nothing is applied
// before that has ended.
func (o *owner) apply(p prepared) error {
	if o.quitting {
		return errors.New("supd is stopping")
	}
	for _, one := range p.apps {
		if o.isStale(one) {
			return errChanged
		}
	}
	sockets := maps.Clone(p.sockets)
	o.keepSockets(sockets)
	if err := o.kernel.open(sockets); err != nil {
		return err
	}
	before := o.config
	o.config = p.config
	o.removeGone(p.apps)
	for _, one := range p.apps {
		a := o.app(one.config.Name)
		if a.rollout != nil {
			a.postponed = true
			o.log.Info("configuration is applied after the rollout", "app", a.name)
			continue
		}
		a.sockets = socketsOf(a.name, p.sockets)
		if one.known.journal != nil {
			a.state, a.journaled = one.known.state, true
			o.kernel.keep(a.name, one.known.journal)
		}
		o.applyApp(a, one, movedSockets(before, one.config))
	}
	slices.SortFunc(o.apps, func(a, b *app) int { return strings.Compare(a.name, b.name) })
	return nil
}

// errChanged says that what a configuration was prepared for is so no more: it
// has to be prepared again.
var errChanged = errors.New("the active release has changed meanwhile")

// isStale tells whether an app was prepared for what is so no more.
func (o *owner) isStale(one preparedApp) bool {
	a := o.findApp(one.config.Name)
	switch {
	case one.config.Release == nil || one.known.journal != nil:
		return false
	case a == nil || !a.journaled:
		return true // it was there, and was forgotten meanwhile
	}
	return a.rollout == nil && a.state.Active != versionOf(one.release)
}

// versionOf is "" for no release.
func versionOf(v *configs.Version) string {
	if v == nil {
		return ""
	}
	return v.Name
}

// socketsOf are those of one app.
func socketsOf(app string, all map[string]socket.Spec) map[string]socket.Spec {
	own := maps.Clone(all)
	maps.DeleteFunc(own, func(key string, _ socket.Spec) bool { return !strings.HasPrefix(key, app+"/") })
	return own
}

// keepSockets adds the sockets of apps in a rollout as they are.
func (o *owner) keepSockets(sockets map[string]socket.Spec) {
	for _, a := range o.apps {
		if a.rollout == nil {
			continue
		}
		maps.DeleteFunc(sockets, func(key string, _ socket.Spec) bool { return strings.HasPrefix(key, a.name+"/") })
		maps.Copy(sockets, a.sockets)
	}
}

// applyApp makes an app what it is to be with its release.
func (o *owner) applyApp(a *app, one preparedApp, moved map[string]bool) {
	a.config, a.removed, a.postponed, a.trouble = one.config, false, false, one.trouble
	for i := range one.config.Processes {
		pc := &one.config.Processes[i]
		e, known := one.editions[pc.Name]
		if !known {
			o.applyProcess(a.process(pc.Name), pc, nil, moved)
			continue
		}
		o.applyProcess(a.process(pc.Name), pc, &e, moved)
	}
	slices.SortFunc(a.processes, func(a, b *process) int { return strings.Compare(a.name, b.name) })
}

// applyProcess makes e what the process is to run; nil is nothing yet.
func (o *owner) applyProcess(p *process, c *configs.Process, e *edition, moved map[string]bool) {
	was, running := p.config, p.edition
	isNew := was == nil || p.removed || len(p.slots) == 0
	up := p.wished() || isNew && c.Autostart
	p.config, p.removed = c, false
	p.resize(up)
	if isNew && up {
		p.wishAll()
	}
	switch {
	case e == nil:
	case isNew || running == nil:
		o.renew(p, *e)
	case o.differs(running, e) || slices.ContainsFunc(c.Sockets, func(name string) bool { return moved[name] }):
		o.log.Info("configuration changed, replacing workers", "process", p.fullName())
		o.renew(p, *e)
		p.retryAll()
	default:
		p.exchange(running, *e)
		if !reflect.DeepEqual(withoutLine(was), withoutLine(c)) {
			p.retryAll()
		}
	}
}

// differs tells whether a worker of e would feel that it is none of the other.
func (o *owner) differs(a, b *edition) bool {
	return !sameLaunch(a.config, b.config) || !reflect.DeepEqual(a.account, b.account) || !reflect.DeepEqual(a.release, b.release)
}

// retryAll starts at once what waits to be started again.
func (p *process) retryAll() {
	for _, s := range p.slots {
		if len(s.workers) == 0 && s.up && !s.done {
			s.retryNow()
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
		i := slices.IndexFunc(before.Apps[old].Sockets, func(b configs.Socket) bool { return b.Name == s.Name })
		moved[s.Name] = i >= 0 && before.Apps[old].Sockets[i].Listen != s.Listen
	}
	return moved
}

// removeGone stops wishing for the processes that the configuration has no more.
func (o *owner) removeGone(apps []preparedApp) {
	for _, a := range o.apps {
		i := slices.IndexFunc(apps, func(b preparedApp) bool { return b.config.Name == a.name })
		a.removed = i < 0
		switch {
		case i < 0:
			o.abort(a, "the app was removed from the configuration")
			a.keepOnly(nil)
		case a.rollout == nil:
			a.keepOnly(apps[i].config)
		}
	}
}

// keepOnly stops wishing for the processes that c, which may be nil, does not have.
func (a *app) keepOnly(c *configs.App) {
	for _, p := range a.processes {
		if c == nil || configOf(c, p.name) == nil {
			p.removed = true // one that comes back is seen to by applyProcess
			p.resize(false)
		}
	}
}

// app finds or adds an app.
func (o *owner) app(name string) *app {
	if a := o.findApp(name); a != nil {
		return a
	}
	a := &app{name: name}
	o.apps = append(o.apps, a)
	return a
}

func (o *owner) findApp(name string) *app {
	for _, a := range o.apps {
		if a.name == name {
			return a
		}
	}
	return nil
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
